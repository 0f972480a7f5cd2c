import type { FeatureFlagStatus } from "../../../api/feature-flag.ts";
import { optional } from "../../optional.ts";
import { percent } from "../../steps.ts";
import type { FlagOrders } from "./requests.ts";
import type { FlagTarget } from "./target.ts";
import type { FlagWorld } from "./world.ts";
import { lastEditor, lastRequester } from "./writers.ts";

type Entry = NonNullable<FeatureFlagStatus["history"]>[number];
const MOST_ENTRIES = 20;

/** What happened to the flag, who did it and when; the newest first. Empty where nothing did. */
export function happenings(world: FlagWorld, target: FlagTarget, orders: FlagOrders | undefined): Entry[] {
  const { status, flag, servedHash, kills, presentBp, ramp } = world;
  const at = new Date(world.nowMs).toISOString();
  const entries: Entry[] = [];
  const note = (what: string, message: string, by?: string) =>
    entries.push({ at, what, ...optional("by", by), message: message.slice(0, 512) });
  if (status.servedHash !== servedHash)
    note(status.servedHash === undefined ? "Created" : "Edited", `version ${servedHash}`, lastEditor(flag));
  const [before, now] = [status.kills ?? [], kills.map(({ metadata }) => metadata.name)];
  for (const kill of kills)
    if (!before.includes(kill.metadata.name)) note("Killed", kill.spec.reason, `KillSwitch ${kill.metadata.name}`);
  for (const name of before) if (!now.includes(name)) note("Released", "", `KillSwitch ${name}`);
  if (orders?.result === "accepted") note("Requested", orders.value, lastRequester(flag));
  if (ramp?.kind === "steps" && target.weightBp > presentBp)
    note("Raised", `from ${percent(presentBp)} to ${percent(target.weightBp)}`);
  if (target.override !== undefined && target.override.at !== status.override?.at)
    note("Reverted", `${target.override.reason}: ${target.override.message}`);
  if (ramp !== undefined && target.promoted === true && status.progress?.promoted !== true)
    note("Promoted", `everyone gets ${ramp.variant}`);
  return entries.reverse();
}

export function historyOf(before: readonly Entry[] = [], news: readonly Entry[]): Entry[] {
  return [...news, ...before].slice(0, MOST_ENTRIES);
}
