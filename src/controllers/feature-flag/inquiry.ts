import type { FeatureFlag } from "../../api/feature-flag.ts";
import { readFromMs } from "../../core/analysis/judge.ts";
import type { AnalysisMemory } from "../../core/analysis/memory.ts";
import { BEFORE_MS, begunOf } from "../../core/flags/control/analyse.ts";
import { rampOf, type StepRamp } from "../../core/flags/control/ramp.ts";
import { FlagInvalid } from "../../core/flags/invalid.ts";
import { flagSettingsOf } from "../../core/flags/settings.ts";
import { optional } from "../../core/optional.ts";
import type { Source } from "../../metrics/queries.ts";
import type { FlagSubject } from "../../metrics/template.ts";
import { type FlagLabelNames, flagQueriesOf } from "../../metrics/variants.ts";
import type { Inquiry } from "../measurements.ts";
import type { Examined } from "../preflight.ts";

/** What the metrics source is asked next about a flag; undefined where nothing is being judged. */
export function inquiryOf(memory: AnalysisMemory | undefined, flag: FeatureFlag, nowMs: number): Inquiry | undefined {
  const judged = memory === undefined ? undefined : judgedOf(flag);
  if (memory === undefined || judged === undefined) return undefined;
  const { analysis, subject } = judged;
  const { intervalMs, metrics, compare } = analysis;
  return {
    memory,
    intervalMs,
    request: () => {
      const sinceMs = readFromMs(analysis, memory.state, nowMs);
      const begunMs = begunOf(flag.status) ?? nowMs;
      const readsBefore = compare === "beforeAfter" && !isBeforeKnown(analysis, flag) && nowMs - begunMs < BEFORE_MS;
      return {
        subject,
        queries: queriesOf(flag, subject),
        metrics,
        sinceMs: readsBefore ? Math.min(sinceMs, begunMs - BEFORE_MS) : sinceMs,
        nowMs,
        windowMs: Math.max(60_000, 4 * intervalMs),
      };
    },
  };
}

/** The time before the ramp is read until each metric's rate is known, for a while: what was not there to be read will not come. */
function isBeforeKnown({ metrics }: JudgedBy["analysis"], { status }: FeatureFlag): boolean {
  return metrics.every(({ kind, name }) => kind === "query" || status?.analysis?.before?.[name] !== undefined);
}

/** By what a flag is to be judged; undefined where it never is. */
export function examinedOf(flag: FeatureFlag): Examined | undefined {
  const judged = judgedOf(flag);
  if (judged === undefined) return undefined;
  return {
    generation: flag.metadata.generation ?? 0,
    status: flag.status ?? {},
    analysis: judged.analysis,
    source: sourceOf(flag),
    queries: queriesOf(flag, judged.subject),
    subject: judged.subject,
  };
}

interface JudgedBy {
  readonly analysis: NonNullable<StepRamp["analysis"]>;
  readonly subject: FlagSubject;
}

function judgedOf(flag: FeatureFlag): JudgedBy | undefined {
  try {
    const settings = flagSettingsOf(flag);
    const ramp = rampOf(flag, settings);
    if (ramp?.kind !== "steps" || ramp.analysis === undefined) return undefined;
    const { namespace, key, control } = settings;
    const weightBp = flag.status?.serving?.weightBp ?? 0;
    return {
      analysis: ramp.analysis,
      subject: { kind: "flag", namespace, key, treated: ramp.variant, control, weightBp },
    };
  } catch (error) {
    if (error instanceof FlagInvalid) return undefined; // Status says so.
    throw error;
  }
}

function analysisOf({ spec }: FeatureFlag) {
  return spec.strategy?.canary?.analysis;
}

function sourceOf(flag: FeatureFlag): Source {
  return (analysisOf(flag)?.source ?? "http") as Source;
}

function queriesOf(flag: FeatureFlag, subject: FlagSubject) {
  const analysis = analysisOf(flag);
  const series = {
    source: sourceOf(flag),
    compare: analysis?.compare ?? "variants",
    ...optional("labels", analysis?.labels as FlagLabelNames | undefined),
    ...optional("match", analysis?.match),
  };
  return flagQueriesOf(series, subject);
}
