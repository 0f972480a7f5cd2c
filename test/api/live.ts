import { expect } from "vitest";
import { parse, stringify } from "yaml";
import type { Cluster } from "../cluster/cluster.ts";
import { GOOD } from "./refused.ts";
import { SERVICE } from "./told.ts";

/** What a Rollout's status says, as far as these tests read it. */
export interface Status {
  readonly phase?: string;
  readonly message?: string;
  readonly stable?: { readonly images: readonly string[] };
  readonly canary?: { readonly revision: string; readonly images: readonly string[] };
  readonly lastRequest?: object;
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
}

type Json = { [key: string]: unknown };

/** RFC 7386, as `kubectl patch --type=merge` does it. */
export function merged(into: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Json = isObject(into) ? { ...into } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `GOOD` with a merge patch, as YAML. */
export function changed(patch: string, metadata: { readonly name?: string; readonly namespace?: string } = {}): string {
  return stringify(merged(merged(parse(GOOD), parse(patch)), { metadata }));
}

/** What a person reads of a status. */
export function told({ phase, message, conditions = [] }: Status): object {
  const find = (type: string) => conditions.find((condition) => condition.type === type);
  return { phase, reason: find("Ready")?.reason, message, stalled: find("Stalled")?.status };
}

/** Rollouts on a real API server, each in a namespace of its own. */
export class Live {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** @throws Error with what kubectl printed */
  async kubectl(namespace: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#cluster.kubectl(["-n", namespace, ...args]);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** Makes a Rollout in a new namespace, with a Service in front. */
  async create(namespace: string, patch = "{}", name = "web"): Promise<void> {
    await this.kubectl("default", "create", "namespace", namespace);
    await this.#cluster.apply(SERVICE, "-n", namespace);
    await this.#cluster.apply(changed(patch, { namespace, name }));
  }

  async deploy(namespace: string, image: string): Promise<void> {
    const operations = [{ op: "replace", path: "/spec/template/spec/containers/0/image", value: image }];
    await this.kubectl(namespace, "patch", "zr", "web", "--type=json", "-p", JSON.stringify(operations));
  }

  async status(namespace: string, name = "web"): Promise<Status> {
    const text = await this.kubectl(namespace, "get", "zr", name, "-o", "jsonpath={.status}");
    return text === "" ? {} : (JSON.parse(text) as Status);
  }

  /** The status once it holds, or what was seen last. */
  async until(
    namespace: string,
    holds: string | ((status: Status) => boolean),
    withinMs: number,
    name = "web",
  ): Promise<Status> {
    const is = typeof holds === "string" ? ({ phase }: Status) => phase === holds : holds;
    return await eventually(() => this.status(namespace, name), is, withinMs);
  }

  async healthy(namespace: string, name = "web"): Promise<Status> {
    const seen = await this.until(namespace, "Healthy", 30_000, name);
    expect(told(seen)).toMatchObject({ phase: "Healthy" });
    return seen;
  }
}

/** Polls until it holds; gives what was seen last. */
export async function eventually<T>(what: () => Promise<T>, holds: (seen: T) => boolean, withinMs: number): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const seen = await what();
    if (holds(seen) || performance.now() > end) return seen;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
