import type { Route } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { readFromMs } from "../../core/analysis/judge.ts";
import type { AnalysisMemory } from "../../core/analysis/memory.ts";
import { optional } from "../../core/optional.ts";
import type { Settings } from "../../core/rollout/settings.ts";
import { type LabelNames, queriesOf, type Source } from "../../metrics/queries.ts";
import type { RolloutSubject } from "../../metrics/template.ts";
import type { Inquiry } from "../measurements.ts";
import type { Examined } from "../preflight.ts";
import { subjectNamed } from "./subject.ts";

/** What the metrics source is asked next about a Rollout; undefined where nothing is being judged. */
export function inquiryOf(
  memory: AnalysisMemory | undefined,
  rollout: Rollout,
  settings: Settings,
  nowMs: number,
  routes: readonly Route[],
): Inquiry | undefined {
  const { analysis } = settings;
  if (memory === undefined || analysis === undefined) return undefined;
  const { intervalMs, metrics } = analysis;
  return {
    memory,
    intervalMs,
    ...optional("p95FromMs", p95From(rollout, memory, intervalMs, nowMs)),
    request: () => {
      const subject = subjectOf(rollout, settings, memory.subject, routes);
      return {
        subject,
        queries: queriesOf(sourceOf(rollout), subject, labelsOf(rollout)),
        metrics,
        sinceMs: readFromMs(analysis, memory.state, nowMs),
        nowMs,
        windowMs: Math.max(60_000, 4 * intervalMs),
      };
    },
  };
}

/** The report at the end of a bake tells the 95th percentile over all of it: asked for with the last looks, as it is dear. */
function p95From(
  { status }: Rollout,
  { subject }: AnalysisMemory,
  intervalMs: number,
  nowMs: number,
): number | undefined {
  const { bake, progress, stable } = status ?? {};
  if (bake === undefined || progress?.stage !== "Resting" || stable?.revision !== subject) return undefined;
  return nowMs >= Date.parse(bake.until) - 2 * intervalMs ? Date.parse(bake.startedAt) : undefined;
}

/** Revisions that stand for those of a later release. */
const ANY = "0000000000";

/** By what a Rollout is to be judged, whatever its revisions will be called. */
export function examinedOf(rollout: Rollout, settings: Settings, routes: readonly Route[]): Examined {
  const subject = subjectNamed(rollout, settings, { canary: ANY, stable: ANY, weightBp: 0 }, routes);
  const source = sourceOf(rollout);
  return {
    generation: rollout.metadata.generation ?? 0,
    status: rollout.status ?? {},
    ...optional("analysis", settings.analysis),
    source,
    queries: queriesOf(source, subject, labelsOf(rollout)),
    subject,
  };
}

function sourceOf({ spec }: Rollout): Source {
  return (spec.analysis?.source ?? "http") as Source;
}

function labelsOf({ spec }: Rollout): LabelNames {
  return (spec.analysis?.labels ?? {}) as LabelNames;
}

/** The revision that is judged, and the one that it is compared with. */
function subjectOf(rollout: Rollout, settings: Settings, revision: string, routes: readonly Route[]): RolloutSubject {
  const { status } = rollout;
  const stable = status?.stable?.revision === revision ? status.progress?.previous : status?.stable?.revision;
  const sides = { canary: revision, weightBp: status?.weights?.writtenBp ?? 0, ...optional("stable", stable) };
  return subjectNamed(rollout, settings, sides, routes);
}
