import type { Situation } from "./decide.ts";
import { entryOf } from "./entry.ts";
import { pausedByRequest } from "./gates.ts";
import { problemOf, templateRefused } from "./problems.ts";
import { rejectionOf } from "./rejection.ts";
import { killOf } from "./stops.ts";
import type { Revision } from "./world.ts";

/**
 * A way back stands above everything else, and has no end while no pod of what it leads to is ready: an image that is gone,
 * say. Past the progress deadline what is wanted by then takes that place directly, as it takes a dead stable's.
 * @param place the revision that is waited for
 * @param waitedMs for how long
 * @returns what takes its place; undefined where it must go on being waited for
 */
export function successorOf({ world, orders }: Situation, place: Revision, waitedMs: number): Revision | undefined {
  const { wanted, stable, canary, settings } = world;
  if (wanted === undefined || place.ready > 0 || place.isBehind || waitedMs < settings.progressDeadlineMs)
    return undefined;
  if ([place, stable, canary].some((known) => known?.hash === wanted.hash)) return undefined;
  const held =
    settings.paused ||
    pausedByRequest(world, orders?.pause) ||
    killOf(world) !== undefined ||
    rejectionOf(world, wanted) !== undefined ||
    templateRefused(world) !== undefined ||
    problemOf(world) !== undefined ||
    entryOf(world, orders).held !== undefined;
  return held ? undefined : wanted;
}
