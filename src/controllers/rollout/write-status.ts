import { type JsonPatchOperation, refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import type { Resources } from "../../kube/resource.ts";

/** Replaces the status of a Rollout, on the version that was read.
 * @throws ApiError, with kind "conflict" where it has changed since */
export async function writeStatus(resources: Resources, rollout: Rollout, status: unknown): Promise<Rollout> {
  return await patchStatus(resources, rollout, { op: "add", path: "/status", value: status });
}

/** As `writeStatus`, for one part of it. */
export async function patchStatus(
  resources: Resources,
  rollout: Rollout,
  operation: JsonPatchOperation,
): Promise<Rollout> {
  const value = rollout.metadata.resourceVersion ?? "";
  const guard: JsonPatchOperation = { op: "replace", path: "/metadata/resourceVersion", value };
  return await resources.jsonPatch<Rollout>(refOf(rollout), [guard, operation], "status");
}
