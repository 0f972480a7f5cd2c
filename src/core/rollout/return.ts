import type { Situation } from "./decide.ts";
import { hasRoutes, heldMs, type Rejection, remainingMs, type Target } from "./target.ts";
import type { Revision, World } from "./world.ts";

/**
 * Coming back: route → effective → drain → scale-down. Whatever the reason, traffic moves in the pass that found it:
 *
 *     breach ─▶ every route canary 0, canaryService = stable, service = stable   (one group, each on its own)
 *            ─▶ effective ─▶ drain ─▶ routes folded ─▶ canary to 0 ─▶ Resting
 */

export type Because = NonNullable<Target["because"]>;

/** Begins to take a canary back. `rejection` is set where the revision must not come again by itself. */
export function startReturn(world: World, because: Because, rejection?: Rejection): Target {
  const target = returnTarget(world, because, "back");
  return rejection === undefined ? target : { ...target, urgent: rejection, rejected: rejection };
}

/** Goes on taking a canary back, until it has no traffic and no pods are asked for. */
export function returning({ world, orders }: Situation): Target | undefined {
  const { progress } = world.status;
  if (progress?.stage !== "Returning" || world.stable === undefined) return undefined;
  const because = (progress.because ?? { revision: progress.canary ?? "", reason: "Undone", message: "" }) as Because;
  void orders;
  return hasRoutes(world.routes) ? returnByRoutes(world, because) : returnBySizes(world, because);
}

function returnByRoutes(world: World, because: Because): Target {
  const { routes, settings } = world;
  if (
    routes.state !== "rest" &&
    (routes.canaryBp > 0 || routes.effect.kind !== "effective" || routes.state === "mixed")
  ) {
    return returnTarget(world, because, "back");
  }
  if (routes.state === "paired") {
    const waitMs = remainingMs(world, "Returning", "drained", settings.drainMs);
    const target = returnTarget(world, because, "drained");
    if (waitMs > 0) return { ...target, checkAgainInMs: waitMs };
    return { ...target, wish: { kind: "rest" } };
  }
  // At rest again: whatever the canary still gets comes from connections that drain.
  const waitMs =
    heldMs(world, "Returning", "drained") > 0 ? 0 : remainingMs(world, "Returning", "folded", settings.settleMs);
  if (waitMs > 0) return { ...returnTarget(world, because, "folded"), wish: { kind: "rest" }, checkAgainInMs: waitMs };
  return returned(world, because);
}

function returnBySizes(world: World, because: Because): Target {
  const { stable, canary, settings, selects } = world;
  const enough = (stable?.ready ?? 0) >= Math.ceil(world.replicas / 2) || (canary?.ready ?? 0) === 0;
  const target = returnTarget(world, because, enough ? "pinned" : "back");
  const pinned = settings.service === undefined || selects === stable?.hash;
  if (!enough || !pinned) return target;
  const gone = canary === undefined || canary.pods === 0;
  const waitMs = remainingMs(world, "Returning", "pinned", settings.settleMs);
  const full = (stable?.ready ?? 0) >= world.replicas;
  if (!gone && (waitMs > 0 || !full)) return { ...target, checkAgainInMs: Math.max(waitMs, 500) };
  if (!gone) return { ...target, sizes: { ...target.sizes, [canary.hash]: 0 } };
  return returned(world, because);
}

/** The canary is gone from traffic: stable rests, and the canary's pods may go. */
function returned(world: World, because: Because): Target {
  const target = returnTarget(world, because, "gone");
  const { canary, ...rest } = target;
  return {
    ...rest,
    stage: "Resting",
    mark: "resting",
    stepIndex: 0,
    weightBp: 0,
    ...(hasRoutes(world.routes) ? { wish: { kind: "rest" as const } } : {}),
    selects: hasRoutes(world.routes) ? (world.stable?.hash ?? "all") : "all",
    sizes: { ...target.sizes, ...(canary === undefined ? {} : { [canary]: 0 }) },
    checkAgainInMs: 0,
  };
}

function returnTarget(world: World, because: Because, mark: string): Target {
  const { stable, status, replicas } = world;
  const routed = hasRoutes(world.routes);
  const rejected = because.reason !== "Superseded" && because.reason !== "Undone";
  const hash = stable?.hash ?? "";
  return {
    stage: "Returning",
    mark,
    phase: rejected ? "Reverted" : "Progressing",
    reason: because.reason,
    message: rejected ? revertedMessage(because) : `going back to stable: ${because.message}`,
    ...(stable === undefined ? {} : { stable: hash }),
    ...(status.progress?.canary === undefined ? {} : { canary: status.progress.canary }),
    ...(status.progress?.previous === undefined ? {} : { previous: status.progress.previous }),
    stepIndex: status.step?.index ?? 0,
    weightBp: 0,
    ...(routed && world.routes.state !== "rest" ? { wish: { kind: "paired" as const, canaryBp: 0 } } : {}),
    ...(routed ? { selects: hash, canarySelects: hash } : mark === "back" ? {} : { selects: hash }),
    sizes: stable === undefined ? {} : { [hash]: replicas },
    because,
  };
}

/** Begins to bring an earlier revision back after a breach in the bake. */
export function startRollback(world: World, to: Revision, rejection: Rejection): Target {
  return rollbackTarget(world, to, rejection, true);
}

/** Goes on with a rollback until the earlier revision serves alone. */
export function rollingBack({ world }: Situation): Target | undefined {
  const { progress } = world.status;
  if (progress?.stage !== "RollingBack") return undefined;
  const to = world.previous;
  const because = progress.because as Rejection | undefined;
  if (to === undefined || because === undefined) return undefined;
  return rollbackTarget(world, to, because, false);
}

function rollbackTarget(world: World, to: Revision, because: Rejection, first: boolean): Target {
  const { stable, replicas, settings, snapshot } = world;
  const bad = stable?.hash ?? "";
  const routed = hasRoutes(world.routes);
  const ready = to.ready >= (routed ? Math.max(1, replicas) : Math.max(1, Math.ceil(replicas / 2)));
  const base: Target = {
    stage: "RollingBack",
    mark: ready ? "selecting" : "scaling",
    phase: "Reverted",
    reason: because.reason,
    message: revertedMessage(because),
    stable: bad,
    previous: to.hash,
    stepIndex: 0,
    weightBp: 0,
    ...(routed ? { wish: { kind: "rest" as const } } : {}),
    sizes: { [to.hash]: replicas },
    because,
    rejected: because,
    ...(first && ready ? { urgent: because } : {}),
  };
  if (!ready) return shrinkWhereStuck(world, to, base);
  const selecting: Target = { ...base, selects: to.hash, canarySelects: to.hash };
  const { serviceEndpoints } = world;
  const arrived =
    settings.service === undefined ||
    (world.selects === to.hash &&
      serviceEndpoints.pods.size > 0 &&
      serviceEndpoints.byRevision.get(to.hash) === serviceEndpoints.pods.size);
  if (!arrived) return selecting;
  const waitMs = remainingMs(world, "RollingBack", "drained", settings.drainMs);
  if (waitMs > 0 || snapshot.service === undefined) {
    if (settings.service !== undefined) return { ...selecting, mark: "drained", checkAgainInMs: waitMs };
  }
  const { previous: _previous, ...done } = selecting;
  return {
    ...done,
    stage: "Resting",
    mark: "resting",
    stable: to.hash,
    selects: routed ? to.hash : "all",
    sizes: { [to.hash]: replicas, [bad]: 0 },
    checkAgainInMs: 0,
  };
}

/** Where the earlier revision makes no progress for a minute, a full quota say, the bad one makes room as it comes up. */
function shrinkWhereStuck(world: World, to: Revision, target: Target): Target {
  const stuckMs = heldMs(world, "RollingBack", "scaling");
  if (stuckMs < 60_000 || world.stable === undefined) return { ...target, checkAgainInMs: 5_000 };
  const room = Math.max(1, Math.floor(world.replicas / 4));
  const size = Math.max(0, Math.min(world.stable.size, world.replicas - to.ready) - room);
  return { ...target, sizes: { ...target.sizes, [world.stable.hash]: size }, checkAgainInMs: 5_000 };
}

export function revertedMessage({ revision, reason, message }: Because): string {
  const why = reason === "Aborted" || reason === "RolledBack" ? message : `${message}`;
  return `revision ${revision} was taken back: ${why}`;
}
