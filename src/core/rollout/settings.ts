import type { Rollout, RolloutMetric, RolloutStep } from "../../api/rollout.ts";
import { parseDurationMs, parseLatencyMs, parsePercent, parseWeightBp } from "../../api/units.ts";
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

/** Reads a Rollout's spec. It was checked at apply; what is still impossible ends in `UnitError`, which becomes Failed. */
export function settingsOf(rollout: Rollout): Settings {
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
    progressDeadlineMs: parseDurationMs(spec.progressDeadline ?? "10m"),
    historyLimit: spec.revisionHistoryLimit ?? 10,
    scaleDownDelayMs: parseDurationMs(canary.scaleDownDelay ?? "30s"),
    settleMs: parseDurationMs(canary.settle ?? "3s"),
    drainMs: parseDurationMs(canary.drain ?? "10s"),
    bakeMs: parseDurationMs(spec.bake ?? "10m"),
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
  const over = canary?.over === undefined ? undefined : parseDurationMs(canary.over);
  return presetSteps((canary?.preset ?? "safe") as Preset, over);
}

function stepOf(step: RolloutStep): Step {
  if (step.weight !== undefined) return { kind: "weight", weightBp: parseWeightBp(step.weight) };
  if (step.analysis !== undefined) return { kind: "analysis", forMs: parseDurationMs(step.analysis.for ?? "0s") };
  return step.pause?.for === undefined ? { kind: "pause" } : { kind: "pause", forMs: parseDurationMs(step.pause.for) };
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
  const intervalMs = parseDurationMs(analysis.interval ?? "15s");
  return {
    metrics: (analysis.metrics ?? DEFAULT_METRICS).map(metricOf),
    intervalMs,
    onNoData: { afterMs: parseDurationMs(analysis.onNoData?.after ?? "5m"), then: analysis.onNoData?.then ?? "hold" },
    onUnsure: { afterMs: parseDurationMs(analysis.onUnsure?.after ?? "30m"), then: analysis.onUnsure?.then ?? "pause" },
    judge: "evidence",
    alpha: 0.01,
    warmupMs: WARMUP_INTERVALS * intervalMs,
  };
}

function metricOf(metric: RolloutMetric): MetricSpec {
  if (metric.errorRate !== undefined) {
    return { kind: "errorRate", name: "error-rate", max: parsePercent(metric.errorRate.max) };
  }
  if (metric.latency !== undefined) {
    const { quantile, max } = metric.latency;
    return { kind: "latency", name: "latency", quantile: (quantile ?? 95) / 100, maxMs: parseLatencyMs(max) };
  }
  const query = metric.query;
  if (query === undefined) throw new Error("A metric must have a member; admission checks it");
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
