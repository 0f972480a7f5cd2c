import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import { canonicalJson } from "../json.ts";

const CONDITIONS = {
  Ready: "False",
  Progressing: "False",
  Paused: "False",
  Promoted: "False",
  Stalled: "True",
} as const;

/** The status of a Rollout about which nothing can be decided, as its spec cannot be read say: Failed, and for the rest as it
 * was.
 * @returns undefined where status says so already */
export function impossibleStatus(
  rollout: Rollout,
  message: string,
  nowMs: number,
  reason = "SpecImpossible",
): RolloutStatus | undefined {
  const before = rollout.status ?? {};
  const now = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const generation = rollout.metadata.generation ?? 0;
  const conditions = Object.entries(CONDITIONS).map(([type, status]) => {
    const known = before.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : now;
    return { type, status, reason, message, lastTransitionTime, observedGeneration: generation };
  });
  const next: RolloutStatus = { ...before, observedGeneration: generation, phase: "Failed", message, conditions };
  return canonicalJson(next) === canonicalJson(before) ? undefined : next;
}
