import type { MetricSpec, QuantileAnswer, Reading } from "../core/analysis/model.ts";
import type { Answer } from "./answer.ts";
import { boundaryOf, quantileOfClassic } from "./histogram.ts";
import type { MetricsSource } from "./prometheus.ts";
import type { CannotSeparate, Labels, SeriesQuery, SourceQueries } from "./queries.ts";
import { type Rows, sideRows, sidesOf, slowSides } from "./sides.ts";
import { literal, quoted, renderQuery, type Subject } from "./template.ts";

export interface MeasureRequest {
  readonly subject: Subject;
  /** Where the source keeps its numbers; a source that cannot tell the sides apart is an error of each metric. */
  readonly queries: SourceQueries | CannotSeparate;
  readonly metrics: readonly MetricSpec[];
  /** Raw series are read for [sinceMs, nowMs], milliseconds since epoch. */
  readonly sinceMs: number;
  readonly nowMs: number;
  /** What `{{window}}` says in custom queries. */
  readonly windowMs: number;
  readonly signal?: AbortSignal;
}

type RateSpec = Exclude<MetricSpec, { kind: "query" }>;

/**
 * Reads all metrics of one release, or of one ramp of a flag: one request for the error rate, two for latency, one or two for each custom query.
 * Never throws; one reading of each metric, in their order.
 */
export async function measure(source: MetricsSource, asked: MeasureRequest): Promise<Reading[]> {
  const { queries } = asked;
  return Promise.all(
    asked.metrics.map((spec) => {
      if (spec.kind === "query") return measureQuery(source, asked, spec);
      if (queries.kind === "cannotSeparate")
        return { kind: "error", metric: spec.name, message: queries.message } as const;
      return spec.kind === "errorRate"
        ? measureErrors(source, asked, spec, queries)
        : measureLatency(source, asked, spec, queries);
    }),
  );
}

async function measureErrors(
  source: MetricsSource,
  asked: MeasureRequest,
  spec: RateSpec,
  queries: SourceQueries,
): Promise<Reading> {
  const query = queries.requests;
  const answer = await source.query(rangeOf(query, asked), asked.nowMs, asked.signal);
  if (answer.kind !== "matrix") return fault(spec, answer);
  if (answer.series.length === 0) return noSeries(spec, query);
  const unclear = withoutVerdict(query, answer.series);
  if (unclear !== undefined) return { kind: "error", metric: spec.name, message: unclear };
  return {
    kind: "counters",
    metric: spec.name,
    ...sidesOf(query, answer.series, (labels) => query.isBad(labels) === true),
  };
}

/** Series that do not tell what is bad, as all of them or all of what is judged lack the label: its failures would count as good.
 * @returns what is missing, and how to mend it; undefined where enough tell */
function withoutVerdict(query: SourceQueries["requests"], rows: Rows): string | undefined {
  const isMute = (own: Rows) => own.length > 0 && own.every(({ labels }) => query.isBad(labels) === undefined);
  const without = `has no label ${query.badLabels}`;
  if (isMute(rows)) return `${query.metric} ${without}: name the one that it has in analysis.labels.status`;
  if (!isMute(sideRows(query, rows, query.canary))) return undefined;
  const whose = `${query.metric}{${query.sideLabel}=~${quoted(query.canary)}}`;
  return `${whose} ${without}, which other series have: this version does not say how its requests ended, or none has ended yet`;
}

async function measureLatency(
  source: MetricsSource,
  asked: MeasureRequest,
  spec: Extract<MetricSpec, { kind: "latency" }>,
  queries: SourceQueries,
): Promise<Reading> {
  const query = queries.latency;
  const limit = spec.maxMs / query.unitMs;
  const layout = await source.query(
    `count by (le,${query.sideLabel}) (${query.metric}{${query.matchers}})`,
    asked.nowMs,
    asked.signal,
  );
  if (layout.kind !== "vector") return fault(spec, layout);
  if (layout.series.length === 0) return measureSummary(source, asked, spec, query);
  const boundary = boundaryFor(
    limit,
    layout.series.map(({ labels }) => labels),
    query.sideLabel,
  );
  if (boundary === undefined) {
    const message = `no bucket at or above ${spec.maxMs} ms is in the histograms of all pods: slower requests cannot be counted`;
    return { kind: "error", metric: spec.name, message };
  }
  const answer = await source.query(rangeOf(query, asked, boundary.names), asked.nowMs, asked.signal);
  if (answer.kind !== "matrix") return fault(spec, answer);
  if (answer.series.length === 0) return noSeries(spec, query);
  const inexact =
    boundary.value === limit
      ? {}
      : { inexact: `${spec.maxMs} ms lies between two buckets, judged at ${boundary.value * query.unitMs} ms` };
  return { kind: "counters", metric: spec.name, ...slowSides(query, answer.series), ...inexact };
}

const P95 = 0.95;

/**
 * The 95th percentile of the response times of the release's own side, over a long while; one request. Never throws.
 * @param fromMs milliseconds since epoch
 */
export async function measureP95(
  source: MetricsSource,
  { queries, nowMs, signal }: MeasureRequest,
  fromMs: number,
): Promise<QuantileAnswer> {
  const unknown = (message: string) => ({ kind: "unknown", message }) as const;
  if (queries.kind === "cannotSeparate") return unknown(queries.message);
  const { metric, matchers, sideLabel, canary, unitMs } = queries.latency;
  const window = `${Math.max(nowMs - fromMs, 1000)}ms`;
  const promql = `sum by (le) (increase(${metric}{${matchers},${sideLabel}=~${quoted(canary)}}[${window}]))`;
  const answer = await source.query(promql, nowMs, signal);
  if (answer.kind === "refused" || answer.kind === "unavailable") return unknown(answer.message);
  if (answer.kind !== "vector") return unknown(`Prometheus answered with a ${answer.kind}`);
  const counts = answer.series.map(({ labels, sample }) => [labels.le ?? "", sample[1]] as const);
  const found = quantileOfClassic(counts, P95);
  if (found === undefined) return unknown(`no request was counted in ${metric}`);
  return { kind: "measured", ms: found.value * unitMs, ...(found.atLeast === true ? { atLeast: true } : {}) };
}

/** Without a histogram: the quantile as the pods themselves say it, of each side the slowest pod's. */
async function measureSummary(
  source: MetricsSource,
  asked: MeasureRequest,
  spec: Extract<MetricSpec, { kind: "latency" }>,
  query: SourceQueries["latency"],
): Promise<Reading> {
  const summary = query.metric.replace(/_bucket$/, "");
  const promql = `max by (${query.sideLabel}) (${summary}{${query.matchers},quantile=${quoted(String(spec.quantile))}})`;
  const answer = await source.query(promql, asked.nowMs, asked.signal);
  if (answer.kind !== "vector") return fault(spec, answer);
  const slowest = (pattern: string | undefined) => {
    const values = sideRows(query, answer.series, pattern).map(({ sample }) => sample[1] * query.unitMs);
    return values.filter(Number.isFinite).reduce<number | undefined>((a, b) => Math.max(a ?? b, b), undefined);
  };
  const [value, stableValue] = [slowest(query.canary), slowest(query.stable)];
  if (value === undefined) return noSeries(spec, query);
  const beside = stableValue === undefined ? {} : { stableValue };
  return { kind: "value", metric: spec.name, atMs: asked.nowMs, value, ...beside };
}

/** The lowest boundary at or above `limit` that every pod of both sides has: counted at different ones, they could not be
 * compared. Prometheus 3 writes "1.0" where older ones write "1", hence names. */
function boundaryFor(
  limit: number,
  layout: readonly Labels[],
  sideLabel: string,
): { value: number; names: string[] } | undefined {
  const pods = new Set(layout.map((labels) => labels[sideLabel]));
  const byValue = Map.groupBy(layout, (labels) => boundaryOf(labels.le ?? ""));
  const shared = [...byValue.entries()].filter(
    ([value, found]) =>
      value >= limit && Number.isFinite(value) && new Set(found.map((labels) => labels[sideLabel])).size === pods.size,
  );
  const lowest = shared.toSorted(([a], [b]) => a - b)[0];
  if (lowest === undefined) return undefined;
  return { value: lowest[0], names: [...new Set(lowest[1].map((labels) => labels.le as string))] };
}

function rangeOf(query: SeriesQuery, { sinceMs, nowMs }: MeasureRequest, boundaries?: readonly string[]): string {
  const le = boundaries === undefined ? "" : `,le=~${quoted([...boundaries, "+Inf"].map(literal).join("|"))}`;
  return `${query.metric}{${query.matchers}${le}}[${Math.max(nowMs - sinceMs, 1000)}ms]`;
}

async function measureQuery(
  source: MetricsSource,
  asked: MeasureRequest,
  spec: Extract<MetricSpec, { kind: "query" }>,
): Promise<Reading> {
  const run = async (side: "canary" | "stable"): Promise<Reading> => {
    const rendered = renderQuery(spec.promql, asked.subject, side, asked.windowMs);
    if (rendered.kind === "refused") return { kind: "error", metric: spec.name, message: rendered.message };
    return readValue(spec, await source.query(rendered.promql, asked.nowMs, asked.signal), asked.nowMs);
  };
  const [canary, stable] = await Promise.all([
    run("canary"),
    spec.both && hasStable(asked.subject) ? run("stable") : undefined,
  ]);
  // Stable's value is shown beside, so its absence is no fault.
  return canary.kind === "value" && stable?.kind === "value" ? { ...canary, stableValue: stable.value } : canary;
}

function hasStable(subject: Subject): boolean {
  return subject.kind === "flag" || subject.stable !== undefined;
}

/** How old an answer may be: a cache on the way would otherwise have the same minute judged again and again. */
const MAX_AGE_MS = 120_000;

function readValue(spec: MetricSpec, answer: Answer, nowMs: number): Reading {
  const error = (message: string) => ({ kind: "error", metric: spec.name, message }) as const;
  const noData = (message: string) => ({ kind: "noData", metric: spec.name, message }) as const;
  if (answer.kind === "matrix") return error("the query answers with a range of values, and one is needed");
  if (answer.kind === "refused" || answer.kind === "unavailable") return fault(spec, answer);
  const samples = answer.kind === "scalar" ? [answer.sample] : answer.series.map(({ sample }) => sample);
  if (samples.length > 1)
    return error(`the query answers with ${samples.length} series, and one is needed: aggregate it`);
  const [sample] = samples;
  if (sample === undefined) return noData("the query answers with nothing");
  const [atMs, value] = sample;
  if (!Number.isFinite(value)) return noData(`the query answers with ${Number.isNaN(value) ? "NaN" : "infinity"}`);
  if (nowMs - atMs > MAX_AGE_MS) return noData(`the answer is ${Math.round((nowMs - atMs) / 1000)} s old`);
  return { kind: "value", metric: spec.name, atMs, value };
}

function fault(spec: MetricSpec, answer: Answer): Reading {
  const message =
    answer.kind === "refused" || answer.kind === "unavailable"
      ? answer.message
      : `Prometheus answered with a ${answer.kind}`;
  return { kind: "error", metric: spec.name, message };
}

function noSeries(spec: MetricSpec, query: SeriesQuery): Reading {
  return { kind: "noData", metric: spec.name, message: `no series ${query.metric}{${query.matchers}}` };
}
