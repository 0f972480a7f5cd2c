import type { RolloutMetric, RolloutSpec } from "../../api/rollout.ts";
import { parseDurationMs, parseLatencyMs, parsePercent, readAt, UnitError } from "../../api/units.ts";
import type { AnalysisSettings, MetricSpec } from "./model.ts";

const DEFAULT_METRICS: readonly RolloutMetric[] = [
  { errorRate: { max: "1%" } },
  { latency: { quantile: 95, max: "500ms" } },
];

/** A pod that has just started is slow for reasons of its own: its latency counts after so many intervals, 30 s by default. */
const WARMUP_INTERVALS = 2;

/** An `analysis` with every default filled in and every unit converted. Undefined where it is turned off.
 * @param path of it in its spec, for messages
 * @throws UnitError */
export function analysisSettings(given: RolloutSpec["analysis"], path: string): AnalysisSettings | undefined {
  const analysis = given ?? {};
  if (analysis.disabled === true) return undefined;
  const intervalMs = readAt(`${path}.interval`, parseDurationMs, analysis.interval ?? "15s");
  return {
    metrics: (analysis.metrics ?? DEFAULT_METRICS).map((metric, i) => metricOf(metric, `${path}.metrics[${i}]`)),
    intervalMs,
    onNoData: {
      afterMs: readAt(`${path}.onNoData.after`, parseDurationMs, analysis.onNoData?.after ?? "5m"),
      then: analysis.onNoData?.then ?? "hold",
    },
    onUnsure: {
      afterMs: readAt(`${path}.onUnsure.after`, parseDurationMs, analysis.onUnsure?.after ?? "30m"),
      then: analysis.onUnsure?.then ?? "pause",
    },
    judge: "evidence",
    alpha: 0.01,
    warmupMs: WARMUP_INTERVALS * intervalMs,
  };
}

function metricOf(metric: RolloutMetric, path: string): MetricSpec {
  if (metric.errorRate !== undefined) {
    return {
      kind: "errorRate",
      name: "error-rate",
      max: readAt(`${path}.errorRate.max`, parsePercent, metric.errorRate.max),
    };
  }
  if (metric.latency !== undefined) {
    const { quantile, max } = metric.latency;
    return {
      kind: "latency",
      name: "latency",
      quantile: (quantile ?? 95) / 100,
      maxMs: readAt(`${path}.latency.max`, parseLatencyMs, max),
    };
  }
  const query = metric.query;
  if (query === undefined) throw new UnitError(`${path} must have one of errorRate, latency and query`);
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
