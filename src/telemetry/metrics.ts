import { collectDefaultMetrics, Registry } from "prom-client";
import { Counter, Gauge, Histogram } from "./instruments.ts";

/** Metrics of the operator itself, under the names that dashboards for controllers already know. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry });

const registers = [registry];
const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const restRequests = new Counter({
  name: "rest_client_requests_total",
  help: "Requests to the API server, by answer.",
  labelNames: ["code", "method", "host"],
  registers,
});
export const restRequestSeconds = new Histogram({
  name: "rest_client_request_duration_seconds",
  help: "How long requests to the API server took.",
  labelNames: ["verb", "host"],
  buckets: SECONDS,
  registers,
});
export const reconciles = new Counter({
  name: "controller_runtime_reconcile_total",
  help: "Passes, by result: success, error, requeue_after.",
  labelNames: ["controller", "result"],
  registers,
});
export const reconcileErrors = new Counter({
  name: "controller_runtime_reconcile_errors_total",
  help: "Passes that ended in an error.",
  labelNames: ["controller"],
  registers,
});
export const reconcileSeconds = new Histogram({
  name: "controller_runtime_reconcile_time_seconds",
  help: "How long passes took.",
  labelNames: ["controller"],
  buckets: SECONDS,
  registers,
});
export const activeWorkers = new Gauge({
  name: "controller_runtime_active_workers",
  help: "Passes under way.",
  labelNames: ["controller"],
  registers,
});
export const queueDepth = new Gauge({
  name: "workqueue_depth",
  help: "Keys that wait.",
  labelNames: ["name"],
  registers,
});
export const queueAdds = new Counter({
  name: "workqueue_adds_total",
  help: "Keys added.",
  labelNames: ["name"],
  registers,
});
export const queueRetries = new Counter({
  name: "workqueue_retries_total",
  help: "Keys added again after an error.",
  labelNames: ["name"],
  registers,
});
export const queueSeconds = new Histogram({
  name: "workqueue_queue_duration_seconds",
  help: "How long keys waited.",
  labelNames: ["name"],
  buckets: SECONDS,
  registers,
});
export const leaderStatus = new Gauge({
  name: "leader_election_master_status",
  help: "1 while this process leads.",
  labelNames: ["name"],
  registers,
});
export const watchEvents = new Counter({
  name: "watch_events_total",
  help: "Events received.",
  labelNames: ["kind"],
  registers,
});
export const watchRestarts = new Counter({
  name: "watch_restarts_total",
  help: "Watches begun again, by why the last one ended.",
  labelNames: ["kind", "reason"],
  registers,
});
export const cacheObjects = new Gauge({
  name: "cache_objects",
  help: "Objects held.",
  labelNames: ["kind"],
  registers,
});
