import type { PassingRequest } from "../cluster/request-proxy.ts";

/** What stands behind a count of writes: each of them with what it changed, in the order in which they were sent.
 * @returns one line a write: milliseconds since the first, kind, and the paths that it changed with their new values */
export function listWrites(writes: readonly PassingRequest[]): string[] {
  const startMs = writes[0]?.sentMs ?? 0;
  const statuses = new Map<string, Leaves>();
  return writes.map(({ method, path, body, sentMs }) => {
    const at = `${(sentMs - startMs).toFixed(0).padStart(6)} ms  ${kindOf(path).padEnd(20)}`;
    if (!path.includes("/status")) return `${at} ${method} ${briefly(operationsOf(body))}`;
    const next = leavesOf(statusOf(body));
    const before = statuses.get(path) ?? new Map();
    statuses.set(path, next);
    return `${at} ${differences(before, next).join("; ")}`;
  });
}

/** The kind of object that a write is about: its plural, or `status`. */
export function kindOf(path: string): string {
  if (path.includes("/status")) return "status";
  const found = /\/(?:namespaces\/[^/]+\/)?([a-z]+)(?:\/[^/]+)?(?:\?|$)/.exec(path.replace(/^\/apis?/, ""));
  return found?.[1] ?? path;
}

type Leaves = ReadonlyMap<string, string>;

function leavesOf(value: unknown, path = ""): Map<string, string> {
  if (typeof value !== "object" || value === null) return new Map([[path, JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [...leavesOf(inner, path === "" ? key : `${path}.${key}`)]),
  );
}

function differences(before: Leaves, next: Leaves): string[] {
  const said = [...next]
    .filter(([path, value]) => before.get(path) !== value)
    .map(([path, value]) => `${path}=${value}`);
  return [...said, ...[...before.keys()].filter((path) => !next.has(path)).map((path) => `-${path}`)];
}

function parsed(body: string): unknown {
  return JSON.parse(body === "" ? "null" : body);
}

function statusOf(body: string): unknown {
  const operations = parsed(body) as { path: string; value?: unknown }[];
  return operations.find(({ path }) => path === "/status")?.value;
}

function operationsOf(body: string): unknown {
  const operations = parsed(body);
  if (!Array.isArray(operations)) return operations;
  return operations
    .filter(({ path }) => path !== "/metadata/resourceVersion")
    .map(({ op: _op, path, value }) => [path, value]);
}

function briefly(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
