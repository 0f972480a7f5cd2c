import { afterEach, describe, expect, test } from "vitest";
import type { Rollout } from "../../../src/api/rollout.ts";
import { countTurn, exposeRollouts, forgetTurns } from "../../../src/controllers/rollout/metrics.ts";
import { registry } from "../../../src/telemetry/metrics.ts";

afterEach(() => exposeRollouts(() => []));

function aRollout(name: string, status: unknown): Rollout {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name, namespace: "shop" },
    spec: {},
    status,
  } as Rollout;
}

const ready = (reason: string) => [{ type: "Ready", status: "True", reason, message: "" }];
const judged = { name: "error-rate", verdict: "Continue", value: 0.02, limit: 0.01, evidence: 4, message: "" };
const moving = aRollout("web", {
  phase: "Progressing",
  conditions: ready("Stepping"),
  replicasWanted: 4,
  readyReplicas: 5,
  weights: { desired: 25, written: 25, effective: 10, writtenBp: 2500, effectiveBp: 1000 },
  step: { index: 2, total: 6 },
  analysis: { metrics: [{ ...judged, stableValue: 0.001 }] },
});
const resting = aRollout("api", {
  ...moving.status,
  phase: "Healthy",
  conditions: ready("Healthy"),
  readyReplicas: 4,
});

/** Lines of ours, as Prometheus reads them. */
async function scraped(): Promise<string[]> {
  const text = await registry.metrics();
  return text.split("\n").filter((line) => line.startsWith("zenith_rollout_"));
}

describe("the metrics of Rollouts", () => {
  test("tell where one on its way stands, and what it is judged by", async () => {
    exposeRollouts(() => [moving]);
    const own = 'namespace="shop",rollout="web"';
    expect(await scraped()).toEqual([
      `zenith_rollout_status{${own},phase="Progressing",reason="Stepping"} 1`,
      `zenith_rollout_replicas{${own},state="wanted"} 4`,
      `zenith_rollout_replicas{${own},state="ready"} 5`,
      `zenith_rollout_weight_percent{${own},state="desired"} 25`,
      `zenith_rollout_weight_percent{${own},state="written"} 25`,
      `zenith_rollout_weight_percent{${own},state="effective"} 10`,
      `zenith_rollout_step{${own}} 2`,
      `zenith_rollout_metric_value{${own},metric="error-rate",side="canary"} 0.02`,
      `zenith_rollout_metric_value{${own},metric="error-rate",side="stable"} 0.001`,
      `zenith_rollout_metric_limit{${own},metric="error-rate"} 0.01`,
      `zenith_rollout_metric_verdict{${own},metric="error-rate",verdict="Continue"} 1`,
      `zenith_rollout_metric_evidence{${own},metric="error-rate"} 4`,
    ]);
  });

  test("are one for what is at rest, and change with it", async () => {
    let all = [moving];
    exposeRollouts(() => all);
    await scraped();
    all = [resting];
    expect(await scraped()).toEqual([
      'zenith_rollout_status{namespace="shop",rollout="api",phase="Healthy",reason="Healthy"} 1',
    ]);
  });

  test("go with their Rollout, counts too", async () => {
    let all = [moving];
    exposeRollouts(() => all);
    for (const reason of ["Started", "WeightRaised", "Promoted", "Started", "Reverted"]) countTurn(moving, reason);
    const turns = (await scraped()).filter((line) => line.includes("releases_total"));
    expect(turns.map((line) => line.replace(/.*event=/, ""))).toEqual([
      '"Started"} 2',
      '"Promoted"} 1',
      '"Reverted"} 1',
    ]);
    all = [];
    forgetTurns("shop/web");
    expect(await scraped()).toEqual([]);
  });

  test("of one that nobody has looked at yet say so", async () => {
    exposeRollouts(() => [aRollout("new", undefined)]);
    expect(await scraped()).toEqual([
      'zenith_rollout_status{namespace="shop",rollout="new",phase="Pending",reason=""} 1',
    ]);
  });
});
