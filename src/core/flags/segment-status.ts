import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment, FlagSegmentStatus } from "../../api/flag-segment.ts";
import { conditionsSaying, type Said } from "../conditions.ts";
import { sameJson } from "../json.ts";
import { optional } from "../optional.ts";
import type { Plan } from "../plan.ts";

/** Names of the segments that a flag's rules, or another segment's conditions, name themselves. */
export function segmentsNamed({ spec }: FeatureFlag | FlagSegment): string[] {
  const clauses = "rules" in spec ? (spec.rules ?? []).flatMap(({ when }) => when) : "when" in spec ? spec.when : [];
  const names = (clauses ?? []).flatMap(({ segment, notSegment }) => [segment, notSegment]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** What a FlagSegment says of itself: how many flags name it, and how many other segments. Pure.
 * @param flags of its namespace that name it
 * @param segments likewise */
export function planSegment(
  segment: FlagSegment,
  flags: readonly FeatureFlag[],
  segments: readonly FlagSegment[],
  nowMs: number,
): Plan<FlagSegmentStatus> {
  const { metadata, status: before = {} } = segment;
  const generation = metadata.generation ?? 0;
  const isUsed = flags.length + segments.length > 0;
  const said: Record<string, Said> = {
    Ready: { status: "True", reason: isUsed ? "InUse" : "Unused", message: usersSaid(flags, segments) },
  };
  const next: FlagSegmentStatus = {
    observedGeneration: generation,
    flags: flags.length,
    conditions: conditionsSaying(said, before.conditions, generation, new Date(nowMs).toISOString()),
  };
  return { writes: [], ...optional("status", sameJson(next, before) ? undefined : next), notices: [] };
}

function usersSaid({ length: flags }: readonly FeatureFlag[], { length: segments }: readonly FlagSegment[]): string {
  const counted = (n: number, what: string) => (n === 0 ? [] : [`${n} ${what}${n === 1 ? "" : "s"}`]);
  const users = [...counted(flags, "flag"), ...counted(segments, "segment")];
  if (users.length === 0) return "no flag names it";
  return `${users.join(" and ")} ${flags + segments === 1 ? "names" : "name"} it`;
}
