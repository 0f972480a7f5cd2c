import type { Rollout } from "../../api/rollout.ts";
import { activeKills, expiryMs } from "../../core/flags/kills.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import { keyOf } from "../key.ts";
import type { Sources } from "./sources.ts";

/** The KillSwitch that stops a Rollout now; of several one that aborts. */
export function killOf(sources: Sources, rollout: Rollout, nowMs: number): Snapshot["kill"] {
  const kills = sources.kills.byIndex("namespace", rollout.metadata.namespace ?? "");
  const stopping = activeKills(rollout, kills, nowMs).filter(({ spec }) => spec.rollouts !== undefined);
  const kill = stopping.find(({ spec }) => spec.rollouts === "abort") ?? stopping[0];
  if (kill === undefined) return undefined;
  const untilMs = expiryMs(kill.spec.until);
  return {
    name: kill.metadata.name,
    reason: kill.spec.reason,
    aborts: kill.spec.rollouts === "abort",
    ...(Number.isFinite(untilMs) ? { untilMs } : {}),
  };
}

/** The flag that follows a Rollout, takes it along when it is reverted, and was reverted last. One that its Rollout has taken
 * along does not take it along in turn. */
export function revertedFlag(sources: Sources, rollout: Rollout): Snapshot["revertedFlag"] {
  const reverted = sources.flags.byIndex("rollout", keyOf(rollout)).flatMap(({ metadata, spec, status }) => {
    const together = spec.rolloutRef?.revertTogether;
    const { override } = status ?? {};
    const takesAlong = together === "rollout" || together === "both";
    if (!takesAlong || override === undefined || override.reason === "RolloutReverted") return [];
    return [{ name: metadata.name, message: override.message, atMs: Date.parse(override.at) }];
  });
  return reverted.toSorted((a, b) => b.atMs - a.atMs)[0];
}
