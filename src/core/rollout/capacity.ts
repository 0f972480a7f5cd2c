import { canarySizeWithRoutes, nextSizes, resolveSurge, type Sizes, splitReplicas } from "../replicas.ts";
import { highestWeight } from "../steps.ts";
import type { Situation } from "./decide.ts";
import { mayRaise } from "./gates.ts";
import { effectiveMark, isScaling, scalingMark } from "./marks.ts";
import { hasRoutes, remainingMs, type Target, untilDeadlineMs } from "./target.ts";
import type { World } from "./world.ts";

/** How many pods a step needs, and whether they are there: capacity comes before traffic. */

/** Pods of each side while the canary should have `weightBp` of the traffic. With routes stable stays at full size. */
export function sizesAt(world: World, weightBp: number): Record<string, number> {
  const { stable, canary, replicas, settings, status } = world;
  const canaryHash = status.progress?.canary ?? canary?.hash ?? "";
  if (stable === undefined) return {};
  if (hasRoutes(world.routes)) {
    const share = canarySizeWithRoutes(replicas, weightBp);
    return { [stable.hash]: replicas, [canaryHash]: Math.max(share, servingSize(world)) };
  }
  const side = (revision: World["stable"]) => ({ size: revision?.size ?? 0, available: revision?.ready ?? 0 });
  const others = [...world.revisions.values()].filter(({ hash }) => hash !== stable.hash && hash !== canaryHash);
  const next = nextSizes({
    replicas,
    canaryBp: weightBp,
    ...resolveSurge(replicas, settings.maxSurge, settings.maxUnavailable),
    stable: side(stable),
    canary: side(canary),
    others: others.reduce((sum, { size }) => sum + size, 0),
  });
  const gone = Object.fromEntries(others.filter(({ size }) => size > 0).map(({ hash }) => [hash, 0]));
  return { ...gone, [stable.hash]: next.stable, [canaryHash]: next.canary };
}

/** Not below what the canary serves now: a weight that was lowered counts once it is effective and has settled. */
function servingSize(world: World): number {
  const { routes, status, settings, replicas, canary } = world;
  const written = canarySizeWithRoutes(replicas, routes.canaryBp);
  if (routes.canaryBp === 0 || (routes.effect.kind === "effective" && unsettledMs(world) === 0)) return written;
  const highest = highestWeight(settings.steps, status.step?.index ?? 0);
  return Math.max(written, Math.min(canarySizeWithRoutes(replicas, highest), canary?.size ?? 0));
}

/** Milliseconds for which an effective weight must still settle. Before the next step asks for pods it has. */
export function unsettledMs(world: World): number {
  const { routes, status, settings } = world;
  // A pair that has just entered is at the weight that none had before.
  const known = routes.canaryBp > 0 && status.weights?.effectiveBp === routes.canaryBp;
  if (known && isScaling(status.progress?.mark)) return 0;
  return remainingMs(world, "Stepping", effectiveMark(routes.canaryBp), settings.settleMs);
}

/** Waits for pods. Undefined once this step's size was ready; later, pods may come and go. */
export function capacity(situation: Situation, target: Target): Target | undefined {
  const { world } = situation;
  const { canary, stable, settings, snapshot, routes } = world;
  const hash = target.canary ?? "";
  const routed = hasRoutes(routes);
  const goal = routed ? { stable: 0, canary: target.sizes[hash] ?? 0 } : goalOf(world, target.weightBp);
  const size = canary?.size ?? 0;
  const ready = canary?.ready ?? 0;
  const sized = routed ? size >= goal.canary : size === goal.canary && stable?.size === goal.stable;
  if (sized && ready >= goal.canary) return undefined;
  const servesAlready = routed && target.stepReady === true && ready > 0 && routes.canaryBp >= target.weightBp;
  if (servesAlready) return undefined;
  const trouble = snapshot.podTrouble[hash];
  const mark = scalingMark(target.stepIndex);
  const waiting: Target = {
    ...target,
    mark,
    reason: "CanaryNotReady",
    message: `waiting for canary pods: ${ready} of ${goal.canary} ready${trouble === undefined ? "" : ` (${trouble})`}`,
    ...(target.stepReady === true // No deadline runs any more: pods tell when they are back.
      ? {}
      : { checkAgainInMs: untilDeadlineMs(world, "Stepping", mark, settings.progressDeadlineMs) }),
  };
  return morePods(situation, waiting) ?? waiting;
}

/** Without routes more canary pods are more traffic: what must hold before a raise must hold before them. Pods that follow
 * a change of size at the same weight are none. */
function morePods(situation: Situation, target: Target): Target | undefined {
  const { world } = situation;
  const { canary, stable, replicas } = world;
  const { size, ready } = canary ?? { size: 0, ready: 0 };
  const hash = target.canary ?? "";
  if (hasRoutes(world.routes) || target.stepReady === true || (target.sizes[hash] ?? 0) <= size) return undefined;
  const gate = mayRaise(situation, target, "answered");
  if (gate === undefined || stable === undefined) return undefined;
  const sizes = { [stable.hash]: size === 0 ? replicas : stable.size, ...(size === 0 ? {} : { [hash]: size }) };
  // The deadline is for pods that were asked for: those that a hold keeps away were not.
  return { ...gate, mark: ready >= size ? "gate" : gate.mark, sizes };
}

function goalOf({ replicas, settings }: World, weightBp: number): Sizes {
  const { maxSurge } = resolveSurge(replicas, settings.maxSurge, settings.maxUnavailable);
  return splitReplicas(replicas, weightBp, maxSurge);
}
