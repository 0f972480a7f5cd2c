import { percent } from "../steps.ts";
import { unsettledMs } from "./capacity.ts";
import type { Situation } from "./decide.ts";
import { contestOf, mayRaise } from "./gates.ts";
import { CANARY_SERVICE, effectiveMark, writtenMark } from "./marks.ts";
import { isStranded } from "./return.ts";
import { killOf } from "./stops.ts";
import { hasRoutes, heldMs, seenMs, type Target, untilDeadlineMs } from "./target.ts";
import type { World } from "./world.ts";

/**
 * Leads the routes to the weight of a step:
 *
 *     rest ─▶ canary Service leads to ready canary pods ─▶ pair enters at 0 ─▶ effective, settled ─▶ weight ─▶ effective, settled
 *
 * A gateway that learns clusters and routes separately then never sends a request to a backend that it does not know.
 */

/** How long a route may stay without effect before it goes back to what its author wrote. */
const TAKE_IN_MS = 30_000;
/** How long it rests before the next try. */
const REST_MS = 60_000;
const REFUSED = "refused";

/** Undefined once the weight of the step is effective. */
export function approach(situation: Situation, target: Target): Target | undefined {
  const { world } = situation;
  const { routes } = world;
  const { weightBp } = target;
  if (!hasRoutes(routes)) return undefined;
  if (routes.problem !== undefined)
    return {
      ...target,
      reason: routes.problem.reason,
      message: `holding: ${routes.problem.message}`,
      checkAgainInMs: 5_000,
    };
  const refusal = refused(world, target);
  if (refusal !== undefined) return refusal;
  if (routes.state !== "paired") return enter(situation, target);
  const paired: Target = { ...target, canarySelects: target.canary ?? "" };
  if (routes.canaryBp > weightBp) {
    // Told before it is done: whoever goes on from the step before would raise it again.
    if (world.status.step?.index !== target.stepIndex) return { ...paired, checkAgainInMs: 0 };
    const wish = { kind: "paired" as const, canaryBp: weightBp };
    return { ...paired, wish, mark: writtenMark(weightBp), message: `lowering the canary to ${percent(weightBp)}` };
  }
  const pending = takingIn(world, paired);
  if (pending !== undefined) return pending;
  if (routes.canaryBp === weightBp) return undefined;
  const unsettled = settling(world, paired);
  if (unsettled !== undefined) return unsettled;
  const settled: Target = { ...paired, mark: effectiveMark(routes.canaryBp) };
  if (!leadsToCanary(world)) return { ...settled, message: WAITING_FOR_ENDPOINTS };
  return mayRaise(situation, settled, "answered") ?? raise(paired, weightBp);
}

/** Waits until the weight that was written is effective. */
export function takingIn(world: World, target: Target): Target | undefined {
  const { routes } = world;
  if (routes.effect.kind !== "pending") return undefined;
  const mark = writtenMark(routes.canaryBp);
  const message = `waiting for the routes to take ${percent(routes.canaryBp)} in: ${routes.effect.message}`;
  const waiting = { ...target, mark, message, checkAgainInMs: untilDeadlineMs(world, "Stepping", mark, TAKE_IN_MS) };
  return isTold(world) ? waiting : { ...waiting, stepChanged: true };
}

/** Whether status knows how high the canary stands. A raise may be owed to it, and a process that dies after one owes it for
 * good: what was judged so far were requests at the weight before, and the clock of this one is still to be set. */
export function isTold({ routes, status }: World): boolean {
  return routes.state !== "paired" || (status.weights?.writtenBp ?? 0) >= routes.canaryBp;
}

/** Waits until a weight that is effective counts. A pause after it holds the weight anyway, so that only what leads on from
 * a weight waits for it. */
export function settling(world: World, target: Target): Target | undefined {
  const { routes } = world;
  const waitMs = routes.state === "paired" ? unsettledMs(world) : 0;
  if (waitMs === 0) return undefined;
  const message = `letting ${percent(routes.canaryBp)} settle`;
  return { ...target, mark: effectiveMark(routes.canaryBp), message, checkAgainInMs: waitMs };
}

const WAITING_FOR_ENDPOINTS = "waiting until the canary Service leads to the canary's pods";

/** Whether requests to the canary Service reach the canary's pods, and no others. */
function leadsToCanary({ canaryEndpoints, status }: World): boolean {
  const own = canaryEndpoints.byRevision.get(status.progress?.canary ?? "") ?? 0;
  return own > 0 && own === canaryEndpoints.pods.size;
}

/** The clock of a step starts with its weight: what is judged are requests that came at it. */
function raise(target: Target, weightBp: number): Target {
  return {
    ...target,
    mark: writtenMark(weightBp),
    wish: { kind: "paired", canaryBp: weightBp },
    stepChanged: true,
    message: `raising the canary to ${percent(weightBp)}`,
  };
}

/** A route that a parent refuses, or that nobody takes in for half a minute, goes back by way of 0 to what its author wrote,
 * and is tried again after a while. */
function refused(world: World, target: Target): Target | undefined {
  const { routes, status } = world;
  if (isStranded(world)) return undefined;
  const { effect } = routes;
  const pending = effect.kind === "pending" && seenMs(world, "Stepping", writtenMark(routes.canaryBp)) >= TAKE_IN_MS;
  const again = status.progress?.mark === REFUSED;
  const restedMs = heldMs(world, "Stepping", REFUSED);
  const over = again && restedMs >= REST_MS && effect.kind === "effective" && routes.state === "rest";
  if (over || (effect.kind !== "refused" && !pending && !again)) return undefined;
  const why = effect.kind === "effective" ? "the routes are taken in again; going on in a minute" : effect.message;
  const foldInMs = foldAfterMs(world) - restedMs;
  return {
    ...target,
    mark: REFUSED,
    reason: "RouteNotAccepted",
    message: `holding: ${why}`,
    wish: routes.canaryBp > 0 || foldInMs > 0 ? { kind: "paired", canaryBp: 0 } : { kind: "rest" },
    checkAgainInMs: Math.max(1_000, foldInMs > 0 ? foldInMs : REST_MS - restedMs),
  };
}

/** A pair is folded from an effective, drained 0. Where nobody takes the 0 in, what the author wrote may be what is accepted. */
function foldAfterMs({ routes, settings }: World): number {
  if (routes.state === "rest") return 0;
  return routes.effect.kind === "effective" ? settings.drainMs : TAKE_IN_MS;
}

/** The pair enters at an explicit 0, behind it a Service that already leads to ready canary pods, and to no others. Where
 * someone wrote over a weight that we had written, it is put back at once: gateways gather changes before they act, and most
 * never see a reset that is repaired so soon. */
function enter(situation: Situation, target: Target): Target | undefined {
  const { world } = situation;
  const { routes, status } = world;
  const hash = target.canary ?? "";
  if (target.weightBp === 0 && routes.state === "rest") return undefined;
  // Rules that disagree are first brought to 0: the canary Service moves only while its effective weight is 0.
  if (world.canarySelects !== hash && routes.canaryBp > 0)
    return { ...target, mark: writtenMark(0), wish: { kind: "paired", canaryBp: 0 }, message: "mending the routes" };
  const waiting: Target = { ...target, mark: CANARY_SERVICE, canarySelects: hash };
  if (world.canarySelects !== hash) return { ...waiting, message: "pointing the canary Service at the canary" };
  if (!leadsToCanary(world)) return { ...waiting, message: WAITING_FOR_ENDPOINTS };
  const writtenBp = status.weights?.writtenBp ?? 0;
  const answered = situation.judged?.answered ?? world.settings.analysis === undefined;
  const stopped = contestOf(world) !== undefined || killOf(world) !== undefined;
  const drifted = writtenBp > 0 && writtenBp <= target.weightBp && answered && !stopped;
  const gate = drifted ? undefined : mayRaise(situation, target, "answered");
  if (gate !== undefined) return gate;
  const joining = drifted ? untilJoined(world, { ...target, canarySelects: hash }) : undefined;
  if (joining !== undefined) return joining;
  const canaryBp = drifted ? writtenBp : 0;
  return {
    ...target,
    canarySelects: hash,
    mark: writtenMark(canaryBp),
    wish: { kind: "paired", canaryBp },
    message: drifted ? "putting the canary's weight back" : "entering the canary into the routes at 0 %",
  };
}

/** A route that has come to others stands at 0 until that is effective and has settled. */
function untilJoined(world: World, target: Target): Target | undefined {
  const { readings, canaryBp } = world.routes;
  if (!readings.some(({ reading }) => reading.kind === "paired" && reading.canaryBp === 0)) return undefined;
  const waitMs = unsettledMs(world);
  const settles = { ...target, mark: effectiveMark(canaryBp), message: "letting a route that was added settle at 0 %" };
  return takingIn(world, target) ?? (waitMs === 0 ? undefined : { ...settles, checkAgainInMs: waitMs });
}
