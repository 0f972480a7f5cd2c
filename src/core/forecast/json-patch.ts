import type { JsonPatchOperation } from "../../api/kubernetes.ts";
import { sameJson } from "../json.ts";

/** A patch that does not fit the document it is applied to; an API server answers it with 422. */
export class PatchError extends Error {
  override name = "PatchError";
}

/** Applies the operations of RFC 6902 that Zenith uses. The document given stays as it was; what no operation touches is
 * shared with it.
 * @throws PatchError where a test fails, or a path leads nowhere */
export function applyPatch<T>(document: T, operations: readonly JsonPatchOperation[]): T {
  const patched = operations.reduce<unknown>((root, operation) => changed(root, keysOf(operation), operation), {
    "": document,
  });
  return (patched as Record<string, T>)[""] as T;
}

function keysOf({ path }: JsonPatchOperation): string[] {
  return path.split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The value with what the operation makes of it at those keys. */
function changed(at: unknown, [key = "", ...rest]: readonly string[], operation: JsonPatchOperation): unknown {
  if (rest.length > 0) return withMember(at, key, changed(read(at, key, operation), rest, operation));
  if (typeof at !== "object" || at === null) throw nowhere(operation);
  switch (operation.op) {
    case "add":
      return added(at, key, operation.value, operation);
    case "replace":
      read(at, key, operation);
      return withMember(at, key, operation.value);
    case "remove":
      read(at, key, operation);
      return without(at, key);
    case "test":
      if (sameJson(read(at, key, operation), operation.value)) return at;
      throw new PatchError(`Test failed: ${operation.path} is not ${JSON.stringify(operation.value)}`);
  }
}

function withMember(at: unknown, key: string, value: unknown): unknown {
  return Array.isArray(at) ? at.with(Number(key), value) : { ...(at as object), [key]: value };
}

function without(at: object, key: string): unknown {
  if (Array.isArray(at)) return at.toSpliced(Number(key), 1);
  const { [key]: _gone, ...rest } = at as Record<string, unknown>;
  return rest;
}

function added(at: object, key: string, value: unknown, operation: JsonPatchOperation): unknown {
  if (!Array.isArray(at)) return { ...at, [key]: value };
  const index = key === "-" ? at.length : Number(key);
  if (!Number.isInteger(index) || index < 0 || index > at.length) throw nowhere(operation);
  return at.toSpliced(index, 0, value);
}

function read(at: unknown, key: string, operation: JsonPatchOperation): unknown {
  if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) throw nowhere(operation);
  return (at as Record<string, unknown>)[key];
}

function nowhere({ op, path }: JsonPatchOperation): PatchError {
  return new PatchError(`Cannot ${op} ${path}: there is no such place`);
}
