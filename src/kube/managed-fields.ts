import type { JsonPatchOperation, KubeObject, ManagedFieldsEntry } from "../api/kubernetes.ts";

/** What kubectl and others leave who apply client-side. */
const CLIENT_SIDE = "kubectl.kubernetes.io/last-applied-configuration";

export interface Disowned {
  /** JSON pointers of what we wrote, such as `/spec/rules`. */
  readonly shared: readonly string[];
  /** It stands at rest too, as a route's rules do not. */
  readonly lasting: boolean;
}

/**
 * Lists that are atomic and a Service's selector have one owner: once we have patched them, an unforced server-side apply of
 * their author would conflict with us. So our entry leaves managedFields for the given paths where someone has applied the object.
 * One who applies client-side meets nobody's entry, so a passing change costs no second patch there; what stands at rest does,
 * as the author's first server-side apply would meet it.
 * @param object as the API server answered our patch, managedFields included
 * @returns the second patch, or nothing where there is no need
 */
export function disownOperations(
  object: KubeObject,
  manager: string,
  { shared, lasting }: Disowned,
): JsonPatchOperation[] {
  const entries = object.metadata.managedFields ?? [];
  const applied = entries.some((entry) => entry.operation === "Apply" && entry.manager !== manager);
  if (!applied && !(lasting && object.metadata.annotations?.[CLIENT_SIDE] !== undefined)) return [];
  const kept = entries.flatMap((entry) =>
    entry.manager === manager && entry.operation === "Update" && entry.subresource === undefined
      ? without(entry, shared)
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
