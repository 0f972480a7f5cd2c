import type { Situation } from "./decide.ts";
import { entryOf } from "./entry.ts";
import { stoppedByPeople } from "./gates.ts";
import { problemOf, templateRefused } from "./problems.ts";
import { rejectionOf } from "./rejection.ts";
import { isAbortAsked } from "./requests.ts";
import type { Target } from "./target.ts";
import type { Revision } from "./world.ts";

/**
 * A way back stands above everything else, and has no end while no pod of what it leads to is ready: an image that is gone,
 * say. Past the progress deadline what is wanted by then takes that place directly, as it takes a dead stable's.
 * @param target the way back as it stands
 * @param place the revision that is waited for
 * @param waitedMs for how long
 * @returns what takes its place; undefined where it must go on being waited for
 */
export function successorOf(
  situation: Situation,
  target: Target,
  place: Revision,
  waitedMs: number,
): Revision | undefined {
  const { world, orders } = situation;
  const { wanted, stable, canary, settings } = world;
  if (wanted === undefined || place.ready > 0 || place.isBehind || waitedMs < settings.progressDeadlineMs)
    return undefined;
  if ([place, stable, canary].some((known) => known?.hash === wanted.hash)) return undefined;
  const held =
    stoppedByPeople(situation, target) !== undefined ||
    rejectionOf(world, wanted) !== undefined ||
    isAbortAsked(world) ||
    templateRefused(world) !== undefined ||
    problemOf(world) !== undefined ||
    entryOf(world, orders).held !== undefined;
  return held ? undefined : wanted;
}
