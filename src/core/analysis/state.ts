import { shortHash } from "../json.ts";
import type { Ledger } from "./counters.ts";
import { type Comparison, type MetricEvidence, noMetricEvidence, type Window } from "./evidence.ts";
import type { AnalysisSettings, MetricSpec, Verdict, VerdictKind } from "./model.ts";
import { noPassEvidence, type PassEvidence } from "./passing.ts";
import { unreachable } from "./unreachable.ts";

/** All that the judge remembers of one revision: plain JSON of a few kB, also with a hundred pods. */
export interface AnalysisState {
  readonly startedAtMs: number;
  readonly metrics: Readonly<Record<string, MetricState>>;
  /** Once failed, failed: the reason of a revert never changes. */
  readonly failed?: Verdict;
}

export interface MetricState {
  /** What was asked when this began; an edited limit or query begins anew. */
  readonly asked: string;
  /** Everything scraped up to here is in. */
  readonly judgedUpToMs: number;
  readonly answer: { readonly kind: "ok" } | { readonly kind: "noData" | "error"; readonly message: string };
  /** The verdict last given and since when it has stood. */
  readonly verdict: { readonly kind: VerdictKind; readonly sinceMs: number };
  /** Both empty where this just began, or where they were too large for the checkpoint: counting begins at each pod's last
   * scrape before `judgedUpToMs`. */
  readonly canary: Ledger;
  readonly stable: Ledger;
  /** The newest scrape of a canary pod. */
  readonly canarySeenMs: number;
  readonly evidence: MetricEvidence;
  readonly comparison: Comparison;
  /** Counts since the evidence last was 1:1 or less: what a verdict is about. */
  readonly suspect: Window;
  /** Counts that fade by half with each window: what is going on now. */
  readonly recent: Window;
  readonly step: StepState;
  /** Stable's [requests, bad] in the last step in which it was compared with. */
  readonly reference?: readonly [number, number];
  /** For thresholds: breaches in a row, and the value last seen. */
  readonly breaches: number;
  readonly value?: number;
  readonly stableValue?: number;
  readonly inexact?: string;
}

/** What counts for the present step only. */
export interface StepState {
  readonly startedAtMs: number;
  readonly counts: Window;
  /** Requests of the canary and of stable that surely came in this step, also while the canary had none. */
  readonly seen?: readonly [canary: number, stable: number];
  readonly readings: number;
  readonly pass: PassEvidence;
}

/** Begins the analysis of a revision at `atMs`. */
export function startAnalysis(settings: AnalysisSettings, atMs: number): AnalysisState {
  const metrics = settings.metrics.map((spec) => [spec.name, startMetric(spec, atMs)]);
  return { startedAtMs: atMs, metrics: Object.fromEntries(metrics) };
}

/** Begins anew at `atMs` and holds nothing of before against the revision; what stable showed is still known. */
export function restartAnalysis(
  settings: AnalysisSettings,
  before: AnalysisState | undefined,
  atMs: number,
): AnalysisState {
  const anew = startAnalysis(settings, atMs);
  const kept = Object.entries(anew.metrics).map(([name, metric]) => {
    const { asked, reference } = before?.metrics[name] ?? {};
    return [name, asked === metric.asked && reference !== undefined ? { ...metric, reference } : metric];
  });
  return { ...anew, metrics: Object.fromEntries(kept) };
}

/**
 * The state as text of at most `maxBytes`, for status. With so many pods that it does not fit the ledgers stay out; after
 * a restart a scrape that came in late is then missed, and none is counted twice.
 */
export function checkpointOf(state: AnalysisState, maxBytes = 30_000): string {
  const whole = JSON.stringify(state);
  if (whole.length <= maxBytes) return whole;
  const metrics = Object.entries(state.metrics).map(([name, metric]) => [name, { ...metric, canary: {}, stable: {} }]);
  return JSON.stringify({ ...state, metrics: Object.fromEntries(metrics) });
}

/** Begins a step: what proves health, and how many requests were seen, counts anew; evidence of harm stays. */
export function startStep(state: AnalysisState, atMs: number): AnalysisState {
  const metrics = Object.entries(state.metrics).map(([name, metric]) => [
    name,
    { ...metric, step: noStep(atMs), verdict: { ...metric.verdict, sinceMs: atMs } },
  ]);
  return { ...state, metrics: Object.fromEntries(metrics) };
}

export function startMetric(spec: MetricSpec, atMs: number): MetricState {
  return {
    asked: askedBy(spec),
    judgedUpToMs: atMs,
    answer: { kind: "ok" },
    verdict: { kind: "Unsure", sinceMs: atMs },
    canary: {},
    stable: {},
    canarySeenMs: atMs,
    evidence: noMetricEvidence(),
    comparison: { kind: "none" },
    suspect: NO_COUNTS,
    recent: NO_COUNTS,
    step: noStep(atMs),
    breaches: 0,
  };
}

export const NO_COUNTS: Window = [0, 0, 0, 0];

function noStep(startedAtMs: number): StepState {
  return { startedAtMs, counts: NO_COUNTS, readings: 0, pass: noPassEvidence() };
}

export function askedBy(spec: MetricSpec): string {
  switch (spec.kind) {
    case "errorRate":
      return `errorRate ${spec.max}`;
    case "latency":
      return `latency ${spec.quantile} ${spec.maxMs}`;
    case "query":
      return `query ${spec.min ?? ""} ${spec.max ?? ""} ${shortHash(spec.promql)}`;
    default:
      return unreachable(spec, "metric");
  }
}

/** The share of requests that may be bad: of a latency's p95, those beyond it. At least one in 10,000: less could not be
 * told from none by any number of requests that a step sees. */
export function maxRateOf(spec: Exclude<MetricSpec, { kind: "query" }>): number {
  return Math.max(
    spec.kind === "errorRate" ? spec.max : (1_000_000 - Math.round(spec.quantile * 1_000_000)) / 1_000_000,
    1e-4,
  );
}
