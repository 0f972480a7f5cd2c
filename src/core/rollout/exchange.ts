import { resolveSurge } from "../replicas.ts";
import { hasRoutes } from "./target.ts";
import type { Revision, World } from "./world.ts";

/** How two revisions exchange pods on the way back, when traffic follows the pods. */

/** Pods that make no progress for so long, for a full quota say, are given room. */
const STUCK_MS = 60_000;

/** Pods that a release keeps serving at all times. */
export function replicasThatServe({ replicas, settings }: World): number {
  return replicas - resolveSurge(replicas, settings.maxSurge, settings.maxUnavailable).maxUnavailable;
}

/** Whether routes divide traffic by now. Those that a spec gets in a release find a stable that has given its pods away: until
 * it may serve alone the Service leads to all of them, and sizes still are the weights. */
export function isByRoutes(world: World): boolean {
  const { routes, selects, stable } = world;
  const isNew = routes.state === "rest" && selects === "all";
  return hasRoutes(routes) && !(isNew && (stable?.ready ?? 0) < replicasThatServe(world));
}

/** Where the pods that come make no progress, those that go make room, as far as the others serve in their place.
 * @param heldMs for how long it has waited for them
 * @returns how many of those that go may stay; undefined while there is no need */
export function leftWhereStuck(world: World, heldMs: number, coming: Revision, going: Revision): number | undefined {
  if (heldMs < STUCK_MS) return undefined;
  const { replicas, settings } = world;
  const { maxUnavailable } = resolveSurge(replicas, settings.maxSurge, settings.maxUnavailable);
  return Math.max(0, Math.min(going.size, replicas - coming.ready - Math.max(1, maxUnavailable)));
}
