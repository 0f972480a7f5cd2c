import type { Situation } from "./decide.ts";
import { promotedAs } from "./rest.ts";
import { heldMs, remainingMs, type Target } from "./target.ts";
import type { World } from "./world.ts";

/**
 * The hand-over, at weight 100. Never two of these in one pass:
 *
 *     service selects the new revision ─▶ its slices hold only new pods, as many as the canary Service's ─▶ settle
 *       ─▶ weight 100 → 0 ─▶ effective ─▶ drain ─▶ fold ─▶ effective ─▶ promoted
 */
export function handingOver({ world }: Situation): Target | undefined {
  const { status, canary, stable, routes, settings } = world;
  if (status.progress?.stage !== "HandingOver" || canary === undefined || stable === undefined) return undefined;
  if (routes.problem !== undefined)
    return {
      ...handOverTarget(world, "held"),
      reason: routes.problem.reason,
      message: `holding the hand-over: ${routes.problem.message}`,
      checkAgainInMs: 5_000,
    };
  // Whatever the weights are: from here on all ways lead by the Service.
  if (world.selects !== canary.hash) return handOverTarget(world, "selecting");
  if (!arrived(world))
    return { ...handOverTarget(world, "selecting"), message: "waiting until the Service leads only to the new pods" };
  if ((routes.state === "paired" && routes.canaryBp > 0) || routes.state === "mixed") return lowerPair(world);
  const draining = heldMs(world, "HandingOver", "drained") > 0;
  if (routes.effect.kind !== "effective")
    return {
      ...handOverTarget(world, draining ? "drained" : "lowered"),
      message: "waiting for the routes to take the hand-over in",
    };
  // Also where somebody else has taken the pair away: what it led to has its time to drain.
  const waitMs = remainingMs(world, "HandingOver", "drained", settings.drainMs);
  if (waitMs > 0) return { ...handOverTarget(world, "drained"), checkAgainInMs: waitMs };
  if (routes.state === "paired") return { ...handOverTarget(world, "drained"), wish: { kind: "rest" } };
  return { ...promotedAs(world, canary), sizes: { [canary.hash]: world.replicas, [stable.hash]: stable.size } };
}

/** No old pod is left behind the Service, and every pod that got the canary's traffic is there. */
function arrived({ serviceEndpoints, canaryEndpoints, canary }: World): boolean {
  const own = serviceEndpoints.byRevision.get(canary?.hash ?? "") ?? 0;
  if (own === 0 || own !== serviceEndpoints.pods.size) return false;
  return [...canaryEndpoints.pods].every((pod) => serviceEndpoints.pods.has(pod));
}

function lowerPair(world: World): Target {
  const waitMs = remainingMs(world, "HandingOver", "arrived", world.settings.settleMs);
  const target = handOverTarget(world, "arrived");
  if (waitMs > 0) return { ...target, checkAgainInMs: waitMs };
  return { ...target, mark: "lowered", wish: { kind: "paired", canaryBp: 0 } };
}

export function handOverTarget(world: World, mark: string): Target {
  const { stable, replicas, status, settings } = world;
  const canary = status.progress?.canary ?? "";
  return {
    stage: "HandingOver",
    mark,
    phase: "Progressing",
    reason: "HandingOver",
    message: `handing over to revision ${canary}`,
    ...(stable === undefined ? {} : { stable: stable.hash }),
    canary,
    ...(status.progress?.previous === undefined ? {} : { previous: status.progress.previous }),
    stepIndex: settings.steps.length - 1,
    stepReady: true,
    weightBp: 10_000,
    selects: canary,
    canarySelects: canary,
    sizes: { [canary]: replicas, ...(stable === undefined ? {} : { [stable.hash]: replicas }) },
  };
}
