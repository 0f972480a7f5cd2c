import { type JsonPatchOperation, type KubeObject, refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { ANNOTATION_MARK } from "../../core/rollout/names.ts";
import { isOwnedBy } from "../../core/rollout/objects.ts";
import { isKind } from "../../kube/errors.ts";
import type { Resources } from "../../kube/resource.ts";
import { patchStatus } from "../write-status.ts";
import type { NameTaken } from "./make.ts";

/** Sees to it that the next pass names the revision anew: one more collision in status, and no record under the taken name.
 * A revision that was ever promoted or rejected keeps its name, and waits until the name is free.
 * @returns the Rollout as it is now; undefined where the name is waited for
 * @throws ApiError */
export async function countCollision(
  resources: Resources,
  rollout: Rollout,
  { object }: NameTaken,
): Promise<KubeObject | undefined> {
  if (object.kind === "ReplicaSet" && !(await forgetRecord(resources, rollout, object))) return undefined;
  const count = (rollout.status?.collisionCount ?? 0) + 1;
  const counted: JsonPatchOperation =
    rollout.status === undefined
      ? { op: "add", path: "/status", value: { collisionCount: count } }
      : { op: "add", path: "/status/collisionCount", value: count };
  return await patchStatus(resources, rollout, counted);
}

/** A revision that is on record is found by its template, and would be asked for by the same name for ever.
 * @returns whether there is none any more */
async function forgetRecord(resources: Resources, rollout: Rollout, set: KubeObject): Promise<boolean> {
  const ref = { ...refOf(set), kind: "ControllerRevision" };
  try {
    const record = await resources.get<KubeObject>(ref);
    const mine = isOwnedBy(record, rollout.metadata.uid);
    if (!mine || record.metadata.annotations?.[ANNOTATION_MARK] !== undefined) return !mine;
    const { uid = "", resourceVersion = "" } = record.metadata;
    await resources.delete(ref, { uid, resourceVersion });
    return true;
  } catch (error) {
    if (isKind(error, "notFound")) return true;
    throw error;
  }
}
