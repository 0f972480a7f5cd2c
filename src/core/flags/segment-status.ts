import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment, FlagSegmentStatus } from "../../api/flag-segment.ts";
import { conditionsSaying } from "../conditions.ts";
import { sameJson } from "../json.ts";
import { optional } from "../optional.ts";
import type { Plan } from "../plan.ts";

/** Names of the segments that a flag's rules, or another segment's conditions, name themselves. */
export function segmentsNamed({ spec }: FeatureFlag | FlagSegment): string[] {
  const clauses = "rules" in spec ? (spec.rules ?? []).flatMap(({ when }) => when) : "when" in spec ? spec.when : [];
  const names = (clauses ?? []).flatMap(({ segment, notSegment }) => [segment, notSegment]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** What a FlagSegment says of itself: how many flags name it. Pure.
 * @param flags of its namespace that name it */
export function planSegment(
  segment: FlagSegment,
  flags: readonly FeatureFlag[],
  nowMs: number,
): Plan<FlagSegmentStatus> {
  const { metadata, status: before = {} } = segment;
  const generation = metadata.generation ?? 0;
  const message = flags.length === 0 ? "no flag names it" : `${flags.length} flags name it`;
  const said = { Ready: { status: "True", reason: flags.length === 0 ? "Unused" : "InUse", message } } as const;
  const next: FlagSegmentStatus = {
    observedGeneration: generation,
    flags: flags.length,
    conditions: conditionsSaying(said, before.conditions, generation, new Date(nowMs).toISOString()),
  };
  return { writes: [], ...optional("status", sameJson(next, before) ? undefined : next), notices: [] };
}
