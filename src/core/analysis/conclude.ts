import { limits, logEvidence, TESTS_PER_METRIC, testsOf, type Window } from "./evidence.ts";
import type { JudgeInput } from "./judge.ts";
import { logSumExp } from "./logs.ts";
import type { AnalysisSettings, MetricSpec, MetricStatus, VerdictKind } from "./model.ts";
import { isPassed, requestsToDetect, requestsToPass } from "./passing.ts";
import { OF_RELEASE, observed, percent, roughly, rounded, type Words } from "./sentences.ts";
import { type AnalysisState, type MetricState, maxRateOf } from "./state.ts";

type RateSpec = Exclude<MetricSpec, { kind: "query" }>;

/** Breaches in a row that fail a rate or latency where thresholds judge it. */
const CONSECUTIVE = 3;

/** A regression of five times the limit must have had the time to show before its absence means anything. */
const FACTOR_TO_DETECT = 5;

interface Bench {
  readonly settings: AnalysisSettings;
  readonly tests: number;
  readonly logNeed: number;
  /** Logarithm of the capital of all tests of all metrics. */
  readonly logTotal: number;
  /** The metric that contributes most to it. */
  readonly leading?: string;
  readonly nowMs: number;
  readonly words: Words;
}

interface Opinion {
  readonly kind: VerdictKind;
  readonly message: string;
}

/** What the state says of every metric now, and since when. */
export function conclude(settings: AnalysisSettings, state: AnalysisState, { nowMs }: JudgeInput) {
  const bench = benchOf(settings, state, nowMs);
  const metrics: Record<string, MetricState> = {};
  const statuses = settings.metrics.map((spec) => {
    const metric = state.metrics[spec.name] as MetricState;
    const opinion = opinionOf(spec, metric, bench);
    const sinceMs = opinion.kind === metric.verdict.kind ? metric.verdict.sinceMs : nowMs;
    metrics[spec.name] = { ...metric, verdict: { kind: opinion.kind, sinceMs } };
    return statusOf(spec, metric, opinion, bench);
  });
  return { statuses, metrics };
}

/** Tests whose capital is added up, the capital that reverts, and the most that one window may multiply. */
export function evidenceNeeded({ metrics, alpha }: AnalysisSettings) {
  const tests = TESTS_PER_METRIC * Math.max(metrics.filter((spec) => spec.kind !== "query").length, 1);
  return { tests, ...limits(alpha, tests) };
}

/** Requests of the canary that each metric must have seen in a step before the weight rises: fewer prove nothing. */
export function requestsWanted(settings: AnalysisSettings): { readonly metric: string; readonly requests: number }[] {
  const { tests } = evidenceNeeded(settings);
  return settings.metrics.flatMap((spec) =>
    spec.kind === "query"
      ? []
      : [{ metric: spec.name, requests: requestsToDetect(maxRateOf(spec), FACTOR_TO_DETECT, settings.alpha, tests) }],
  );
}

function benchOf(settings: AnalysisSettings, state: AnalysisState, nowMs: number): Bench {
  const { tests, logNeed } = evidenceNeeded(settings);
  const shares =
    settings.judge === "threshold"
      ? []
      : settings.metrics.flatMap((spec) => {
          const metric = state.metrics[spec.name];
          return spec.kind === "query" || metric === undefined ? [] : [{ name: spec.name, log: logCapital(metric) }];
        });
  const leading = shares.toSorted((a, b) => b.log - a.log)[0]?.name;
  const logTotal = logSumExp(shares.map(({ log }) => log));
  const { words = OF_RELEASE } = settings;
  return { settings, tests, logNeed, logTotal, nowMs, words, ...(leading === undefined ? {} : { leading }) };
}

function logCapital({ evidence, comparison }: MetricState): number {
  return logSumExp(testsOf(evidence, comparison));
}

function opinionOf(spec: MetricSpec, metric: MetricState, bench: Bench): Opinion {
  // A breach that is proven needs no further answer.
  if (spec.name === bench.leading && bench.logTotal >= bench.logNeed - 1e-12) return failed(spec, metric, bench);
  if (metric.answer.kind === "error") return { kind: "Error", message: `${spec.name}: ${metric.answer.message}` };
  if (metric.answer.kind === "noData") return { kind: "NoData", message: `${spec.name}: ${metric.answer.message}` };
  const unseenMs = bench.nowMs - Math.max(metric.canarySeenMs, metric.step.startedAtMs);
  if (unseenMs > Math.max(4 * bench.settings.intervalMs, 60_000)) {
    return { kind: "NoData", message: `${spec.name}: ${bench.words.nothingSeen} for ${roughly(unseenMs)}` };
  }
  if (spec.kind === "query" || metric.value !== undefined || bench.settings.judge === "threshold") {
    return byThreshold(spec, metric, bench);
  }
  return byEvidence(spec, metric, bench);
}

function failed(spec: MetricSpec, metric: MetricState, { settings, tests, logTotal, words }: Bench): Opinion {
  const odds = Math.exp(Math.min(logTotal, 700)) / tests;
  const evidence = `evidence ${rounded(odds)}:1, revert at ${rounded(1 / settings.alpha)}:1`;
  return { kind: "Fail", message: `${observed(spec, metric.suspect, words, referenceOf(metric))}: ${evidence}` };
}

function byEvidence(spec: RateSpec, metric: MetricState, bench: Bench): Opinion {
  const max = maxRateOf(spec);
  const { counts, pass } = metric.step;
  const [recent, recentBad] = metric.recent;
  if (logEvidence(metric.evidence.absolute) >= bench.logNeed && recentBad > max * recent) {
    const why = metric.comparison.kind === "rate" ? bench.words.noWorse : bench.words.bothBad;
    return { kind: "Hold", message: `${observed(spec, metric.recent, bench.words, referenceOf(metric))}: ${why}` };
  }
  const wanted = requestsToDetect(max, FACTOR_TO_DETECT, bench.settings.alpha, bench.tests);
  if (counts[0] < wanted) {
    const message = `${spec.name}: ${Math.round(counts[0])} of ${wanted} requests seen${timeFor(wanted - counts[0], metric)}`;
    return { kind: "Unsure", message };
  }
  const evidence = `evidence ${rounded(Math.exp(Math.min(logCapital(metric), 700)) / bench.tests)}:1 of ${rounded(1 / bench.settings.alpha)}:1`;
  const seen = observed(spec, counts, bench.words, referenceOf(metric));
  if (metric.inexact !== undefined) return { kind: "Continue", message: `${seen}: ${evidence}; ${metric.inexact}` };
  if (isPassed(pass)) return { kind: "Pass", message: `${seen}: below ${percent(max)}` };
  return { kind: "Continue", message: `${seen}: ${evidence}${toPass(metric, max)}` };
}

function toPass(metric: MetricState, max: number): string {
  const [requests, bad] = metric.step.counts;
  const more = requestsToPass(metric.step.pass, max, bad / requests);
  if (more === undefined) return "";
  return `; about ${rounded(more)} requests to pass${timeFor(more, metric)}`;
}

/** `, at this rate 3 min more`; nothing while no rate is known. */
function timeFor(requests: number, { step, judgedUpToMs }: MetricState): string {
  const passedMs = judgedUpToMs - step.startedAtMs;
  if (step.counts[0] <= 0 || passedMs <= 0) return "";
  return `, at this rate ${roughly((requests * passedMs) / step.counts[0])} more`;
}

function byThreshold(spec: MetricSpec, metric: MetricState, { words }: Bench): Opinion {
  const consecutive = spec.kind === "query" ? spec.consecutive : CONSECUTIVE;
  const said =
    metric.value === undefined
      ? observed(spec, metric.step.counts, words, referenceOf(metric))
      : valueSaid(spec, metric, words);
  const reference = referenceOf(metric);
  if (metric.breaches >= consecutive && spec.kind !== "query" && reference !== undefined && reference > maxRateOf(spec))
    return { kind: "Hold", message: `${said}: ${words.noWorse}` };
  if (metric.breaches >= consecutive) return { kind: "Fail", message: `${said}: ${metric.breaches} times in a row` };
  if (metric.breaches > 0)
    return { kind: "Unsure", message: `${said}: ${metric.breaches} of ${consecutive} breaches in a row` };
  const { readings } = metric.step;
  if (readings < consecutive)
    return { kind: "Unsure", message: `${spec.name}: ${readings} of ${consecutive} readings seen` };
  return { kind: "Continue", message: said };
}

/** `saturation 0.9, at most 0.8, stable 0.5`. */
function valueSaid(spec: MetricSpec, { value, stableValue }: MetricState, words: Words): string {
  const unit = spec.kind === "latency" ? " ms" : "";
  const [max, min] =
    spec.kind === "query" ? [spec.max, spec.min] : [spec.kind === "latency" ? spec.maxMs : spec.max, undefined];
  const limit = [
    max === undefined ? [] : [`at most ${max}${unit}`],
    min === undefined ? [] : [`at least ${min}${unit}`],
  ].flat();
  const stable = stableValue === undefined ? "" : `, ${words.other} ${Number(stableValue.toPrecision(3))}${unit}`;
  return `${spec.name} ${Number((value ?? 0).toPrecision(3))}${unit}, ${limit.join(" and ")}${stable}`;
}

function referenceOf({ comparison }: MetricState): number | undefined {
  return comparison.kind === "rate" ? comparison.rate : undefined;
}

function statusOf(spec: MetricSpec, metric: MetricState, { kind, message }: Opinion, bench: Bench): MetricStatus {
  const base = { name: spec.name, verdict: kind, message };
  if (spec.kind === "query" || metric.value !== undefined) {
    const limit = spec.kind === "query" ? (spec.max ?? spec.min ?? 0) : spec.kind === "latency" ? spec.maxMs : spec.max;
    return { ...base, limit, ...optional("value", metric.value), ...optional("stableValue", metric.stableValue) };
  }
  const counts: Window = kind === "Fail" && metric.suspect[0] > 0 ? metric.suspect : metric.step.counts;
  return {
    ...base,
    limit: maxRateOf(spec),
    ...optional("value", counts[0] > 0 ? counts[1] / counts[0] : undefined),
    ...optional("stableValue", counts[2] > 0 ? counts[3] / counts[2] : referenceOf(metric)),
    ...(bench.settings.judge === "threshold" ? {} : { evidence: oddsOf(metric, bench) }),
    requests: Math.round(metric.step.counts[0]),
  };
}

/** N of N:1, two digits that count; at most a million, so that it does not flicker in status. */
function oddsOf(metric: MetricState, { tests }: Bench): number {
  const odds = Math.exp(Math.min(logCapital(metric), 700)) / tests;
  return Math.min(odds < 10 ? Math.round(odds) : Number(odds.toPrecision(2)), 1_000_000);
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}
