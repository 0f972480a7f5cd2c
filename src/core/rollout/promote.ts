import { percent, weightAt } from "../steps.ts";
import { promotedThrough } from "../walk.ts";
import { BOTH_BAD } from "./marks.ts";
import type { Orders } from "./requests.ts";
import { hasRoutes, type Target } from "./target.ts";
import type { World } from "./world.ts";

/**
 * `promote` goes past the wait of the present step. It may come while the weight of that step is being taken in or settles,
 * which nothing cuts short: status remembers up to which step, first 0, waits are passed.
 */

/** Why a `promote` cannot be obeyed yet: what a person would let go past has not begun. */
export function tooEarly({ status, settings, routes }: World): string | undefined {
  const { progress, step } = status;
  if (progress?.stage !== "Stepping" || progress.mark === BOTH_BAD) return undefined;
  const weightBp = weightAt(settings.steps, step?.index ?? 0);
  const reached = hasRoutes(routes) ? routes.canaryBp >= weightBp : progress.stepReady === true;
  if (reached) return undefined;
  return `the canary does not have ${percent(weightBp)} yet; promote once it does, or use promote:full`;
}

/** Whether the wait of a step is passed because a person said so, in this pass or earlier. */
export function isPromoted(world: World, orders: Orders | undefined, stepIndex: number): boolean {
  const through = promotedThrough(world.settings.steps, world.status, orders?.promote === true);
  return through !== undefined && stepIndex <= through;
}

/** What status is to remember: nothing once the release went past the step, or where the canary gave its weight back. */
export function rememberedPromote(world: World, target: Target, orders: Orders | undefined): number | undefined {
  const through = promotedThrough(world.settings.steps, world.status, orders?.promote === true);
  if (target.stage !== "Stepping" || target.stepReady !== true || through === undefined) return undefined;
  const { wish } = target;
  const canaryBp = wish === undefined ? world.routes.canaryBp : wish.kind === "paired" ? wish.canaryBp : 0;
  const gaveBack = hasRoutes(world.routes) && canaryBp < target.weightBp;
  return target.stepIndex > through || gaveBack ? undefined : through;
}
