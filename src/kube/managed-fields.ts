import type { JsonPatchOperation, KubeObject, ManagedFieldsEntry } from "../api/kubernetes.ts";

/**
 * Lists that are atomic and a Service's selector have one owner: once we have patched them, an unforced server-side apply of
 * their author would conflict with us. So our entry leaves managedFields for the given paths where someone has applied the object.
 * @param object as the API server answered our patch, managedFields included
 * @param paths JSON pointers of what we wrote, such as `/spec/rules`
 * @returns the second patch, or nothing where there is no need
 */
export function disownOperations(object: KubeObject, manager: string, paths: readonly string[]): JsonPatchOperation[] {
  const entries = object.metadata.managedFields ?? [];
  const applied = entries.some((entry) => entry.operation === "Apply" && entry.manager !== manager);
  if (!applied) return [];
  const kept = entries.flatMap((entry) =>
    entry.manager === manager && entry.operation === "Update" && entry.subresource === undefined
      ? without(entry, paths)
      : [entry],
  );
  if (JSON.stringify(kept) === JSON.stringify(entries)) return [];
  return [
    { op: "replace", path: "/metadata/resourceVersion", value: object.metadata.resourceVersion ?? "" },
    { op: "replace", path: "/metadata/managedFields", value: kept },
  ];
}

function without(entry: ManagedFieldsEntry, paths: readonly string[]): ManagedFieldsEntry[] {
  let fields: Fields = entry.fieldsV1 as Fields;
  for (const path of paths) fields = drop(fields, path.split("/").slice(1)) ?? {};
  return Object.keys(fields).length === 0 ? [] : [{ ...entry, fieldsV1: fields }];
}

type Fields = { readonly [key: string]: Fields };

function drop(fields: Fields, path: readonly string[]): Fields | undefined {
  const [first = "", ...rest] = path;
  const key = `f:${first}`;
  const { [key]: inner, ...others } = fields;
  if (inner === undefined) return fields;
  const smaller = rest.length === 0 ? undefined : drop(inner, rest);
  const next = smaller === undefined || Object.keys(smaller).length === 0 ? others : { ...others, [key]: smaller };
  return next;
}
