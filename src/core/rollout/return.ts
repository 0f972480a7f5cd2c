import type { Situation } from "./decide.ts";
import { isByRoutes, leftWhereStuck, replicasThatServe } from "./exchange.ts";
import { successorOf } from "./successor.ts";
import { hasRoutes, heldMs, remainingMs, seenMs, type Target, untilDeadlineMs } from "./target.ts";
import type { Revision, World } from "./world.ts";

/**
 * Coming back: route → effective → drain → scale-down. Whatever the reason, traffic moves in the pass that found it:
 *
 *     breach ─▶ every route canary 0, canaryService = stable, service = stable   (one group, each on its own)
 *            ─▶ effective ─▶ drain ─▶ routes folded ─▶ canary to 0 ─▶ Resting
 *
 * Without routes stable grows to full size first; the Service is pinned to it as soon as half of it is ready, or, where the
 * canary did no harm, as much as may serve in a release.
 */

export type Because = NonNullable<Target["because"]>;

/** Reasons for going back that say nothing bad of the revision: it may come again by itself. */
const BLAMELESS: readonly string[] = ["Superseded", "Undone", "ScaledToZero", "TrafficEdited"];

export function isBlameless({ reason }: Because): boolean {
  return BLAMELESS.includes(reason);
}

/** Begins to take a canary back. Unless blameless, the revision is rejected: it does not come again by itself. */
export function startReturn(world: World, because: Because): Target {
  const target = returnTarget(world, because, "back");
  return isBlameless(because) ? target : { ...target, urgent: because, rejected: because };
}

/** Goes on taking a canary back, until it has no traffic and no pods are asked for. */
export function returning(situation: Situation): Target | undefined {
  const { world } = situation;
  const { stable, status } = world;
  const { progress } = status;
  if (progress?.stage !== "Returning" || stable === undefined) return undefined;
  const because = (progress.because ?? { revision: progress.canary ?? "", reason: "Undone", message: "" }) as Because;
  const target = isByRoutes(world) ? returnByRoutes(world, because) : returnBySizes(world, because);
  const successor = successorOf(situation, target, stable, seenMs(world, "Returning", "stranded"));
  return successor === undefined ? target : replacedBy(world, because, stable, successor);
}

/** Within this most gateways have taken a change in: later it is said what is waited for. */
const HEARS_MS = 30_000;
const UNHEARD = "unheard";

function returnByRoutes(world: World, because: Because): Target {
  const { routes, settings } = world;
  const arrived = routes.state === "rest" || (routes.state === "paired" && routes.canaryBp === 0);
  const pinned = world.snapshot.service === undefined || world.selects === world.stable?.hash;
  const draining = heldMs(world, "Returning", "drained") > 0;
  if (!arrived || !pinned) return returnTarget(world, because, "back");
  if (routes.effect.kind !== "effective") return unheard(world, because, routes.effect.message);
  // At rest the pair was drained, or there never was one, or somebody else has taken it away.
  const mark = draining || routes.state === "paired" ? "drained" : "folded";
  // Another process may have died between what it put right and its status: since when nothing leads there, it has not said.
  const { decidingSinceMs = Number.NEGATIVE_INFINITY } = world.snapshot;
  const unseenMs = Math.min(settings.drainMs, decidingSinceMs + settings.drainMs - world.nowMs);
  const waitMs = Math.max(unseenMs, remainingMs(world, "Returning", mark, settings.drainMs));
  const target = returnTarget(world, because, mark);
  if (waitMs > 0) return { ...target, checkAgainInMs: waitMs };
  return routes.state === "paired" ? { ...target, wish: { kind: "rest" } } : returned(world, because);
}

/** All is written, and not every route has taken it in. One that nobody answers for any more, as its Gateway is gone say, does
 * not hold up for ever what comes next: the canary Service leads to stable by then. */
function unheard(world: World, because: Because, why: string): Target {
  const { settings, status } = world;
  const before = status.progress?.mark;
  const soonMs = before === "drained" || before === UNHEARD ? 0 : remainingMs(world, "Returning", "back", HEARS_MS);
  if (soonMs > 0) return { ...returnTarget(world, because, "back"), checkAgainInMs: soonMs };
  const target = returnTarget(world, because, before === "drained" ? before : UNHEARD);
  const leftMs = untilDeadlineMs(world, "Returning", target.mark, settings.progressDeadlineMs);
  if (leftMs === 0) return returned(world, because);
  return { ...target, message: `${target.message}; waiting for the routes: ${why}`, checkAgainInMs: leftMs };
}

function returnBySizes(world: World, because: Because): Target {
  const { stable, canary, settings, selects } = world;
  // Nobody is harmed by a good one: it serves until as much of stable is there as a release may lack.
  const isGood = isBlameless(because) && world.status.progress?.mark !== "pinned";
  const patienceMs = isGood ? untilDeadlineMs(world, "Returning", "back", settings.progressDeadlineMs) : 0;
  const needed = patienceMs > 0 ? replicasThatServe(world) : Math.ceil(world.replicas / 2);
  const enough = (stable?.ready ?? 0) >= needed || (canary?.ready ?? 0) === 0;
  const target = returnTarget(world, because, enough ? "pinned" : "back");
  if (!enough) {
    const message = `${target.message}; waiting for stable pods: ${stable?.ready ?? 0} of ${needed} ready`;
    const isSaid = target.mark === "stranded";
    const sizes = { ...target.sizes, ...roomForStable(world) };
    return { ...target, ...(isSaid ? {} : { message }), sizes, checkAgainInMs: 5_000 };
  }
  if (settings.service !== undefined && selects !== stable?.hash) return target;
  if (canary === undefined || (canary.pods === 0 && canary.size === 0)) return returned(world, because);
  // A Service keeps the canary from requests: it can drain while stable comes up. Without one only its end does.
  const waitMs = settings.service === undefined ? 0 : remainingMs(world, "Returning", "pinned", settings.drainMs);
  if (waitMs > 0) return { ...target, checkAgainInMs: waitMs };
  return { ...target, sizes: { ...target.sizes, [canary.hash]: 0 } };
}

/** The canary's size where stable cannot come up beside it. The last of its pods stays while requests reach it. */
function roomForStable(world: World): Record<string, number> {
  const { stable, canary } = world;
  if (stable === undefined || canary === undefined) return {};
  const left = leftWhereStuck(world, heldMs(world, "Returning", "back"), stable, canary);
  return left === undefined ? {} : { [canary.hash]: Math.min(canary.size, Math.max(1, left)) };
}

/** The canary is gone from traffic: stable rests, and the canary's pods may go. */
function returned(world: World, because: Because): Target {
  const { canary, ...rest } = returnTarget(world, because, "gone");
  const routed = hasRoutes(world.routes);
  return {
    ...rest,
    stage: "Resting",
    mark: "resting",
    stepIndex: 0,
    ...(routed ? { wish: { kind: "rest" as const } } : {}),
    selects: routed ? (world.stable?.hash ?? "all") : "all",
    sizes: { ...rest.sizes, ...(canary === undefined ? {} : { [canary]: 0 }) },
    checkAgainInMs: 0,
  };
}

/** Traffic to stable, at once: unless that would strand it. */
function returnTarget(world: World, because: Because, mark: string): Target {
  const { stable, status, replicas } = world;
  const routed = isByRoutes(world);
  const hash = stable?.hash ?? "";
  const stranded = isStranded(world);
  const switches = stranded
    ? {}
    : {
        ...(routed && world.routes.state !== "rest" ? { wish: { kind: "paired" as const, canaryBp: 0 } } : {}),
        ...(routed ? { selects: hash, canarySelects: hash } : mark === "back" ? {} : { selects: hash }),
      };
  const message = isBlameless(because) ? `going back to stable: ${because.message}` : revertedMessage(because);
  return {
    stage: "Returning",
    mark: stranded ? "stranded" : mark,
    phase: isBlameless(because) ? "Progressing" : "Reverted",
    reason: because.reason,
    message: stranded ? `${message}; waiting for a ready stable pod to send traffic to` : message,
    ...(stable === undefined ? {} : { stable: hash }),
    ...(status.progress?.canary === undefined ? {} : { canary: status.progress.canary }),
    ...(status.progress?.previous === undefined ? {} : { previous: status.progress.previous }),
    stepIndex: status.step?.index ?? 0,
    weightBp: 0,
    ...switches,
    sizes: stable === undefined ? {} : { [hash]: replicas },
    because,
    ...(stranded ? { checkAgainInMs: 5_000 } : {}),
  };
}

/** What is wanted by now becomes the stable that traffic goes back to, once it is ready. */
function replacedBy(world: World, because: Because, stable: Revision, successor: Revision): Target {
  const { replicas } = world;
  const { previous: _previous, ...target } = returnTarget(world, because, "stranded");
  const sizes = { [successor.hash]: replicas };
  if (successor.ready >= Math.max(1, replicas))
    return {
      ...target,
      stable: successor.hash,
      promoted: successor.hash,
      sizes: { ...sizes, [stable.hash]: 0 },
      checkAgainInMs: 0,
    };
  const message = `${target.message}; revision ${successor.hash} takes its place (${successor.ready} of ${replicas} ready)`;
  return { ...target, message, sizes: { ...target.sizes, ...sizes }, checkAgainInMs: 5_000 };
}

/** Stable has no ready pod and the canary has: traffic to stable would be lost, which is worse than any breach. */
export function isStranded({ stable, canary, replicas }: World): boolean {
  return (stable?.ready ?? 0) === 0 && (canary?.ready ?? 0) > 0 && replicas > 0;
}

export function revertedMessage({ revision, message }: Because): string {
  return `revision ${revision} was taken back: ${message}`;
}
