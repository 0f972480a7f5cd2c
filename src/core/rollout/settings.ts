import type { Rollout, RolloutMetric, RolloutSpec, RolloutStep } from "../../api/rollout.ts";
import { parseDurationMs, parseLatencyMs, parsePercent, parseWeightBp, UnitError } from "../../api/units.ts";
import type { AnalysisSettings, MetricSpec } from "../analysis/model.ts";
import { completeSteps, type Preset, presetSteps, type Step } from "./steps.ts";
import { type TrafficNames, trafficOf } from "./traffic-names.ts";

/** What a Rollout asks for with every default filled in and every unit converted: times in milliseconds, weights in basis
 * points, rates as fractions. */
export interface Settings extends TrafficNames {
  /** Absent where the spec leaves the size to whoever sets it. */
  readonly replicas?: number;
  readonly workload?: string; // name of the referenced Deployment
  readonly steps: readonly Step[]; // complete: ends at 100 %
  readonly maxSurge: number | string;
  readonly maxUnavailable: number | string;
  readonly minReadySeconds: number;
  readonly progressDeadlineMs: number;
  readonly historyLimit: number;
  readonly scaleDownDelayMs: number;
  readonly settleMs: number;
  readonly drainMs: number;
  readonly bakeMs: number;
  readonly paused: boolean;
  readonly waitFor: "serving" | "promoted";
  readonly onDelete: "handBack" | "delete" | "keep";
  /** The names are those of before: the spec no longer names one of them, and it is not put back yet. */
  readonly outdated: boolean;
  readonly allowDoubleSplit: boolean;
  /** Absent where analysis is turned off. */
  readonly analysis?: AnalysisSettings;
}

/** Reads a Rollout's spec. It was checked at apply; what is still impossible, as another version of the CRD let it in, ends
 * in a `UnitError` that says where, and becomes Failed. What is being deleted must go all the same: then only what says
 * where traffic and pods are is read. */
export function settingsOf(rollout: Rollout): Settings {
  try {
    return read(rollout);
  } catch (error) {
    if (!(error instanceof UnitError) || rollout.metadata.deletionTimestamp === undefined) throw error;
    const { replicas, workloadRef, selector, template, traffic, onDelete } = rollout.spec;
    const spec = { replicas, workloadRef, selector, template, traffic, onDelete };
    const given = Object.entries(spec).filter(([, value]) => value !== undefined);
    return read({ ...rollout, spec: Object.fromEntries(given) as RolloutSpec });
  }
}

/** A unit's own sentence, with where it stood. */
function at<T>(path: string, parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error) {
    throw error instanceof UnitError ? new UnitError(`spec.${path} ${error.message}`) : error;
  }
}

function read(rollout: Rollout): Settings {
  const { spec } = rollout;
  const canary = spec.strategy?.canary ?? {};
  const analysis = analysisOf(rollout);
  return {
    ...(spec.replicas === undefined ? {} : { replicas: spec.replicas }),
    ...(spec.workloadRef === undefined ? {} : { workload: spec.workloadRef.name }),
    steps: completeSteps(stepsOf(rollout)),
    maxSurge: canary.maxSurge ?? "25%",
    maxUnavailable: canary.maxUnavailable ?? "25%",
    minReadySeconds: spec.minReadySeconds ?? 0,
    progressDeadlineMs: at("progressDeadline", parseDurationMs, spec.progressDeadline ?? "10m"),
    historyLimit: spec.revisionHistoryLimit ?? 10,
    scaleDownDelayMs: at("strategy.canary.scaleDownDelay", parseDurationMs, canary.scaleDownDelay ?? "30s"),
    settleMs: at("strategy.canary.settle", parseDurationMs, canary.settle ?? "3s"),
    drainMs: at("strategy.canary.drain", parseDurationMs, canary.drain ?? "10s"),
    bakeMs: at("bake", parseDurationMs, spec.bake ?? "10m"),
    paused: spec.paused ?? false,
    waitFor: spec.waitFor ?? "serving",
    onDelete: spec.onDelete ?? (spec.workloadRef === undefined ? "delete" : "handBack"),
    ...trafficOf(rollout),
    allowDoubleSplit: spec.traffic?.allowDoubleSplit ?? false,
    ...(analysis === undefined ? {} : { analysis }),
  };
}

function stepsOf({ spec }: Rollout): Step[] {
  const canary = spec.strategy?.canary;
  if (canary?.steps !== undefined) return canary.steps.map(stepOf);
  const over = canary?.over === undefined ? undefined : at("strategy.canary.over", parseDurationMs, canary.over);
  return presetSteps((canary?.preset ?? "safe") as Preset, over);
}

function stepOf(step: RolloutStep, index: number): Step {
  const path = `strategy.canary.steps[${index}]`;
  const { weight, pause, analysis } = step;
  if (weight !== undefined) return { kind: "weight", weightBp: at(`${path}.weight`, () => parseWeightBp(weight), "") };
  if (analysis !== undefined)
    return { kind: "analysis", forMs: at(`${path}.analysis.for`, parseDurationMs, analysis.for ?? "0s") };
  if (pause?.for === undefined) return { kind: "pause" };
  return { kind: "pause", forMs: at(`${path}.pause.for`, parseDurationMs, pause.for) };
}

const DEFAULT_METRICS: readonly RolloutMetric[] = [
  { errorRate: { max: "1%" } },
  { latency: { quantile: 95, max: "500ms" } },
];

/** A pod that has just started is slow for reasons of its own: its latency counts after so many intervals, 30 s by default. */
const WARMUP_INTERVALS = 2;

function analysisOf({ spec }: Rollout): AnalysisSettings | undefined {
  const analysis = spec.analysis ?? {};
  if (analysis.disabled === true) return undefined;
  const intervalMs = at("analysis.interval", parseDurationMs, analysis.interval ?? "15s");
  return {
    metrics: (analysis.metrics ?? DEFAULT_METRICS).map(metricOf),
    intervalMs,
    onNoData: {
      afterMs: at("analysis.onNoData.after", parseDurationMs, analysis.onNoData?.after ?? "5m"),
      then: analysis.onNoData?.then ?? "hold",
    },
    onUnsure: {
      afterMs: at("analysis.onUnsure.after", parseDurationMs, analysis.onUnsure?.after ?? "30m"),
      then: analysis.onUnsure?.then ?? "pause",
    },
    judge: "evidence",
    alpha: 0.01,
    warmupMs: WARMUP_INTERVALS * intervalMs,
  };
}

function metricOf(metric: RolloutMetric, index: number): MetricSpec {
  const path = `analysis.metrics[${index}]`;
  if (metric.errorRate !== undefined) {
    return {
      kind: "errorRate",
      name: "error-rate",
      max: at(`${path}.errorRate.max`, parsePercent, metric.errorRate.max),
    };
  }
  if (metric.latency !== undefined) {
    const { quantile, max } = metric.latency;
    return {
      kind: "latency",
      name: "latency",
      quantile: (quantile ?? 95) / 100,
      maxMs: at(`${path}.latency.max`, parseLatencyMs, max),
    };
  }
  const query = metric.query;
  if (query === undefined) throw new UnitError(`spec.${path} must have one of errorRate, latency and query`);
  return {
    kind: "query",
    name: query.name,
    promql: query.promql,
    ...(query.max === undefined ? {} : { max: Number(query.max) }),
    ...(query.min === undefined ? {} : { min: Number(query.min) }),
    consecutive: query.consecutive ?? 3,
    both: query.both ?? false,
  };
}
