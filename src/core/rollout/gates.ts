import { type Gate, obstacleTo } from "../analysis/obstacle.ts";
import type { Situation } from "./decide.ts";
import { isPromoted } from "./promote.ts";
import { killOf } from "./stops.ts";
import { hasRoutes, type Target } from "./target.ts";
import type { World } from "./world.ts";

/** Undefined where nothing speaks against more traffic for the canary; else why it holds. */
export function mayRaise(situation: Situation, target: Target, gate: Gate): Target | undefined {
  const { world, judged, orders } = situation;
  const { analysis } = world.settings;
  const stopped = stoppedByPeople(situation, target);
  if (stopped !== undefined) return stopped;
  if (analysis === undefined || promotesFully({ world, ...(orders === undefined ? {} : { orders }) })) return undefined;
  const isPassed = gate === "answered" || isPromoted(world, orders, target.stepIndex) || !hasTraffic(world);
  const obstacle = obstacleTo(isPassed ? "answered" : gate, {
    settings: analysis,
    source: world.snapshot.metrics.source,
    judged,
    nowMs: world.nowMs,
    path: "spec.analysis",
  });
  if (obstacle === undefined) return undefined;
  const { reason, message, needsPerson } = obstacle;
  if (needsPerson === true) return paused(target, reason, message);
  return { ...target, reason, message, checkAgainInMs: analysis.intervalMs };
}

/** A KillSwitch, a contest or a pause: nothing rises beneath them, whatever the metrics say. Undefined where there is none. */
export function stoppedByPeople({ world, orders }: Situation, target: Target): Target | undefined {
  const kill = killOf(world);
  if (kill !== undefined) return { ...paused(target, kill.reason, kill.message), ...kill };
  const contested = contestOf(world);
  if (contested !== undefined) return { ...target, ...contested, checkAgainInMs: 5_000 };
  if (!world.settings.paused && !pausedByRequest(world, orders?.pause)) return undefined;
  return paused(target, "PausedByUser", "paused by a person; resume to go on");
}

/** While someone works against us nobody knows who gets what: nothing rises, and a route is left alone for a while. */
export function contestOf({ snapshot }: World): Pick<Target, "reason" | "message"> | undefined {
  const { contested } = snapshot;
  if (contested === undefined) return undefined;
  const message = `holding: field manager "${contested.by}" resets ${contested.what} again and again; let one of both have it`;
  return { reason: "Contested", message };
}

/** Whether the canary is being sent requests. */
export function hasTraffic({ routes, canary, status, selects }: World): boolean {
  if (!hasRoutes(routes)) return (canary?.ready ?? 0) > 0;
  return routes.canaryBp > 0 || (status.progress?.stage === "HandingOver" && selects === canary?.hash);
}

/** All that remains at once, without judging, because a person said so. */
export function promotesFully({ world, orders }: Pick<Situation, "world" | "orders">): boolean {
  return orders?.promoteFull === true || world.status.progress?.full === true;
}

export function paused(target: Target, reason: string, message: string): Target {
  const { checkAgainInMs: _none, ...rest } = target;
  return { ...rest, phase: "Paused", reason, message };
}

export function pausedByRequest({ status }: World, order: boolean | undefined): boolean {
  return order ?? status.progress?.paused === true;
}
