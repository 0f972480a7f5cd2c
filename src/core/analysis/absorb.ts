import { count, type Increase, type Ledger, windowsOf } from "./counters.ts";
import { addMetricWindow, BETTING, type Comparison, logEvidence, type Window } from "./evidence.ts";
import type { JudgeInput } from "./judge.ts";
import type { AnalysisSettings, MetricSpec, Reading, SideCounters } from "./model.ts";
import { addPassWindow } from "./passing.ts";
import { type AnalysisState, type MetricState, maxRateOf, NO_COUNTS, type StepState } from "./state.ts";
import { unreachable } from "./unreachable.ts";

export interface Context {
  readonly settings: AnalysisSettings;
  readonly state: AnalysisState;
  readonly input: JudgeInput;
  /** The most by which one window may multiply a bet. */
  readonly cap: number;
}

type RateSpec = Exclude<MetricSpec, { kind: "query" }>;

/** Judged sooner than this share of an interval after the last time, the same bad seconds would count as several windows. */
const MIN_SHARE_OF_INTERVAL = 0.75;

/** After so many intervals of a step no scrape reaches back into the step before. */
const SETTLING_INTERVALS = 2;

/** Stable requests below which its rate excuses nothing later. */
const MIN_REFERENCE = 100;

/** Takes one reading into the state of its metric. */
export function absorb(spec: MetricSpec, before: MetricState, reading: Reading, context: Context): MetricState {
  const { nowMs } = context.input;
  if (reading.kind === "noData" || reading.kind === "error") {
    return { ...before, answer: { kind: reading.kind, message: reading.message } };
  }
  const answered: MetricState = { ...before, answer: { kind: "ok" } };
  if (nowMs - before.judgedUpToMs < MIN_SHARE_OF_INTERVAL * context.settings.intervalMs) return answered;
  switch (reading.kind) {
    case "counters":
      if (spec.kind === "query") throw new Error(`Metric "${spec.name}" is a query, and counters were read for it`);
      return absorbCounters(spec, answered, reading, context);
    case "value":
      return absorbValue(spec, answered, reading, nowMs);
    default:
      return unreachable(reading, "reading");
  }
}

function absorbCounters(
  spec: RateSpec,
  before: MetricState,
  reading: Extract<Reading, { kind: "counters" }>,
  { settings, state, input, cap }: Context,
): MetricState {
  const begins = isEmpty(before.canary) && isEmpty(before.stable) ? { countedUpToMs: before.judgedUpToMs } : {};
  const counting = { startedAtMs: state.startedAtMs, bornAfterMs: input.bornAfterMs, ...begins };
  const warmupMs = spec.kind === "latency" ? settings.warmupMs : 0;
  const canary = count(before.canary, reading.canary, { ...counting, warmupMs, side: "canary" });
  const stable = count(before.stable, reading.stable, { ...counting, warmupMs, side: "stable" });
  const span = { fromMs: before.judgedUpToMs, toMs: input.nowMs, intervalMs: settings.intervalMs };
  const windows = windowsOf(canary.increases, stable.increases, span);
  const comparison = comparisonOf(before, spec.name, input);
  const { inexact: _, value: _value, stableValue: _stableValue, ...rest } = before;
  const counted: MetricState = {
    ...rest,
    ...(reading.inexact === undefined ? {} : { inexact: reading.inexact }),
    judgedUpToMs: input.nowMs,
    canarySeenMs: Math.max(before.canarySeenMs, newest(reading.canary)),
    canary: canary.ledger,
    stable: stable.ledger,
    comparison,
    step: { ...before.step, seen: seenIn(before.step, canary.increases, stable.increases, settings) },
  };
  return windows.reduce((metric, window) => absorbWindow(metric, window, maxRateOf(spec), cap), counted);
}

function isEmpty(ledger: Ledger): boolean {
  return Object.keys(ledger).length === 0;
}

/** Requests that surely came at the weight of this step: the first scrapes also tell of the seconds before. */
function seenIn(
  { seen = [0, 0], startedAtMs }: StepState,
  ofCanary: readonly Increase[],
  ofStable: readonly Increase[],
  { intervalMs }: AnalysisSettings,
): readonly [number, number] {
  const fromMs = startedAtMs + SETTLING_INTERVALS * intervalMs;
  const requests = (increases: readonly Increase[]) =>
    increases.reduce((n, { atMs, total }) => (atMs < fromMs ? n : n + total), 0);
  return [seen[0] + requests(ofCanary), seen[1] + requests(ofStable)];
}

function newest(side: SideCounters): number {
  return Math.max(
    Number.NEGATIVE_INFINITY,
    ...side.total.map(({ samples }) => samples.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY),
  );
}

/** At weight 100 and in the bake, what stable last showed can excuse the canary, but another hour's rate cannot accuse it. */
function comparisonOf({ reference }: MetricState, name: string, input: JudgeInput): Comparison {
  if (input.compare) return { kind: "stable" };
  const given = input.bakeReference?.[name];
  if (given !== undefined) return { kind: "rate", rate: given };
  return reference === undefined ? { kind: "none" } : { kind: "rate", rate: reference[1] / reference[0] };
}

function absorbWindow(before: MetricState, window: Window, max: number, cap: number): MetricState {
  if (window[0] <= 0) return before; // Nothing of the canary: the window says nothing.
  const evidence = addMetricWindow(before.evidence, window, max, before.comparison, { ...BETTING, cap });
  const counts = sum(before.step.counts, window);
  const suspected = logEvidence(evidence.relative) > 0 || logEvidence(evidence.absolute) > 0;
  const breached = window[1] > max * window[0];
  const reference =
    before.comparison.kind === "stable" && counts[2] >= MIN_REFERENCE
      ? { reference: [counts[2], counts[3]] as const }
      : {};
  return {
    ...before,
    ...reference,
    evidence,
    suspect: suspected ? sum(before.suspect, window) : NO_COUNTS,
    recent: sum(before.recent.map((n) => n / 2) as unknown as Window, window),
    breaches: breached ? before.breaches + 1 : 0,
    step: {
      ...before.step,
      counts,
      readings: before.step.readings + 1,
      pass: addPassWindow(before.step.pass, window[0], window[1], max),
    },
  };
}

function sum(a: Window, b: Window): Window {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]];
}

function absorbValue(
  spec: MetricSpec,
  before: MetricState,
  reading: Extract<Reading, { kind: "value" }>,
  nowMs: number,
): MetricState {
  const { value, stableValue } = reading;
  if (!Number.isFinite(value)) return { ...before, answer: { kind: "noData", message: `the value is ${value}` } };
  const { stableValue: _, ...rest } = before;
  return {
    ...rest,
    judgedUpToMs: nowMs,
    canarySeenMs: nowMs,
    value,
    ...(stableValue === undefined || !Number.isFinite(stableValue) ? {} : { stableValue }),
    breaches: isBreach(spec, value) ? before.breaches + 1 : 0,
    step: { ...before.step, readings: before.step.readings + 1 },
  };
}

/** Whether a value is beyond the limit; exactly at it is within. An error rate is a fraction, a latency milliseconds. */
function isBreach(spec: MetricSpec, value: number): boolean {
  switch (spec.kind) {
    case "errorRate":
      return value > spec.max;
    case "latency":
      return value > spec.maxMs;
    case "query":
      return value > (spec.max ?? Number.POSITIVE_INFINITY) || value < (spec.min ?? Number.NEGATIVE_INFINITY);
    default:
      return unreachable(spec, "metric");
  }
}
