import { type JsonPatchOperation, type KubeObject, refOf } from "../api/kubernetes.ts";
import type { Resources } from "../kube/resource.ts";

/** Replaces the status of an object, on the version that was read.
 * @throws ApiError, with kind "conflict" where it has changed since */
export async function writeStatus<T extends KubeObject>(resources: Resources, object: T, status: unknown): Promise<T> {
  return await patchStatus(resources, object, { op: "add", path: "/status", value: status });
}

/** As `writeStatus`, for one part of it. */
export async function patchStatus<T extends KubeObject>(
  resources: Resources,
  object: T,
  operation: JsonPatchOperation,
): Promise<T> {
  const value = object.metadata.resourceVersion ?? "";
  const guard: JsonPatchOperation = { op: "replace", path: "/metadata/resourceVersion", value };
  return await resources.jsonPatch<T>(refOf(object), [guard, operation], { subresource: "status" });
}
