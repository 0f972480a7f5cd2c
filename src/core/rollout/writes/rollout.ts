import type { JsonPatchOperation } from "../../../api/kubernetes.ts";
import type { Write } from "../../plan.ts";
import { FINALIZER } from "../names.ts";
import { isOwnedBy } from "../objects.ts";
import type { Target } from "../target.ts";
import type { World } from "../world.ts";
import { patch } from "./patch.ts";

/** Writes to the Rollout itself: its finalizer, and its size where that is left out. */

export function finalizerWrites(target: Target, world: World): Write[] {
  const { metadata } = world.rollout;
  if (target.stage === "Leaving" || metadata.finalizers?.includes(FINALIZER) === true) return [];
  const operations: JsonPatchOperation[] =
    metadata.finalizers === undefined
      ? [{ op: "add", path: "/metadata/finalizers", value: [FINALIZER] }]
      : [{ op: "add", path: "/metadata/finalizers/-", value: FINALIZER }];
  return [patch(world.rollout, operations, "hold the Rollout until what it changes is put back")];
}

/** `/scale` needs a size to stand in the spec: where it is left out, the last one is written. */
export function replicasWrite(target: Target, world: World): Write[] {
  if (world.settings.replicas !== undefined || target.stage === "Leaving" || target.phase === "Failed") return [];
  return [
    patch(
      world.rollout,
      [{ op: "add", path: "/spec/replicas", value: world.replicas }],
      `write down the size ${world.replicas} that autoscalers start from`,
    ),
  ];
}

export function release(target: Target, world: World): Write[] {
  const index = world.rollout.metadata.finalizers?.indexOf(FINALIZER) ?? -1;
  if (target.release !== true || index === -1) return [];
  const path = `/metadata/finalizers/${index}`;
  const orphans = world.settings.onDelete === "keep" ? keepOrphans(world) : [];
  return [
    ...orphans,
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
  return [...replicaSets, ...revisions]
    .filter((object) => isOwnedBy(object, world.rollout.metadata.uid))
    .map((object) =>
      patch(object, [{ op: "remove", path: "/metadata/ownerReferences" }], "keep the pods when the Rollout goes"),
    );
}
