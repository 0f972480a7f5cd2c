import type { JsonPatchOperation } from "../../../api/kubernetes.ts";
import type { Write } from "../../plan.ts";
import { FINALIZER, LABEL_ROLLOUT, labelValue } from "../names.ts";
import { isOwnedBy, ownersOf } from "../objects.ts";
import type { Target } from "../target.ts";
import type { World } from "../world.ts";
import { patch, remove } from "./patch.ts";

/** Writes to the Rollout itself: its finalizer, and its size where that is left out. */

/** What must stand in the Rollout before anything else is touched: our finalizer, and the size, which `/scale` and
 * autoscalers start from. */
export function rolloutWrites(target: Target, world: World): Write[] {
  if (target.stage === "Leaving") return [];
  const { finalizers } = world.rollout.metadata;
  const held = finalizers?.includes(FINALIZER) === true;
  const sized = world.settings.replicas !== undefined || target.phase === "Failed";
  const operations: JsonPatchOperation[] = [
    ...(held ? [] : [finalizerAdded(finalizers)]),
    ...(sized ? [] : [{ op: "add" as const, path: "/spec/replicas", value: world.askedReplicas }]),
  ];
  if (operations.length === 0) return [];
  const why = held
    ? `write down the size ${world.askedReplicas}`
    : "hold the Rollout until what it changes is put back";
  return [patch(world.rollout, operations, why, ["/spec/replicas"])];
}

function finalizerAdded(finalizers: readonly string[] | undefined): JsonPatchOperation {
  return finalizers === undefined
    ? { op: "add", path: "/metadata/finalizers", value: [FINALIZER] }
    : { op: "add", path: "/metadata/finalizers/-", value: FINALIZER };
}

export function release(target: Target, world: World): Write[] {
  const index = world.rollout.metadata.finalizers?.indexOf(FINALIZER) ?? -1;
  if (target.release !== true || index === -1) return [];
  const path = `/metadata/finalizers/${index}`;
  const keeps = world.settings.onDelete === "keep" || target.keepPods === true;
  return [
    ...(keeps ? keepOrphans(world) : removeShared(world)),
    patch(
      world.rollout,
      [
        { op: "test", path, value: FINALIZER },
        { op: "remove", path },
      ],
      "let the Rollout go",
    ),
  ];
}

/** `keep`: no owner reference stays, so nothing of ours is collected with the Rollout. */
function keepOrphans(world: World): Write[] {
  const { replicaSets, revisions } = world.snapshot;
  const ours = [...replicaSets, ...revisions].filter((object) => isOwnedBy(object, world.rollout.metadata.uid));
  return ours.map((object) =>
    "spec" in object && object.spec.replicas === 0
      ? remove(object, `remove the empty ReplicaSet ${object.metadata.name}`)
      : patch(object, [{ op: "remove", path: "/metadata/ownerReferences" }], "keep the pods when the Rollout goes"),
  );
}

/** What has the Deployment as another owner does not go with the Rollout by itself. */
function removeShared(world: World): Write[] {
  const { uid } = world.rollout.metadata;
  return world.snapshot.replicaSets
    .filter(({ metadata: { ownerReferences = [] } }) => {
      const others = ownerReferences.filter((owner) => owner.uid !== uid);
      return others.length > 0 && others.every((owner) => owner.controller !== true);
    })
    .map((set) => remove(set, `remove ReplicaSet ${set.metadata.name}`));
}

/** What an earlier Rollout of this name kept, taken in again: ours, and without an owner. */
export function takenIn(target: Target, world: World): Write[] {
  if (target.stage === "Leaving") return [];
  const { replicaSets, revisions } = world.snapshot;
  const orphans = [...replicaSets, ...revisions].filter(
    ({ metadata }) =>
      metadata.labels?.[LABEL_ROLLOUT] === labelValue(world.name) &&
      metadata.deletionTimestamp === undefined &&
      metadata.ownerReferences?.some((owner) => owner.controller === true) !== true,
  );
  return orphans.map((object) =>
    patch(object, [{ op: "add", path: "/metadata/ownerReferences", value: ownersOf(world) }], "take in what was kept"),
  );
}
