import { Gauge } from "prom-client";
import type { FeatureFlag } from "../../api/feature-flag.ts";
import { registry } from "../../telemetry/metrics.ts";

/**
 * What Prometheus learns of FeatureFlags: where each stands that is not at rest. A scrape holds the event loop, and nearly all of ten thousand
 * flags rest. Read from the cache when it is scraped; only the leader tells.
 */

const AT_REST: readonly string[] = ["Healthy"];

let shown: () => readonly FeatureFlag[] = () => [];

/** From now on the gauge tells these. */
export function exposeFlags(list: () => readonly FeatureFlag[]): void {
  shown = list;
}

new Gauge({
  name: "zenith_flag_status",
  help: "1, with the phase of a FeatureFlag and the reason for it; one that is Healthy has none.",
  labelNames: ["namespace", "flag", "phase", "reason"],
  registers: [registry],
  collect() {
    this.reset();
    for (const { metadata, status } of shown()) {
      const { phase } = status ?? {};
      if (phase === undefined || AT_REST.includes(phase)) continue;
      const reason = status?.conditions?.find(({ type }) => type === "Ready")?.reason ?? "";
      this.set({ namespace: metadata.namespace ?? "", flag: metadata.name, phase, reason }, 1);
    }
  },
});
