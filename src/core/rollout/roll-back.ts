import type { Situation } from "./decide.ts";
import { leftWhereStuck, replicasThatServe } from "./exchange.ts";
import { type Because, isBlameless, revertedMessage } from "./return.ts";
import { successorOf } from "./successor.ts";
import { hasRoutes, heldMs, remainingMs, seenMs, type Target } from "./target.ts";
import type { Revision, World } from "./world.ts";

/**
 * Taking back what was promoted already. The pods of the revision before may be gone, so capacity comes first:
 *
 *     earlier revision to full size ─▶ ready ─▶ Service selects it ─▶ its slices hold no other pod ─▶ drain ─▶ bad one to 0
 *
 * While it is at full size still, right after a hand-over, all of it happens in the pass that saw the breach.
 */

/** Begins to bring an earlier revision back. */
export function startRollback(world: World, to: Revision, because: Because): Target {
  const target = rollbackTarget(world, to, because);
  return isReady(world, to, because) && !isBlameless(because) ? { ...target, urgent: because } : target;
}

/** Goes on with a rollback until the earlier revision serves alone. */
export function rollingBack(situation: Situation): Target | undefined {
  const { world } = situation;
  const { previous, status } = world;
  const { progress } = status;
  if (progress?.stage !== "RollingBack" || previous === undefined || progress.because === undefined) return undefined;
  const because = progress.because as Because;
  const target = rollbackTarget(world, previous, because);
  const successor = successorOf(situation, target, previous, seenMs(world, "RollingBack", "scaling"));
  if (successor === undefined) return target;
  const next = rollbackTarget(world, successor, because);
  return { ...next, sizes: { ...next.sizes, [previous.hash]: 0 } };
}

/** Without routes, pods of both sides serve until the switch: half of the earlier ones ready is better than the bad ones,
 * and not better than good ones. Counts that are behind may still be of pods that were just sent away. */
function isReady(world: World, { ready, isBehind }: Revision, because: Because): boolean {
  const { routes, replicas } = world;
  if (isBehind) return false;
  if (hasRoutes(routes)) return ready >= Math.max(1, replicas);
  return ready >= Math.max(1, isBlameless(because) ? replicasThatServe(world) : Math.ceil(replicas / 2));
}

function rollbackTarget(world: World, to: Revision, because: Because): Target {
  const { stable, replicas, settings, serviceEndpoints } = world;
  const blameless = isBlameless(because);
  const scaling: Target = {
    stage: "RollingBack",
    mark: "scaling",
    phase: blameless ? "Progressing" : "Reverted",
    reason: because.reason,
    message: blameless ? `going back to revision ${to.hash}: ${because.message}` : revertedMessage(because),
    ...(stable === undefined ? {} : { stable: stable.hash }),
    previous: to.hash,
    stepIndex: 0,
    weightBp: 0,
    ...(hasRoutes(world.routes) ? { wish: { kind: "rest" as const } } : {}),
    sizes: { [to.hash]: replicas },
    because,
    ...(blameless ? {} : { rejected: because }),
  };
  const selected = settings.service !== undefined && world.selects === to.hash;
  if (!selected && !isReady(world, to, because)) {
    const waitedMs = heldMs(world, "RollingBack", "scaling");
    const left = stable === undefined ? undefined : leftWhereStuck(world, waitedMs, to, stable);
    const message = `${blameless ? scaling.message : `revision ${because.revision} is being taken back: ${because.message}`}; waiting for pods of revision ${to.hash}`;
    const waiting: Target = { ...scaling, message, checkAgainInMs: 5_000 };
    if (left === undefined || stable === undefined) return waiting;
    // The last of the bad pods would have to go while all requests reach them: those that are ready take over first.
    const takesOver = left === 0 && to.ready > 0;
    if (!takesOver) return { ...waiting, sizes: { ...scaling.sizes, [stable.hash]: left } };
  }
  if (settings.service === undefined) return afterDrain(world, to, scaling);
  const selecting: Target = { ...scaling, mark: "selecting", selects: to.hash, canarySelects: to.hash };
  const own = serviceEndpoints.byRevision.get(to.hash) ?? 0;
  if (!selected || own === 0 || own !== serviceEndpoints.pods.size) return selecting;
  const waitMs =
    heldMs(world, "RollingBack", "emptying") > 0 ? 0 : remainingMs(world, "RollingBack", "drained", settings.drainMs);
  if (waitMs > 0) return { ...selecting, mark: "drained", checkAgainInMs: waitMs };
  return afterDrain(world, to, selecting);
}

/** The bad pods have no traffic: they go, and only then may the Service let all of ours in again. */
function afterDrain(world: World, to: Revision, target: Target): Target {
  const { stable, replicas } = world;
  const sizes = { [to.hash]: replicas, ...(stable === undefined ? {} : { [stable.hash]: 0 }) };
  if (!hasRoutes(world.routes) && (stable?.pods ?? 0) > 0) return { ...target, mark: "emptying", sizes };
  const { previous: _previous, ...done } = target;
  return {
    ...done,
    // One that came in the place of a dead one was not promoted before.
    ...(to.mark?.kind === "promoted" ? {} : { promoted: to.hash }),
    stage: "Resting",
    mark: "resting",
    stable: to.hash,
    selects: hasRoutes(world.routes) ? to.hash : "all",
    sizes,
    checkAgainInMs: 0,
  };
}
