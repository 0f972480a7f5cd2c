import { pino } from "pino";
import { expect, test } from "vitest";
import { logDecision } from "../../../src/controllers/rollout/decision-log.ts";
import { planRollout } from "../../../src/core/rollout/plan.ts";
import { routers } from "../../../src/traffic/routers.ts";
import { atRest } from "../../core/rollout/play.ts";

test("a decision has one line, and a pass that changes nothing none", () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const play = atRest();
  const look = () => {
    const snapshot = play.snapshot();
    const plan = planRollout(snapshot, routers);
    logDecision(log, snapshot.rollout, plan, ["what was written"]);
    return plan;
  };
  expect(look()).toMatchObject({ writes: [] });
  expect(lines).toEqual([]);
  play.deploy("v2");
  const { target } = look();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    rollout: "shop/web",
    phase: "Progressing",
    stage: "Stepping",
    reason: target.reason,
    weight: 25, // Of the step, which is not yet written.
    writes: ["what was written"],
    msg: target.message,
  });
});
