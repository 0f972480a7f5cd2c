import type { Write } from "../plan.ts";
import type { Target } from "./target.ts";
import type { Routers, World } from "./world.ts";
import { markWrites, oldRevisions, recordWrites } from "./writes/records.ts";
import { release, rolloutWrites, takenIn } from "./writes/rollout.ts";
import { canaryServiceWrites, rejectionCleared, routeWrites, serviceWrites } from "./writes/traffic.ts";
import { deploymentWrites, sizeWrites } from "./writes/workload.ts";

/**
 * Says which writes lead from what is to what should be, in the order in which they must happen. It always runs: paused,
 * held and deleting Rollouts are repaired like any other. A breach comes first and in one group; then, going up, capacity
 * before traffic, and going down, traffic before capacity: `decide` has seen to it that a size only falls once its
 * revision has no traffic.
 */
export function converge(target: Target, world: World, routers: Routers): Write[] {
  if (target.phase === "Failed" && target.stage !== "Starting" && Object.keys(target.sizes).length === 0) return [];
  const traffic = [
    ...routeWrites(target, world, routers),
    ...canaryServiceWrites(target, world),
    ...serviceWrites(target, world),
  ];
  const urgent = target.urgent === undefined ? [] : traffic.map((write) => ({ ...write, together: "breach" }));
  const calm = target.urgent === undefined ? traffic : [];
  const kept = takenIn(target, world);
  if (kept.length > 0) return [...urgent, ...rolloutWrites(target, world), ...kept]; // Their sizes and marks come next.
  const { up, down } = sizeWrites(target, world);
  const cleared = rejectionCleared(target, world);
  const { notes, moved } = joined(calm, cleared);
  return [
    ...urgent,
    ...rolloutWrites(target, world),
    ...recordWrites(target, world),
    ...deploymentWrites(target, world),
    ...up,
    ...moved,
    ...down,
    ...markWrites(target, world),
    ...notes,
    ...oldRevisions(target, world),
    ...(cleared.length > 0 ? [] : release(target, world)), // Nothing of ours stays behind.
  ];
}

/** A note is taken away in the write that its object gets anyway. */
function joined(traffic: readonly Write[], cleared: readonly Write[]): { notes: Write[]; moved: Write[] } {
  const moved = traffic.map((write): Write => {
    const note = cleared.find((one) => isSameObject(one, write));
    if (write.verb !== "jsonPatch" || note?.verb !== "jsonPatch") return write;
    return { ...write, operations: [...write.operations, ...note.operations] };
  });
  return { moved, notes: cleared.filter((note) => !traffic.some((write) => isSameObject(write, note))) };
}

function isSameObject(a: Write, b: Write): boolean {
  return "ref" in a && "ref" in b && a.ref.kind === b.ref.kind && a.ref.name === b.ref.name;
}
