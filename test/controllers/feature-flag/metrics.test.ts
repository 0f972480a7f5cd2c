import { afterEach, expect, test } from "vitest";
import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import { exposeFlags } from "../../../src/controllers/feature-flag/metrics.ts";
import { registry } from "../../../src/telemetry/metrics.ts";

afterEach(() => exposeFlags(() => []));

function aFlag(name: string, phase: string | undefined, reason: string): FeatureFlag {
  const conditions = [{ type: "Ready", status: "True", reason, message: "" }];
  const status = phase === undefined ? undefined : { phase, conditions };
  return { metadata: { name, namespace: "shop" }, spec: {}, status } as unknown as FeatureFlag;
}

/** Lines of ours, as Prometheus reads them. */
async function scraped(): Promise<string[]> {
  const text = await registry.metrics();
  return text.split("\n").filter((line) => line.startsWith("zenith_flag_status{"));
}

test("a flag that was taken back, or is on its way, is told; one at rest, or not yet looked at, is not; all go with their object", async () => {
  const flags = [
    aFlag("bad", "Reverted", "AnalysisFailed"),
    aFlag("new", "Progressing", "Stepping"),
    aFlag("old", "Healthy", "Healthy"),
    aFlag("fresh", undefined, ""),
  ];
  exposeFlags(() => flags);
  expect(await scraped()).toEqual([
    'zenith_flag_status{namespace="shop",flag="bad",phase="Reverted",reason="AnalysisFailed"} 1',
    'zenith_flag_status{namespace="shop",flag="new",phase="Progressing",reason="Stepping"} 1',
  ]);
  flags.shift();
  expect(await scraped()).toHaveLength(1);
});
