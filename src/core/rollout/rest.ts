import type { Situation } from "./decide.ts";
import { revertedMessage } from "./return.ts";
import { stepping } from "./step.ts";
import { hasRoutes, heldMs, type Target } from "./target.ts";
import type { Revision, World } from "./world.ts";

/** The very first revision becomes stable unjudged, as soon as it is ready at full size. */
export function starting({ world }: Situation): Target | undefined {
  const { wanted, stable, replicas, snapshot, settings } = world;
  if (stable !== undefined || wanted === undefined) return undefined;
  const target: Target = {
    stage: "Starting",
    mark: "scaling",
    phase: "Pending",
    reason: "StartingFirstRevision",
    message: `bringing up the first revision ${wanted.hash}: ${wanted.ready} of ${replicas} pods ready`,
    stepIndex: 0,
    weightBp: 0,
    selects: "author",
    sizes: { ...othersToZero(world, wanted), [wanted.hash]: replicas },
  };
  const ready = wanted.replicaSet !== undefined && wanted.ready >= replicas;
  if (!ready) {
    if (heldMs(world, "Starting", "scaling") < settings.progressDeadlineMs)
      return { ...target, checkAgainInMs: settings.progressDeadlineMs };
    const trouble = snapshot.podTrouble[wanted.hash];
    const message = `the first revision ${wanted.hash} is not ready after its progress deadline (${wanted.ready} of ${replicas} pods)${trouble === undefined ? "" : `: ${trouble}`}`;
    return { ...target, phase: "Failed", reason: "ProgressDeadlineExceeded", message };
  }
  return { ...target, ...restingAs(world, wanted), promoted: wanted.hash };
}

/** Stable serves all: nothing to do, or a new revision to start. Always answers. */
export function resting(situation: Situation): Target {
  const { world, orders } = situation;
  const { wanted, stable, status } = world;
  if (stable === undefined || wanted === undefined)
    throw new Error("`cannotGoOn` and `starting` answer for a world without stable");
  const rest = restingAs(world, stable);
  if (wanted.hash === stable.hash) return settled(world, rest);
  const rejected = status.rejected;
  if (rejected?.revision === wanted.hash && orders?.retry !== true) {
    return {
      ...rest,
      phase: "Reverted",
      reason: rejected.reason,
      message: revertedMessage({ revision: rejected.revision, reason: rejected.reason, message: rejected.message }),
    };
  }
  if (world.replicas === 0)
    return {
      ...rest,
      phase: "Progressing",
      reason: "ScaledToZero",
      message: "a new revision waits until replicas is above 0",
    };
  return { ...beginOrHold(situation, rest, stable), ...(orders?.retry === true ? { forgetRejected: true } : {}) };
}

function beginOrHold(situation: Situation, rest: Target, stable: Revision): Target {
  const { world } = situation;
  const { problem, effect } = world.routes;
  const held = { ...rest, phase: "Progressing" as const, checkAgainInMs: 5_000 };
  if (problem !== undefined)
    return { ...held, reason: problem.reason, message: `holding before the first step: ${problem.message}` };
  if (effect.kind === "refused")
    return { ...held, reason: "RouteNotAccepted", message: `holding before the first step: ${effect.message}` };
  if (effect.kind === "pending")
    return {
      ...held,
      reason: "RoutePending",
      message: `waiting for the route before the first step: ${effect.message}`,
    };
  const downMs = heldMs(world, "Resting", "stableDown");
  if (stable.ready === 0 && downMs >= world.settings.progressDeadlineMs) return replaceStable(world, rest);
  if (stable.ready === 0)
    return {
      ...held,
      mark: "stableDown",
      reason: "StableDown",
      message: "no stable pod is ready; a release has nothing to be compared with",
    };
  return begin(situation, stable);
}

/** Step 0, weight 0, against stable. */
function begin(situation: Situation, stable: Revision): Target {
  const { world } = situation;
  const hash = world.wanted?.hash ?? "";
  const status = {
    ...world.status,
    progress: {
      ...world.status.progress,
      stage: "Stepping",
      mark: "scaling",
      markSince: iso(world.nowMs),
      canary: hash,
      stepReady: false,
    },
    step: { index: 0, total: world.settings.steps.length, startedAt: iso(world.nowMs) },
  };
  const started: World = { ...world, status, ...(world.wanted === undefined ? {} : { canary: world.wanted }) };
  const target = stepping({ ...situation, world: started });
  return { ...(target as Target), stable: stable.hash, canary: hash, stepChanged: true, ...keepPrevious(world) };
}

function keepPrevious({ status }: World): { previous?: string } {
  return status.progress?.previous === undefined ? {} : { previous: status.progress.previous };
}

/** A stable with nothing ready for the whole deadline is replaced directly, as on a first deploy. */
function replaceStable(world: World, rest: Target): Target {
  const wanted = world.wanted;
  if (wanted === undefined) return rest;
  const target = { ...rest, phase: "Progressing" as const, mark: "stableDown", reason: "ReplacingStable" };
  const sizes = { ...rest.sizes, [wanted.hash]: world.replicas };
  const message = `stable has no ready pod; revision ${wanted.hash} replaces it directly (${wanted.ready} of ${world.replicas} ready)`;
  if (wanted.ready < world.replicas || wanted.ready === 0) return { ...target, sizes, message };
  return { ...restingAs(world, wanted), promoted: wanted.hash };
}

function settled(world: World, rest: Target): Target {
  const { status, stable } = world;
  const bakeUntil = status.bake?.until === undefined ? 0 : Date.parse(status.bake.until);
  const leftMs = bakeUntil - world.nowMs;
  if (status.progress?.previous !== undefined && leftMs > 0) {
    return {
      ...rest,
      phase: "Baking",
      reason: "Baking",
      baking: true,
      message: `revision ${stable?.hash} serves all traffic and is judged until ${status.bake?.until}`,
      checkAgainInMs: Math.min(leftMs, rest.checkAgainInMs ?? leftMs),
    };
  }
  const { previous: _gone, ...alone } = rest;
  const ready = stable?.ready ?? 0;
  return {
    ...alone,
    sizes: { ...rest.sizes, ...(world.previous === undefined ? {} : { [world.previous.hash]: 0 }) },
    phase: "Healthy",
    reason: "Healthy",
    message: `revision ${stable?.hash} is stable, ${ready} of ${world.replicas} pods ready`,
  };
}

/** The state of rest with `stable`: routes folded, Services on it, the revision before it kept as long as it may be needed. */
export function restingAs(world: World, stable: Revision): Target {
  const { previous, settings, status, replicas } = world;
  const routed = hasRoutes(world.routes);
  const promotedMs = status.bake?.startedAt === undefined ? 0 : Date.parse(status.bake.startedAt);
  const fullForMs = promotedMs + settings.scaleDownDelayMs - world.nowMs;
  const stableReady = stable.ready >= Math.min(replicas, Math.max(1, stable.size));
  const keep = previous !== undefined && previous.hash !== stable.hash;
  const scaleDown = keep && fullForMs <= 0 && (stableReady || previous.size === 0);
  return {
    stage: "Resting",
    mark: "resting",
    phase: "Healthy",
    reason: "Healthy",
    message: "",
    stable: stable.hash,
    ...(keep ? { previous: previous.hash } : {}),
    stepIndex: 0,
    weightBp: 0,
    ...(routed && world.routes.problem === undefined ? { wish: { kind: "rest" as const } } : {}),
    selects: routed ? stable.hash : "all",
    canarySelects: stable.hash,
    sizes: {
      ...othersToZero(world, stable),
      [stable.hash]: replicas,
      ...(keep ? { [previous.hash]: scaleDown ? 0 : previous.size } : {}),
    },
    ...(keep && !scaleDown ? { checkAgainInMs: Math.max(0, fullForMs) } : {}),
  };
}

/** Revisions that have no part any more and no traffic. */
function othersToZero({ revisions, previous }: World, serving: Revision): Record<string, number> {
  const idle = [...revisions.values()].filter(
    (r) => r.size > 0 && r.hash !== serving.hash && r.hash !== previous?.hash,
  );
  return Object.fromEntries(idle.map((r) => [r.hash, 0]));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
