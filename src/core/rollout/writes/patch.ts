import { type JsonPatchOperation, type KubeObject, refOf } from "../../../api/kubernetes.ts";
import type { Write } from "../../plan.ts";
import { ANNOTATION_REJECTED } from "../names.ts";
import type { Rejection } from "../target.ts";

/** How a single write is said: JSON patches that rest on the version read, and annotations. */

export function patch(
  object: KubeObject,
  operations: readonly JsonPatchOperation[],
  why: string,
  shared?: readonly string[],
  lasting = false,
): Write {
  return {
    verb: "jsonPatch",
    ref: refOf(object),
    operations,
    resourceVersion: object.metadata.resourceVersion ?? "",
    why,
    ...(shared === undefined ? {} : { shared }),
    ...(lasting ? { lasting } : {}),
  };
}

export function remove(object: KubeObject, why: string): Write {
  return {
    verb: "delete",
    ref: refOf(object),
    uid: object.metadata.uid ?? "",
    resourceVersion: object.metadata.resourceVersion ?? "",
    why,
  };
}

export function rejectionNote(object: KubeObject, urgent: Rejection | undefined): JsonPatchOperation[] {
  if (urgent === undefined) return [];
  const { revision, reason, message } = urgent;
  return annotate(object, { [ANNOTATION_REJECTED]: `${revision} ${reason} ${message}`.slice(0, 2048) });
}

export function setAnnotation(object: KubeObject, key: string, value: string): Record<string, string> {
  return object.metadata.annotations?.[key] === value ? {} : { [key]: value };
}

export function removeAnnotation(object: KubeObject, key: string): Record<string, undefined> {
  return object.metadata.annotations?.[key] === undefined ? {} : { [key]: undefined };
}

/** Two lots of annotation changes on one object must not both make the map. */
export function mergeAnnotations(
  object: KubeObject,
  changes: Record<string, string | undefined>,
  note: readonly JsonPatchOperation[],
): JsonPatchOperation[] {
  const own = annotate(object, changes);
  if (own.length === 0) return [...note];
  return [...own, ...note.filter((op) => op.path !== "/metadata/annotations")];
}

export function annotate(object: KubeObject, changes: Record<string, string | undefined>): JsonPatchOperation[] {
  const present = object.metadata.annotations;
  const operations: JsonPatchOperation[] = [];
  for (const [key, value] of Object.entries(changes)) {
    const path = `/metadata/annotations/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (value !== undefined) operations.push({ op: "add", path, value });
    else if (present?.[key] !== undefined) operations.push({ op: "remove", path });
  }
  if (operations.length === 0 || present !== undefined) return operations;
  return [{ op: "add", path: "/metadata/annotations", value: {} }, ...operations];
}
