import type { KillSwitch, KillSwitchStatus } from "../../api/kill-switch.ts";
import type { KubeObject } from "../../api/kubernetes.ts";
import { conditionsSaying, type Said } from "../conditions.ts";
import { sameJson } from "../json.ts";
import { optional } from "../optional.ts";
import type { Notice, Plan } from "../plan.ts";
import { selects } from "../selector.ts";
import { expiryMs } from "./kills.ts";

/** Everything that the status of one KillSwitch tells of. It stops flags and Rollouts by being there: whoever serves and
 * whoever releases look at it themselves. */
export interface KillSnapshot {
  /** Server time, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly kill: KillSwitch;
  /** Of its namespace, whether it selects them or not. */
  readonly flags: readonly KubeObject[];
  readonly rollouts: readonly KubeObject[];
}

const MOST_NAMES = 20;

/** What a KillSwitch says of itself: what it stops, and whether it still does. Pure. */
export function planKillSwitch(snapshot: KillSnapshot): Plan<KillSwitchStatus> {
  const { kill, nowMs } = snapshot;
  const { metadata, spec, status: before = {} } = kill;
  const leftMs = expiryMs(spec.until) - nowMs;
  const isActive = leftMs > 0;
  const flags = isActive && spec.flags !== undefined ? namesOf(kill, snapshot.flags) : [];
  const rollouts = isActive && spec.rollouts !== undefined ? namesOf(kill, snapshot.rollouts) : [];
  const now = new Date(nowMs).toISOString();
  const phase = isActive ? "Active" : "Expired";
  const message = isActive ? activeMessage(kill, flags, rollouts) : `stopped by itself at ${spec.until}; delete it`;
  const said: Record<string, Said> = {
    Ready: { status: "True", reason: phase, message },
    Active: { status: isActive ? "True" : "False", reason: phase, message },
  };
  const next: KillSwitchStatus = {
    observedGeneration: metadata.generation ?? 0,
    phase,
    message,
    flags: flags.length,
    rollouts: rollouts.length,
    flagNames: flags.slice(0, MOST_NAMES),
    rolloutNames: rollouts.slice(0, MOST_NAMES),
    since: before.since ?? now,
    conditions: conditionsSaying(said, before.conditions, metadata.generation ?? 0, now),
  };
  const notices: Notice[] =
    before.phase === phase ? [] : [{ type: isActive ? "Warning" : "Normal", reason: phase, message }];
  return {
    writes: [],
    ...optional("status", sameJson(next, before) ? undefined : next),
    notices,
    ...(isActive && Number.isFinite(leftMs) ? { checkAgainInMs: leftMs } : {}),
  };
}

function namesOf({ spec }: KillSwitch, objects: readonly KubeObject[]): string[] {
  const selected = objects.filter(({ metadata }) => selects(spec.selector, metadata.labels));
  return selected.map(({ metadata }) => metadata.name).sort();
}

function activeMessage({ spec }: KillSwitch, flags: readonly string[], rollouts: readonly string[]): string {
  const what = [
    ...(spec.flags === undefined ? [] : [`makes ${counted(flags, "flag")} safe`]),
    ...(spec.rollouts === undefined
      ? []
      : [`${spec.rollouts === "abort" ? "aborts and holds" : "holds"} ${counted(rollouts, "Rollout")}`]),
  ].join(" and ");
  const until = spec.until === undefined ? "" : ` until ${spec.until}`;
  return `${what}${until}: ${spec.reason}`;
}

function counted(names: readonly string[], what: string): string {
  return `${names.length} ${what}${names.length === 1 ? "" : "s"}`;
}
