import type { Situation } from "./decide.ts";
import { FINALIZER, sameTemplate } from "./names.ts";
import { hasRoutes, heldMs, remainingMs, type Target } from "./target.ts";
import type { World } from "./world.ts";

/**
 * A Rollout that is being deleted: route → effective → canary drained; then what `onDelete` says.
 *
 *     handBack: Deployment gets the stable template, full size, ready ─▶ Service unpinned ─▶ drain ─▶ finalizer away, ours go
 *     delete:   Service unpinned, finalizer away, ours go      keep: Service unpinned, our pods stay, ownerless
 */
export function leaving({ world }: Situation): Target | undefined {
  const { rollout, settings } = world;
  if (rollout.metadata.deletionTimestamp === undefined) return undefined;
  if (rollout.metadata.finalizers?.includes(FINALIZER) !== true) return leavingTarget(world, "left", {});
  const unpaired = unpair(world);
  if (unpaired !== undefined) return unpaired;
  if (settings.onDelete !== "handBack" || world.snapshot.deployment === undefined || world.stable === undefined) {
    return leavingTarget(world, "left", { selects: "author", release: true });
  }
  return handBack(world);
}

function unpair(world: World): Target | undefined {
  const { routes, stable, settings } = world;
  if (!hasRoutes(routes) || routes.state === "rest") return undefined;
  const toStable = stable === undefined ? {} : { selects: stable.hash, canarySelects: stable.hash };
  // A route that nobody answers for any more must not hold the object for ever.
  if (heldMs(world, "Leaving", "back") > settings.progressDeadlineMs) return undefined;
  if (routes.canaryBp > 0 || routes.effect.kind !== "effective") {
    return leavingTarget(world, "back", { ...toStable, wish: { kind: "paired", canaryBp: 0 } });
  }
  const waitMs = remainingMs(world, "Leaving", "drained", settings.drainMs);
  if (waitMs > 0) return leavingTarget(world, "drained", { ...toStable, checkAgainInMs: waitMs });
  return leavingTarget(world, "drained", { ...toStable, wish: { kind: "rest" } });
}

function handBack(world: World): Target {
  const { snapshot, stable, settings, replicas, serviceEndpoints } = world;
  const { deployment } = snapshot;
  const target = { deployment: { paused: false, replicas } };
  const handed =
    deployment !== undefined && stable !== undefined && sameTemplate(deployment.spec.template, stable.template);
  const up =
    handed &&
    (deployment.status?.availableReplicas ?? 0) >= replicas &&
    (deployment.status?.updatedReplicas ?? 0) >= replicas &&
    (deployment.status?.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 1) &&
    deployment.spec.paused !== true;
  const late = heldMs(world, "Leaving", "handBack") > settings.progressDeadlineMs;
  if (!up && !late) return leavingTarget(world, "handBack", { ...target, checkAgainInMs: settings.progressDeadlineMs });
  if (world.selects !== "author" && settings.service !== undefined)
    return leavingTarget(world, "unpinned", { ...target, selects: "author" });
  if (serviceEndpoints.foreign === 0 && settings.service !== undefined && !late)
    return leavingTarget(world, "unpinned", { ...target, selects: "author", checkAgainInMs: 1_000 });
  const waitMs = settings.service === undefined ? 0 : remainingMs(world, "Leaving", "unpinned", settings.settleMs);
  if (waitMs > 0) return leavingTarget(world, "unpinned", { ...target, selects: "author", checkAgainInMs: waitMs });
  return leavingTarget(world, "left", { ...target, selects: "author", release: true });
}

function leavingTarget(world: World, mark: string, rest: Partial<Target>): Target {
  const { status } = world;
  return {
    stage: "Leaving",
    mark,
    phase: "Progressing",
    reason: "Deleting",
    message: "putting back what this Rollout changed",
    ...(world.stable === undefined ? {} : { stable: world.stable.hash }),
    ...(status.progress?.canary === undefined ? {} : { canary: status.progress.canary }),
    stepIndex: 0,
    weightBp: 0,
    sizes: {},
    ...rest,
  };
}
