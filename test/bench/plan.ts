import { planRollout } from "../../src/core/rollout/plan.ts";
import { routers } from "../../src/traffic/routers.ts";
import { underWay } from "../core/rollout/play.ts";
import { ms, quantile, type Row } from "./row.ts";

const ROUNDS = 3_000;

/** What one decision costs, in the middle of a release. */
export async function benchPlan(): Promise<Row[]> {
  const snapshot = underWay(50).snapshot();
  const took: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const startMs = performance.now();
    planRollout(snapshot, routers);
    if (i > ROUNDS / 10) took.push(performance.now() - startMs);
  }
  return [
    {
      what: "one plan",
      budget: "1 ms median",
      measured: `${ms(quantile(took, 0.5))} median, ${ms(quantile(took, 0.99))} p99`,
      how: "planRollout of a canary at 50 %, 3,000 times",
    },
  ];
}
