import { devNull } from "node:os";
import type { Rollout, RolloutStatus } from "../../src/api/rollout.ts";
import { logDecision } from "../../src/controllers/rollout/decision-log.ts";
import { countTurn, exposeRollouts } from "../../src/controllers/rollout/metrics.ts";
import { planRollout } from "../../src/core/rollout/plan.ts";
import { createLog } from "../../src/telemetry/log.ts";
import * as metrics from "../../src/telemetry/metrics.ts";
import { routers } from "../../src/traffic/routers.ts";
import { underWay } from "../core/rollout/play.ts";
import { ms, quantile, type Row } from "./row.ts";

const ROUNDS = 3_000;
const ROLLOUTS = 2_000;

/** What telling costs: all that one pass counts and times, and the line of one that decides something, beside the plan that it
 * makes; and a scrape of many Rollouts. */
export async function benchTelemetry(): Promise<Row[]> {
  const snapshot = underWay(50).snapshot();
  const planned = planRollout(snapshot, routers);
  const plan = medianOf(() => planRollout(snapshot, routers));
  const counting = medianOf(() => countAPass(snapshot.rollout));
  const log = createLog("info", "json", devNull);
  const writes = ["give the canary 50 %"];
  const status = snapshot.rollout.status as RolloutStatus;
  const line = medianOf(() => logDecision(log, snapshot.rollout, { ...planned, status }, writes));
  const share = (took: number) => `${((100 * took) / plan).toFixed(2)} %`;
  const scrape = await scrapeMs(snapshot.rollout);
  return [
    {
      what: "telemetry of a pass",
      budget: "1 % of a plan",
      measured: `${share(counting)} (${(1_000 * counting).toFixed(2)} µs of ${(1_000 * plan).toFixed(0)} µs)`,
      how: "medians of 3,000 passes' counters and histograms, and of 3,000 plans",
    },
    {
      what: "the log line of a decision",
      budget: "1 % of a plan",
      measured: `${share(line)} (${(1_000 * line).toFixed(1)} µs)`,
      how: "as JSON, to a file that keeps nothing; a pass that decides nothing has none",
    },
    {
      what: `a scrape of ${ROLLOUTS} Rollouts`,
      budget: "50 ms",
      measured: ms(scrape),
      how: "at rest, the text that /metrics answers; it holds the event loop",
    },
  ];
}

/** In milliseconds; of many at a time, as one takes less than the clock can tell. */
function medianOf(work: () => void, batch = 20): number {
  const took: number[] = [];
  for (let i = 0; i < ROUNDS; i += batch) {
    const startMs = performance.now();
    for (let j = 0; j < batch; j++) work();
    if (i > ROUNDS / 10) took.push((performance.now() - startMs) / batch);
  }
  return quantile(took, 0.5);
}

/** What queue and controller do for one pass that raises a weight. */
function countAPass(rollout: Rollout): void {
  metrics.queueAdds.inc({ name: "rollout" });
  metrics.queueDepth.set({ name: "rollout" }, 1);
  metrics.queueSeconds.observe({ name: "rollout" }, 0.001);
  metrics.activeWorkers.inc({ controller: "rollout" });
  countTurn(rollout, "WeightRaised");
  metrics.reconciles.inc({ controller: "rollout", result: "success" });
  metrics.activeWorkers.dec({ controller: "rollout" });
  metrics.reconcileSeconds.observe({ controller: "rollout" }, 0.002);
}

async function scrapeMs(rollout: Rollout): Promise<number> {
  const all = Array.from({ length: ROLLOUTS }, (_, i) => ({
    ...rollout,
    metadata: { ...rollout.metadata, name: `web-${i}` },
    status: { ...rollout.status, phase: "Healthy" },
  }));
  exposeRollouts(() => all);
  const took: number[] = [];
  for (let i = 0; i < 10; i++) {
    const startMs = performance.now();
    await metrics.registry.metrics();
    took.push(performance.now() - startMs);
  }
  exposeRollouts(() => []);
  return quantile(took, 0.5);
}
