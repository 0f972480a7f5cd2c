import { Gauge } from "prom-client";
import { Counter, Histogram } from "../telemetry/instruments.ts";
import { registry } from "../telemetry/metrics.ts";

/** What the flag server tells about itself. No label holds what a client sent. */
const registers = [registry];

export const evaluations = new Counter({
  name: "zenith_flag_evaluations_total",
  help: "Flags evaluated, by protocol (ofrep, v1, v2) and outcome (value, codeDefault, error, notFound).",
  labelNames: ["protocol", "outcome"],
  registers,
});
export const flagsServed = new Gauge({
  name: "zenith_flags_served",
  help: "Flags that are served.",
  registers,
});
export const flagsInvalid = new Gauge({
  name: "zenith_flags_invalid",
  help: "FeatureFlags that cannot be served as they are; what they were is served on.",
  registers,
});
export const streamsOpen = new Gauge({
  name: "zenith_flag_streams",
  help: "Clients that are connected and are told of changes, by kind (sync, events, ofrep, browser).",
  labelNames: ["kind"],
  registers,
});
export const deliverySeconds = new Histogram({
  name: "zenith_flag_delivery_seconds",
  help: "From a change's arrival at this server to its leaving for a client.",
  labelNames: ["kind"],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  registers,
});
