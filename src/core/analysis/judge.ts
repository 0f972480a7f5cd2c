import { absorb } from "./absorb.ts";
import { conclude, evidenceNeeded } from "./conclude.ts";
import type { AnalysisSettings, MetricStatus, Reading, Verdict, VerdictKind } from "./model.ts";
import { type AnalysisState, askedBy, startMetric, startStep } from "./state.ts";

export { type AnalysisState, checkpointOf, restartAnalysis, startAnalysis, startStep } from "./state.ts";

/** What the judge is told in one pass. */
export interface JudgeInput {
  readonly nowMs: number;
  readonly stepStartedAtMs: number;
  /** At most one of each metric; a metric without one keeps its verdict. */
  readonly readings: readonly Reading[];
  /** False where stable has no traffic of its own to compare with: at weight 100, in the bake, without a stable. */
  readonly compare: boolean;
  /** Pods created after this started counting at 0. The readings should reach back before it. */
  readonly bornAfterMs: number;
  /** Stable's bad rate (fraction) by metric, where it can no longer be measured: see `stableRates`. */
  readonly bakeReference?: Readonly<Record<string, number>>;
}

export interface Judgement {
  readonly state: AnalysisState;
  readonly verdict: Verdict;
  readonly metrics: readonly MetricStatus[];
  /** Every metric was answered for up to here; the next reading should begin some scrapes earlier, see `readFromMs`. */
  readonly judgedUpToMs: number;
}

/** The worst first: the verdict of all is the first that any metric has. */
const ORDER: readonly VerdictKind[] = ["Fail", "Hold", "Error", "NoData", "Unsure", "Continue", "Pass"];

/**
 * Judges a canary by what was read since the last time. Pure.
 *
 * Fail is for good. Deadlines are not applied here but for one: a metric without data for `onNoData.after` is left out
 * where `onNoData.then` is `ignore`. For the others `overdue` says what the user wants once `verdict.sinceMs` is long ago.
 * @throws Error on a reading of a metric that is not in the settings
 * @see docs/guarantees.md
 */
export function judge(settings: AnalysisSettings, state: AnalysisState, input: JudgeInput): Judgement {
  const judged = absorbAll(settings, inStep(state, input.stepStartedAtMs), input);
  const { statuses, metrics } = conclude(settings, judged, input);
  const after: AnalysisState = { ...judged, metrics };
  const judgedUpToMs = Math.min(input.nowMs, ...Object.values(metrics).map((metric) => metric.judgedUpToMs));
  const verdict = state.failed ?? combined(settings, after, statuses, input.nowMs);
  const failed = verdict.kind === "Fail" ? { failed: verdict } : {};
  return { state: { ...after, ...failed }, verdict, metrics: statuses, judgedUpToMs };
}

/** A step that began later than the one in the state begins here, should nobody have called `startStep`. */
function inStep(state: AnalysisState, stepStartedAtMs: number): AnalysisState {
  const isOld = Object.values(state.metrics).some(({ step }) => step.startedAtMs < stepStartedAtMs);
  return isOld ? startStep(state, stepStartedAtMs) : state;
}

function absorbAll(settings: AnalysisSettings, state: AnalysisState, input: JudgeInput): AnalysisState {
  for (const { metric } of input.readings) {
    if (!settings.metrics.some(({ name }) => name === metric))
      throw new Error(`Unknown metric in a reading: "${metric}"`);
  }
  const { cap } = evidenceNeeded(settings);
  const metrics = settings.metrics.map((spec) => {
    const known = state.metrics[spec.name];
    const before = known?.asked === askedBy(spec) ? known : startMetric(spec, input.nowMs);
    const reading = input.readings.find(({ metric }) => metric === spec.name);
    return [spec.name, reading === undefined ? before : absorb(spec, before, reading, { settings, state, input, cap })];
  });
  return { ...state, metrics: Object.fromEntries(metrics) };
}

function combined(
  settings: AnalysisSettings,
  state: AnalysisState,
  statuses: readonly MetricStatus[],
  nowMs: number,
): Verdict {
  const sinceMs = (status: MetricStatus) => state.metrics[status.name]?.verdict.sinceMs ?? nowMs;
  const counted = statuses.filter(
    (status) => !(status.verdict === "NoData" && isIgnored(settings, sinceMs(status), nowMs)),
  );
  for (const kind of ORDER) {
    const found = counted.filter((status) => status.verdict === kind);
    found.sort((a, b) => sinceMs(a) - sinceMs(b));
    const first = found[0];
    if (first !== undefined) return { kind, message: first.message, metric: first.name, sinceMs: sinceMs(first) };
  }
  return { kind: "Continue", message: "no metric has data, which is to be ignored", sinceMs: state.startedAtMs };
}

function isIgnored({ onNoData }: AnalysisSettings, sinceMs: number, nowMs: number): boolean {
  return onNoData.then === "ignore" && nowMs - sinceMs >= onNoData.afterMs;
}

/** What the user wants done about a verdict that has stood for too long; undefined: wait on. An unreachable Prometheus
 * (Error) never has a deadline: it holds, as an outage of ours is no news of the canary. */
export function overdue(
  settings: AnalysisSettings,
  verdict: Verdict,
  nowMs: number,
): "pause" | "promote" | "revert" | undefined {
  const stoodMs = nowMs - verdict.sinceMs;
  if (verdict.kind === "Unsure" && stoodMs >= settings.onUnsure.afterMs) return settings.onUnsure.then;
  if (verdict.kind === "NoData" && stoodMs >= settings.onNoData.afterMs && settings.onNoData.then === "revert")
    return "revert";
  return undefined;
}

/** From when to read next, in milliseconds since epoch: some scrapes before what was judged, so that late ones and the
 * first value of each pod are in; at most an hour back. */
export function readFromMs(settings: AnalysisSettings, state: AnalysisState, nowMs: number): number {
  const judged = Math.min(nowMs, ...Object.values(state.metrics).map((metric) => metric.judgedUpToMs));
  return Math.max(judged - Math.max(4 * settings.intervalMs, 60_000), nowMs - 3_600_000);
}

/** Stable's bad rate (fraction) by metric as last compared with: the reference for a bake, when stable serves no more. */
export function stableRates(state: AnalysisState): Readonly<Record<string, number>> {
  const rates = Object.entries(state.metrics).flatMap(([name, { reference }]) => {
    return reference === undefined ? [] : [[name, reference[1] / reference[0]] as const];
  });
  return Object.fromEntries(rates);
}
