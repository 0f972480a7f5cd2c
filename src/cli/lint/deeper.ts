import type { Json } from "../../api/crd.ts";
import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import type { Rollout } from "../../api/rollout.ts";
import { UnitError } from "../../api/units.ts";
import { subjectNamed } from "../../controllers/rollout/subject.ts";
import { compileFlag } from "../../core/flags/compile.ts";
import { settingsOf } from "../../core/rollout/settings.ts";
import { type FlagSubject, renderQuery, type Subject } from "../../metrics/template.ts";
import type { Finding } from "./structure.ts";

/** What neither a schema nor a rule can see, and what a cluster would tell in a condition some seconds later. */

/** Objects beside the one that is looked at, as far as the same files hold them. */
export interface Neighbours {
  readonly segments: ReadonlyMap<string, FlagSegment>;
  readonly flags: ReadonlyMap<string, FeatureFlag>;
}

/** @param object one of which the schema and its rules have nothing to say */
export function lintDeeper(object: Json, neighbours: Neighbours, nowMs: number): Finding[] {
  if (object.kind === "Rollout") return rolloutFindings(object as unknown as Rollout);
  if (object.kind === "FeatureFlag") return flagFindings(object as unknown as FeatureFlag, neighbours, nowMs);
  return [];
}

/** Some revision or other: it is the variables that are looked at. */
const SIDES = { canary: "canary", stable: "stable", weightBp: 0 };
const WINDOW_MS = 60_000;

function rolloutFindings(rollout: Rollout): Finding[] {
  try {
    const settings = settingsOf(rollout);
    return queryFindings(rollout.spec, subjectNamed(rollout, settings, SIDES, []), ["spec"]);
  } catch (error) {
    if (error instanceof UnitError) return [{ path: [], message: error.message }];
    throw error;
  }
}

interface Analysed {
  readonly analysis?:
    | { readonly metrics?: readonly { readonly query?: { readonly promql: string } | undefined }[] | undefined }
    | undefined;
}

function queryFindings({ analysis }: Analysed, subject: Subject, path: Finding["path"]): Finding[] {
  return (analysis?.metrics ?? []).flatMap(({ query }, i): Finding[] => {
    if (query === undefined) return [];
    const rendered = renderQuery(query.promql, subject, "canary", WINDOW_MS);
    if (rendered.kind === "ok") return [];
    return [{ path: [...path, "analysis", "metrics", i, "query", "promql"], message: rendered.message }];
  });
}

/** What the files lack may be in the cluster. */
const ELSEWHERE: readonly string[] = ["SegmentMissing", "PrerequisiteMissing"];

/** Where a file names no namespace, the one to apply it to is not known. */
function isUnplaced({ metadata }: FeatureFlag, reason: string): boolean {
  return reason === "FlagSetForeign" && metadata.namespace === undefined;
}

function flagFindings(flag: FeatureFlag, { segments, flags }: Neighbours, nowMs: number): Finding[] {
  const compiled = compileFlag({ flag, segments, others: flags, kills: [], nowMs });
  const own: Finding[] =
    compiled.kind === "invalid" && !ELSEWHERE.includes(compiled.reason) && !isUnplaced(flag, compiled.reason)
      ? [{ path: [], message: compiled.message }]
      : [];
  const canary = flag.spec.strategy?.canary;
  if (canary === undefined) return own;
  const subject: FlagSubject = {
    kind: "flag",
    namespace: flag.metadata.namespace ?? "",
    key: flag.spec.key ?? flag.metadata.name,
    treated: canary.variant,
    control: flag.spec.defaultVariant ?? "off",
    weightBp: 0,
  };
  return [...own, ...queryFindings(canary, subject, ["spec", "strategy", "canary"])];
}
