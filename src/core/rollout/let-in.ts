import { hasRoutes, type Target, timeOf } from "./target.ts";
import type { World } from "./world.ts";

/**
 * Someone who resets the Service's selector lets pods in that have no part any more. It is put right at once, and what it let
 * in drains as if a route had led there:
 *
 *     let in ─▶ the slices hold none of them any more ─▶ drain ─▶ they may go
 */
const OPEN = "open";

/** Milliseconds until pods without a part may go, as status remembers them to have been let in; 0 when they may. */
export function drainsForMs(world: World, serving: string): number {
  const { settings, status, nowMs } = world;
  const before = status.progress?.letIn;
  if (isLetIn(world, serving)) return settings.drainMs;
  if (before === undefined) return 0;
  return before === OPEN ? settings.drainMs : Math.max(0, timeOf(before, nowMs) + settings.drainMs - nowMs);
}

/** What status is to remember: that they are let in, or since when they are not. */
export function letInOf(world: World, { stage, stable = "" }: Target, now: string): string | undefined {
  if (stage !== "Resting" && stage !== "Stepping") return undefined;
  if (isLetIn(world, stable)) return OPEN;
  const before = world.status.progress?.letIn;
  if (before === undefined || idle(world, stable).length === 0) return undefined;
  if (before === OPEN) return now;
  return drainsForMs(world, stable) > 0 ? before : undefined;
}

function isLetIn(world: World, serving: string): boolean {
  const others = hasRoutes(world.routes) && world.snapshot.service !== undefined ? idle(world, serving) : [];
  const { byRevision } = world.serviceEndpoints;
  return others.length > 0 && (world.selects !== serving || others.some((hash) => byRevision.has(hash)));
}

/** Revisions that could answer and have no part. */
function idle({ revisions, status }: World, serving: string): string[] {
  const up = [...revisions.values()].filter(({ ready }) => ready > 0);
  return up.map(({ hash }) => hash).filter((hash) => hash !== serving && hash !== status.progress?.canary);
}
