import { Counter, Histogram } from "prom-client";
import type { MetricsSource } from "../metrics/prometheus.ts";
import { registry } from "../telemetry/metrics.ts";

const registers = [registry];

const requests = new Counter({
  name: "zenith_prometheus_requests_total",
  help: "Queries of Prometheus, by outcome: ok, refused (the query is at fault), unavailable (Prometheus is).",
  labelNames: ["outcome"],
  registers,
});
const seconds = new Histogram({
  name: "zenith_prometheus_request_duration_seconds",
  help: "How long queries of Prometheus took.",
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  registers,
});

/** A source whose answers are counted and timed.
 * @param nowMs monotonic */
export function observed(source: MetricsSource, nowMs: () => number): MetricsSource {
  return {
    query: async (promql, atMs, signal) => {
      const startMs = nowMs();
      const answer = await source.query(promql, atMs, signal);
      seconds.observe((nowMs() - startMs) / 1_000);
      const outcome = answer.kind === "refused" || answer.kind === "unavailable" ? answer.kind : "ok";
      requests.inc({ outcome });
      return answer;
    },
  };
}
