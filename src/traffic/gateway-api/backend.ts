import type { BackendRef } from "../../api/kubernetes.ts";

/** Whether an entry leads to the Service of that name beside the route. */
export function leadsTo(ref: BackendRef, service: string, routeNamespace: string): boolean {
  return (
    ref.name === service &&
    (ref.kind ?? "Service") === "Service" &&
    (ref.group ?? "") === "" &&
    (ref.namespace ?? routeNamespace) === routeNamespace
  );
}

/** An absent weight is 1. */
export function weightOf(ref: BackendRef | undefined): number {
  return ref?.weight ?? 1;
}

/** Tells the entries of a rule apart wherever they stand: `web:80`, `Bucket/web`, `other/web:80`; one that is named again is
 * `web:80#2`. */
export function keysOf(refs: readonly BackendRef[]): string[] {
  const seen = new Map<string, number>();
  return refs.map((ref) => {
    const key = keyOf(ref);
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return count === 1 ? key : `${key}#${count}`;
  });
}

function keyOf({ kind = "Service", namespace, name, port }: BackendRef): string {
  const where = namespace === undefined ? "" : `${namespace}/`;
  return `${kind === "Service" ? "" : `${kind}/`}${where}${name}${port === undefined ? "" : `:${port}`}`;
}
