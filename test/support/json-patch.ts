import { isDeepStrictEqual } from "node:util";
import type { JsonPatchOperation } from "../../src/api/kubernetes.ts";

/** A patch that does not fit the document it is applied to; an API server answers it with 422. */
export class PatchError extends Error {
  override name = "PatchError";
}

type Parent = Record<string, unknown> | unknown[];

/** Applies the operations of RFC 6902 that Zenith uses. The document given stays as it was.
 * @throws PatchError where a test fails, or a path leads nowhere */
export function applyPatch<T>(document: T, operations: readonly JsonPatchOperation[]): T {
  const root: Record<string, unknown> = { "": structuredClone(document) };
  for (const operation of operations) apply(root, operation);
  return root[""] as T;
}

function apply(root: Record<string, unknown>, operation: JsonPatchOperation): void {
  const keys = operation.path.split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = keys.pop() as string;
  const parent = keys.reduce<unknown>((at, key) => read(at, key, operation), root);
  if (typeof parent !== "object" || parent === null) throw nowhere(operation);
  const at = parent as Parent;
  switch (operation.op) {
    case "add":
      add(at, last, structuredClone(operation.value), operation);
      return;
    case "replace":
      read(at, last, operation);
      (at as Record<string, unknown>)[last] = structuredClone(operation.value);
      return;
    case "remove":
      read(at, last, operation);
      if (Array.isArray(at)) at.splice(Number(last), 1);
      else delete at[last];
      return;
    case "test":
      if (!isDeepStrictEqual(read(at, last, operation), operation.value))
        throw new PatchError(`Test failed: ${operation.path} is not ${JSON.stringify(operation.value)}`);
  }
}

function add(at: Parent, key: string, value: unknown, operation: JsonPatchOperation): void {
  if (!Array.isArray(at)) {
    at[key] = value;
    return;
  }
  const index = key === "-" ? at.length : Number(key);
  if (!Number.isInteger(index) || index < 0 || index > at.length) throw nowhere(operation);
  at.splice(index, 0, value);
}

function read(at: unknown, key: string, operation: JsonPatchOperation): unknown {
  if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) throw nowhere(operation);
  return (at as Record<string, unknown>)[key];
}

function nowhere({ op, path }: JsonPatchOperation): PatchError {
  return new PatchError(`Cannot ${op} ${path}: there is no such place`);
}
