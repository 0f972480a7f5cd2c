import type { Rollout, RolloutSpec } from "../../api/rollout.ts";
import { parseDurationMs, parseLatencyMs, parsePercent, readAt, UnitError } from "../../api/units.ts";
import type { AnalysisSettings } from "../analysis/model.ts";
import { analysisSettings } from "../analysis/settings.ts";
import type { Gate } from "../gates/model.ts";
import { gatesOf } from "../gates/settings.ts";
import { completeSteps, type Step, stepsOf } from "../steps.ts";
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
  /** What must hold before the first step. */
  readonly gates: readonly Gate[];
  /** What the report at the end measures by: a fraction, and milliseconds. */
  readonly objectives: { readonly errorRate: number; readonly p95Ms: number };
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

function read(rollout: Rollout): Settings {
  const { spec } = rollout;
  const canary = spec.strategy?.canary ?? {};
  const analysis = analysisSettings(spec.analysis, "spec.analysis");
  return {
    ...(spec.replicas === undefined ? {} : { replicas: spec.replicas }),
    ...(spec.workloadRef === undefined ? {} : { workload: spec.workloadRef.name }),
    steps: completeSteps(stepsOf(canary, "spec.strategy.canary")),
    maxSurge: canary.maxSurge ?? "25%",
    maxUnavailable: canary.maxUnavailable ?? "25%",
    minReadySeconds: spec.minReadySeconds ?? 0,
    progressDeadlineMs: readAt("spec.progressDeadline", parseDurationMs, spec.progressDeadline ?? "10m"),
    historyLimit: spec.revisionHistoryLimit ?? 10,
    scaleDownDelayMs: readAt("spec.strategy.canary.scaleDownDelay", parseDurationMs, canary.scaleDownDelay ?? "30s"),
    settleMs: readAt("spec.strategy.canary.settle", parseDurationMs, canary.settle ?? "3s"),
    drainMs: readAt("spec.strategy.canary.drain", parseDurationMs, canary.drain ?? "10s"),
    bakeMs: readAt("spec.bake", parseDurationMs, spec.bake ?? "10m"),
    paused: spec.paused ?? false,
    waitFor: spec.waitFor ?? "serving",
    onDelete: spec.onDelete ?? (spec.workloadRef === undefined ? "delete" : "handBack"),
    ...trafficOf(rollout),
    allowDoubleSplit: spec.traffic?.allowDoubleSplit ?? false,
    gates: gatesOf(spec.gates, rollout.metadata.namespace ?? ""),
    objectives: {
      errorRate: readAt("spec.objectives.errorRate", parsePercent, spec.objectives?.errorRate ?? "0.1%"),
      p95Ms: readAt("spec.objectives.p95", parseLatencyMs, spec.objectives?.p95 ?? "200ms"),
    },
    ...(analysis === undefined ? {} : { analysis }),
  };
}
