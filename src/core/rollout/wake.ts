import { WAKING, ZERO } from "./marks.ts";
import { seenMs } from "./target.ts";
import type { World } from "./world.ts";

/** Whether what rests comes up after `replicas` was 0: a bake stands still until a pod was ready once, within the progress
 * deadline. Until then none was lost, as none was there. */
export function isWaking(world: World): boolean {
  const { progress } = world.status;
  const slept = progress?.mark === ZERO || progress?.mark === WAKING;
  const comesUp = progress?.stage === "Resting" && world.replicas > 0 && world.stable?.ready === 0;
  return slept && comesUp && seenMs(world, "Resting", WAKING) < world.settings.progressDeadlineMs;
}
