import type { Rollout } from "../../api/rollout.ts";
import type { RolloutPlan } from "../../core/rollout/plan.ts";
import type { Logger } from "../../telemetry/log.ts";
import { keyOf } from "../key.ts";

/** One line for each decision, none for a pass that changed nothing.
 * @param done what was written; what failed has a line of its own */
export function logDecision(log: Logger, rollout: Rollout, plan: RolloutPlan, done: readonly string[]): void {
  if (plan.writes.length === 0 && plan.status === undefined) return;
  const { stage, mark, phase, reason, message, weightBp } = plan.target;
  const { generation } = rollout.metadata;
  log.info(
    { rollout: keyOf(rollout), phase, stage, mark, reason, weight: weightBp / 100, writes: done, generation },
    message === "" ? phase : message,
  );
}
