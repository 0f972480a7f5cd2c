import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import { conditionsSaying } from "../conditions.ts";
import { sameJson } from "../json.ts";
import type { RolloutPlan } from "./plan.ts";
import { conditionOf } from "./world.ts";

/** The condition that names a write which keeps failing; absent where none does. */
export const WRITE_FAILURE = "WriteFailure";

/**
 * The status of a Rollout whose writes were not all done. It claims nothing that was only planned, with two exceptions: what
 * a breach rejected must not be raised again; and the clock of a take-over runs, so that a Deployment which was paused for it
 * gets free again. What keeps failing is named, in a condition and, where status has nothing graver to say, in its message.
 * The status of the next pass whose writes are all done says nothing of it any more.
 * @param refusal what keeps failing, in words; undefined where nothing has for long
 * @returns undefined where status says so already
 */
export function unfinishedStatus(
  { status: before = {}, metadata }: Rollout,
  plan: Pick<RolloutPlan, "status" | "target">,
  refusal: string | undefined,
  nowMs: number,
): RolloutStatus | undefined {
  const next = telling(baseOf(before, plan, refusal), before, refusal, metadata.generation ?? 0, nowMs);
  return sameJson(next, before) ? undefined : next;
}

function baseOf(
  before: RolloutStatus,
  { status, target }: Pick<RolloutPlan, "status" | "target">,
  refusal: string | undefined,
): RolloutStatus {
  if (status === undefined) return before;
  if (target.urgent !== undefined) return asFarAsDone(status, before);
  const takesOver = target.stage === "Starting" && target.deployment !== undefined;
  return takesOver && target.mark === "scaling" && refusal !== undefined ? status : before;
}

/** A breach that could not switch every route: rejected, and where traffic is will be seen by the next pass. */
function asFarAsDone(status: RolloutStatus, { weights }: RolloutStatus): RolloutStatus {
  const { weights: _written, ...rest } = status;
  return weights === undefined ? rest : { ...rest, weights };
}

const GRAVER: readonly unknown[] = ["Reverted", "Failed"];

function telling(
  base: RolloutStatus,
  before: RolloutStatus,
  refusal: string | undefined,
  generation: number,
  nowMs: number,
): RolloutStatus {
  const known = conditionOf(before, WRITE_FAILURE);
  const message = refusal ?? known?.message;
  if (message === undefined) return base;
  const said = { [WRITE_FAILURE]: { status: "True", reason: "WriteRefused", message } } as const;
  const failure = conditionsSaying(said, before.conditions, generation, new Date(nowMs).toISOString());
  const others = (base.conditions ?? []).filter(({ type }) => type !== WRITE_FAILURE);
  const words = GRAVER.includes(base.phase) ? {} : { message };
  return { ...base, ...words, conditions: [...others, ...failure] };
}
