import { overdueBake } from "./bake.ts";
import type { Situation } from "./decide.ts";
import { entryOf, GATES } from "./entry.ts";
import { replicasThatServe } from "./exchange.ts";
import { contestOf, stoppedByPeople } from "./gates.ts";
import { drainsForMs } from "./let-in.ts";
import { scalingMark, WAKING, ZERO } from "./marks.ts";
import { type Problem, problemOf } from "./problems.ts";
import { abortedBefore, rejectionOf } from "./rejection.ts";
import { type Because, revertedMessage } from "./return.ts";
import { startRollback } from "./roll-back.ts";
import { stepping } from "./step.ts";
import { killOf } from "./stops.ts";
import { hasRoutes, type Rejection, remainingMs, seenMs, type Target, untilDeadlineMs } from "./target.ts";
import { isWaking } from "./wake.ts";
import type { Revision, World } from "./world.ts";

/** No pod of stable is ready. */
const STABLE_DOWN = "stableDown";

/** Stable serves all: nothing to do, or a new revision to start. Always answers. */
export function resting(situation: Situation): Target {
  const { world, orders } = situation;
  const { wanted, stable, previous } = world;
  if (stable === undefined || wanted === undefined)
    throw new Error("`cannotGoOn` and `starting` answer for a world without stable");
  const rest = restingAs(world, stable);
  if (wanted.hash === stable.hash) return settled(situation, rest);
  if (wanted.hash === previous?.hash && world.status.bake !== undefined)
    return startRollback(world, previous, {
      revision: stable.hash,
      reason: "Undone",
      message: "the spec names the revision before again",
    });
  const rejection = rejectionOf(world, wanted) ?? abortedBefore(world, orders);
  if (rejection !== undefined && orders?.retry !== true) return reverted(situation, rest, rejection);
  const begun = beginOrHold(situation, rest, stable);
  return orders?.retry === true ? { ...begun, forgetRejected: true } : begun;
}

function reverted(situation: Situation, rest: Target, rejection: Rejection): Target {
  const { world } = situation;
  const recorded = world.status.rejected?.revision === rejection.revision;
  const baking = keptBake(situation);
  return {
    ...(baking === undefined ? alone(world, rest) : { ...rest, ...baking }),
    phase: "Reverted",
    reason: rejection.reason,
    message: revertedMessage(rejection as Because),
    ...(recorded ? {} : { rejected: rejection }),
  };
}

/** Stable may still be baking while something else is wanted: it is judged on, and goes back on a breach. Undefined once the
 * bake is over. */
function keptBake(situation: Situation): Partial<Target> | undefined {
  const { status, nowMs } = situation.world;
  if (status.bake === undefined || status.progress?.previous === undefined) return undefined;
  const stands = standingStill(situation.world);
  if (stands !== undefined) return { baking: true, ...stands };
  const leftMs = Date.parse(status.bake.until) - nowMs;
  if (leftMs <= 0 && overdueBake(situation) === undefined) return undefined;
  return { baking: true, checkAgainInMs: leftMs > 0 ? leftMs : 5_000 };
}

/** The clock of a bake stands still while nothing is served. */
function standingStill(world: World): Pick<Target, "mark" | "checkAgainInMs"> | undefined {
  if (world.replicas === 0) return { mark: ZERO };
  if (!isWaking(world)) return undefined;
  return { mark: WAKING, checkAgainInMs: untilDeadlineMs(world, "Resting", WAKING, world.settings.progressDeadlineMs) };
}

/** The revision before is needed no more. It waits for what was let in to it. */
function alone(world: World, target: Target): Target {
  const { previous, stable } = world;
  if (previous !== undefined && drainsForMs(world, stable?.hash ?? "") > 0) return target;
  const { previous: _gone, ...rest } = target;
  const going = previous === undefined || previous.hash === stable?.hash ? {} : { [previous.hash]: 0 };
  return { ...rest, sizes: { ...rest.sizes, ...going } };
}

function beginOrHold(situation: Situation, rest: Target, stable: Revision): Target {
  const { world } = situation;
  const { routes, replicas, settings } = world;
  const hold = (mark: string, reason: string, message: string): Target => ({
    ...rest,
    phase: "Progressing",
    mark,
    reason,
    message,
    checkAgainInMs: 5_000,
  });
  const waking = world.status.progress?.mark === ZERO || world.status.progress?.mark === WAKING;
  if (replicas === 0) return hold(ZERO, "ScaledToZero", "a new revision waits until replicas is above 0");
  if (waking && stable.ready < replicas && seenMs(world, "Resting", WAKING) < settings.progressDeadlineMs)
    return hold(WAKING, "ScalingStable", `stable comes up first: ${stable.ready} of ${replicas} pods ready`);
  if (stable.ready === 0) {
    if (seenMs(world, "Resting", STABLE_DOWN) >= settings.progressDeadlineMs) return replaceStable(situation, rest);
    return hold(STABLE_DOWN, "StableDown", "no stable pod is ready; a release has nothing to be compared with");
  }
  const kill = killOf(world);
  if (kill !== undefined) return { ...hold("resting", kill.reason, kill.message), phase: "Paused", ...kill };
  const contested = contestOf(world);
  if (contested !== undefined) return hold("resting", contested.reason, contested.message);
  const problem = problemOf(world);
  if (problem !== undefined) return impossible(situation, rest, problem);
  const { effect } = routes;
  if (effect.kind === "refused")
    return hold("resting", "RouteNotAccepted", `holding before the first step: ${effect.message}`);
  if (effect.kind === "pending")
    return hold("resting", "RoutePending", `waiting for the routes before the first step: ${effect.message}`);
  if (hasRoutes(routes) && routes.state !== "rest")
    return hold(rest.mark, "RoutePending", "waiting until the routes are as their author wrote them");
  const pinned = settings.service === undefined || world.selects === (hasRoutes(routes) ? stable.hash : "all");
  if (!pinned) return hold("resting", "ServiceNotPinned", "pinning the Service before the first step");
  const { answers, held } = entryOf(world, situation.orders);
  if (held !== undefined) return { ...rest, mark: GATES, gates: answers, ...held };
  return answers.length === 0 ? begin(situation, stable) : { ...begin(situation, stable), gates: answers };
}

/** Stable serves on, and bakes on; what is wanted cannot be had until someone mends it. */
function impossible(situation: Situation, rest: Target, { reason, message }: Problem): Target {
  const baking = keptBake(situation);
  const kept = baking === undefined ? alone(situation.world, rest) : { ...rest, ...baking };
  return { ...kept, phase: "Failed", reason, message, checkAgainInMs: Math.min(5_000, kept.checkAgainInMs ?? 5_000) };
}

/** Step 0, weight 0, against stable. */
function begin(situation: Situation, stable: Revision): Target {
  const { world } = situation;
  const hash = world.wanted?.hash ?? "";
  const now = new Date(world.nowMs).toISOString();
  const { previous } = world.status.progress ?? {};
  const status = {
    ...world.status,
    progress: {
      stage: "Stepping",
      mark: scalingMark(0),
      markSince: now,
      canary: hash,
      ...(previous === undefined ? {} : { previous }),
      ...(world.status.progress?.paused === true ? { paused: true } : {}),
    },
    step: { index: 0, total: world.settings.steps.length, startedAt: now },
  };
  const started: World = { ...world, status, ...(world.wanted === undefined ? {} : { canary: world.wanted }) };
  const target = stepping({ ...situation, world: started });
  if (target === undefined) throw new Error("`stepping` answers for a world that has a stable and a canary");
  return { ...target, stable: stable.hash, canary: hash, stepChanged: true };
}

/** A stable with nothing ready for the whole deadline is replaced directly, as on a first deploy: unless what would keep a
 * release from beginning keeps this from it. Pods that were asked for stay. */
function replaceStable(situation: Situation, rest: Target): Target {
  const { world } = situation;
  const { wanted, replicas } = world;
  if (wanted === undefined) return rest;
  const held = notToBegin(situation, rest);
  if (held !== undefined) {
    const sizes = { ...rest.sizes, ...(wanted.size > 0 ? { [wanted.hash]: wanted.size } : {}) };
    return { ...held, mark: STABLE_DOWN, message: `no stable pod is ready; ${held.message}`, sizes };
  }
  if (wanted.ready >= replicas) return { ...restingAs(world, wanted), promoted: wanted.hash };
  return {
    ...rest,
    phase: "Progressing",
    mark: STABLE_DOWN,
    reason: "ReplacingStable",
    message: `stable has no ready pod; revision ${wanted.hash} replaces it directly (${wanted.ready} of ${replicas} ready)`,
    sizes: { ...rest.sizes, [wanted.hash]: replicas },
  };
}

/** Why nothing of the wanted revision may come now; undefined where nothing keeps it. */
function notToBegin(situation: Situation, rest: Target): Target | undefined {
  const { world, orders } = situation;
  const stopped = stoppedByPeople(situation, { ...rest, phase: "Progressing" });
  if (stopped !== undefined) return stopped;
  const problem = problemOf(world);
  if (problem !== undefined) return impossible(situation, rest, problem);
  const { answers, held } = entryOf(world, orders);
  return held === undefined ? undefined : { ...rest, gates: answers, ...held };
}

function settled(situation: Situation, rest: Target): Target {
  const { world } = situation;
  const { status, stable, replicas } = world;
  const baking = status.progress?.previous !== undefined && status.bake !== undefined;
  const why = baking ? overdueBake(situation) : undefined;
  const leftMs = baking ? Date.parse(status.bake?.until ?? "") - world.nowMs : 0;
  const stands = baking ? standingStill(world) : undefined;
  if (stands !== undefined) {
    const [reason, message] =
      replicas === 0
        ? ["ScaledToZero", "the bake stands still while replicas is 0"]
        : ["ScalingStable", `the bake goes on once a pod is ready: 0 of ${replicas}`];
    return { ...rest, phase: "Baking", baking: true, reason, message, ...stands };
  }
  if (baking && (leftMs > 0 || why !== undefined)) {
    return {
      ...rest,
      phase: "Baking",
      reason: "Baking",
      baking: true,
      message: `revision ${stable?.hash} serves all traffic and ${world.settings.analysis === undefined ? "bakes" : "is judged"} ${why ?? `until ${status.bake?.until}`}`,
      checkAgainInMs: Math.min(leftMs > 0 ? leftMs : 5_000, rest.checkAgainInMs ?? Number.POSITIVE_INFINITY),
    };
  }
  const problem = problemOf(world);
  if (problem !== undefined) return { ...alone(world, rest), phase: "Failed", ...problem };
  const { effect } = world.routes;
  if (effect.kind === "refused")
    return { ...alone(world, rest), phase: "Failed", reason: "RouteNotAccepted", message: effect.message };
  return {
    ...alone(world, rest),
    phase: "Healthy",
    reason: "Healthy",
  };
}

/** The state of rest with `stable`: routes folded, Services on it, the revision before it kept as long as it may be needed. */
export function restingAs(world: World, stable: Revision): Target {
  const { previous, settings, status, replicas, routes } = world;
  const routed = hasRoutes(routes);
  const promotedMs = status.bake?.startedAt === undefined ? 0 : Date.parse(status.bake.startedAt);
  const fullForMs = promotedMs + settings.scaleDownDelayMs - world.nowMs;
  const stableReady = stable.ready >= Math.min(replicas, Math.max(1, stable.size));
  const keep = previous !== undefined && previous.hash !== stable.hash;
  const drainMs = drainsForMs(world, stable.hash);
  const keptMs = Math.max(fullForMs, drainMs);
  const scaleDown = keep && keptMs <= 0 && (stableReady || previous.size === 0);
  const strays = drainMs > 0 ? { sizes: {}, waiting: { checkAgainInMs: drainMs } } : straysOf(world, stable);
  const waitMs = keep && !scaleDown && keptMs > 0 ? keptMs : undefined;
  return {
    stage: "Resting",
    mark: "resting",
    phase: "Healthy",
    reason: "Healthy",
    message: `revision ${stable.hash} is stable, ${stable.ready} of ${replicas} pods ready`,
    stable: stable.hash,
    ...(keep ? { previous: previous.hash } : {}),
    stepIndex: 0,
    weightBp: 0,
    ...strays.waiting,
    ...foldedByWayOf0(world),
    selects: routed || keepsOut(world, stable) ? stable.hash : "all",
    canarySelects: stable.hash,
    sizes: {
      ...strays.sizes,
      [stable.hash]: replicas,
      ...(keep ? { [previous.hash]: scaleDown ? 0 : previous.size } : {}),
    },
    ...(waitMs === undefined ? {} : { checkAgainInMs: waitMs }),
  };
}

/** Pods of revisions that have no part any more. Where routes lead, nobody knows when ready ones, of a status that was lost
 * say, had their last request. */
function straysOf(world: World, stable: Revision): { sizes: Target["sizes"]; waiting?: Partial<Target> } {
  const { routes, revisions, settings } = world;
  const sizes = othersToZero(world, stable);
  const isReady = (hash: string) => (revisions.get(hash)?.ready ?? 0) > 0;
  const dead = Object.fromEntries(Object.entries(sizes).filter(([hash]) => !isReady(hash)));
  if (!hasRoutes(routes)) return { sizes: replacedBySizes(world, stable, Object.keys(sizes)) };
  if (Object.keys(sizes).length === 0) return { sizes };
  if (routes.state !== "rest") return { sizes: {} };
  const waitMs = remainingMs(world, "Resting", "strays", settings.drainMs);
  if (waitMs === 0 || !Object.keys(sizes).some(isReady)) return { sizes };
  return { sizes: dead, waiting: { mark: "strays", checkAgainInMs: waitMs } };
}

/** Without routes strays may be all that serves: as many as stable lacks stay, and the others make room for it. None
 * stays that the Service keeps from requests. */
function replacedBySizes(world: World, stable: Revision, strays: readonly string[]): Target["sizes"] {
  const { revisions, selects } = world;
  let lacking = selects === stable.hash ? 0 : Math.max(0, replicasThatServe(world) - stable.ready);
  const left = (hash: string): number => {
    const { ready, size } = revisions.get(hash) as Revision;
    const stays = ready === 0 ? 0 : Math.min(size, lacking);
    lacking -= stays;
    return stays;
  };
  return Object.fromEntries(strays.map((hash) => [hash, left(hash)]));
}

/** Whether the Service keeps requests from pods that have no part any more, as at the end of a return without routes. */
function keepsOut({ selects, revisions, previous }: World, stable: Revision): boolean {
  const isStray = ({ hash, pods }: Revision) => pods > 0 && hash !== stable.hash && hash !== previous?.hash;
  return selects === stable.hash && [...revisions.values()].some(isStray);
}

/** A pair that is left over, after status was lost say, is folded only from an effective, drained 0. */
function foldedByWayOf0(world: World): Pick<Target, "wish"> | Pick<Target, "wish" | "mark" | "checkAgainInMs"> {
  const { routes, settings } = world;
  if (!hasRoutes(routes) || routes.problem !== undefined) return {};
  if (routes.state === "rest") return { wish: { kind: "rest" } };
  if (routes.canaryBp > 0 || routes.state === "mixed")
    return { wish: { kind: "paired", canaryBp: 0 }, mark: "unpairing" };
  if (routes.effect.kind !== "effective") return { mark: "unpairing" };
  const waitMs = remainingMs(world, "Resting", "unpaired", settings.drainMs);
  return waitMs > 0 ? { mark: "unpaired", checkAgainInMs: waitMs } : { wish: { kind: "rest" } };
}

/** The pass in which `revision` becomes stable: it bakes from now on, and the one before it is what a breach goes back to. */
export function promotedAs(world: World, revision: Revision): Target {
  return {
    ...restingAs({ ...world, ...(world.stable === undefined ? {} : { previous: world.stable }) }, revision),
    phase: "Baking",
    reason: "Baking",
    message: `revision ${revision.hash} serves all traffic`,
    promoted: revision.hash,
    ...(world.stable === undefined ? {} : { previous: world.stable.hash }),
    checkAgainInMs: 0,
  };
}

/** Revisions that have no part any more and no traffic. */
export function othersToZero({ revisions, previous }: World, serving: Revision): Record<string, number> {
  const idle = [...revisions.values()].filter(
    (r) => r.size > 0 && r.hash !== serving.hash && r.hash !== previous?.hash,
  );
  return Object.fromEntries(idle.map((r) => [r.hash, 0]));
}
