import type { Situation } from "./decide.ts";
import { startReturn } from "./return.ts";
import type { Rejection, Target } from "./target.ts";
import { timeOf } from "./target.ts";
import type { World } from "./world.ts";

/** What others stop a Rollout by: a KillSwitch that selects it, and a FeatureFlag that follows it. */

/** A KillSwitch lets no weight rise, and no release begin. Undefined where none selects this Rollout. */
export function killOf({ snapshot, nowMs }: World): Pick<Target, "reason" | "message" | "checkAgainInMs"> | undefined {
  const { kill } = snapshot;
  if (kill === undefined) return undefined;
  const leftMs = kill.untilMs === undefined ? undefined : kill.untilMs - nowMs;
  const message = `held by KillSwitch "${kill.name}": ${kill.reason}`;
  return { reason: "Killed", message, ...(leftMs === undefined ? {} : { checkAgainInMs: leftMs }) };
}

/** One that aborts takes back what is on its way, as a person's abort does; what waits is held until it ends. */
export function killedBySwitch({ world }: Situation): Target | undefined {
  const { kill } = world.snapshot;
  const { progress } = world.status;
  const moving = progress?.stage === "Stepping" || progress?.stage === "HandingOver";
  if (kill?.aborts !== true || !moving || world.stable === undefined || progress.canary === undefined) return undefined;
  const message = `aborted by KillSwitch "${kill.name}": ${kill.reason}`;
  return startReturn(world, { revision: progress.canary, reason: "Killed", message });
}

/** Why a flag that was reverted since this release began takes it along. */
export function flagReverted({ snapshot, status }: World): Pick<Rejection, "reason" | "message"> | undefined {
  const { revertedFlag } = snapshot;
  if (revertedFlag === undefined) return undefined;
  if (!(revertedFlag.atMs > timeOf(status.progress?.startedAt, Number.POSITIVE_INFINITY))) return undefined;
  const message = `FeatureFlag "${revertedFlag.name}" was reverted: ${revertedFlag.message}`;
  return { reason: "FlagReverted", message };
}
