import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { startOperator } from "../cluster/operator.ts";
import type { Running } from "../cluster/processes.ts";
import { GOOD, REFUSED } from "./refused.ts";
import { TOLD, type Told } from "./told.ts";

/** The ninety inputs that must be got right, as far as they are Rollouts, on a real API server. */
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.apply(await crd());
  await cluster.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
});

afterAll(async () => await cluster?.stop());

async function crd(): Promise<string> {
  const { stdout } = await cluster.kubectl(["kustomize", "crds"]);
  return stdout;
}

type Json = { [key: string]: unknown };

/** RFC 7386, as `kubectl patch --type=merge` does it. */
function merged(into: unknown, patch: unknown): unknown {
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

/** A Rollout that exists, and what must not be changed about it. */
const LIVE: readonly { number: number; what: string; patch: string; path: string; says: string }[] = [
  {
    number: 15,
    what: "another selector",
    patch: "spec: {selector: {matchLabels: {tier: web}}, template: {metadata: {labels: {tier: web}}}}",
    path: "spec.selector",
    says: "is immutable, as in a Deployment; delete the Rollout with onDelete keep and make it anew",
  },
  {
    number: 49,
    what: "a template instead of a Deployment",
    patch: "spec: {selector: null, template: null, workloadRef: {kind: Deployment, name: web}}",
    path: "spec",
    says: "cannot change between workloadRef and template",
  },
];

function changed(patch: string, metadata: { readonly name?: string; readonly namespace?: string } = {}): string {
  return stringify(merged(merged(parse(GOOD), parse(patch)), { metadata }));
}

describe("admission", () => {
  test("takes the Rollout that all others differ from", async () => {
    const { code, stderr } = await cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { input: GOOD });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  test.each(REFUSED)("refuses $number: $what", async ({ patch, path, says }) => {
    const { code, stderr } = await cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { input: changed(patch) });
    expect(code, `kubectl took it: ${stderr}`).not.toBe(0);
    expect(stderr).toContain(path);
    if (typeof says === "string") expect(stderr).toContain(says);
    else expect(stderr).toMatch(says);
  });

  describe("of changes", () => {
    const referencing = (name: string) =>
      changed(
        `{metadata: {name: referencing}, spec: {selector: null, template: null, workloadRef: {kind: Deployment, name: ${name}}}}`,
      );
    beforeAll(async () => {
      await cluster.apply(changed("metadata: {name: live}"));
      await cluster.apply(referencing("old"));
    });

    test.each(LIVE)("refuses $number: $what", async ({ patch, path, says }) => {
      const input = changed(patch, { name: "live" });
      const { stderr } = await cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { input });
      expect(stderr).toContain(`${path}: Invalid value`);
      expect(stderr).toContain(says);
    });

    test("refuses 49: another Deployment", async () => {
      const { stderr } = await cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { input: referencing("new") });
      expect(stderr).toContain("spec.workloadRef: Invalid value");
      expect(stderr).toContain("the name is immutable; delete the Rollout, which hands the Deployment back");
    });
  });
});

interface Status {
  readonly phase?: string;
  readonly message?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
}

async function statusOf(namespace: string, name = "web"): Promise<Status> {
  const { stdout } = await cluster.kubectl(["-n", namespace, "get", "zr", name, "-o", "jsonpath={.status}"]);
  return stdout === "" ? {} : (JSON.parse(stdout) as Status);
}

function told({ phase, message, conditions = [] }: Status): object {
  const find = (type: string) => conditions.find((condition) => condition.type === type);
  return { phase, reason: find("Ready")?.reason, message, stalled: find("Stalled")?.status };
}

/** Polls until it holds, or fails with what was seen last. */
async function eventually<T>(what: () => Promise<T>, holds: (seen: T) => boolean, withinMs: number): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const seen = await what();
    if (holds(seen) || performance.now() > end) return seen;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("conditions", () => {
  let operator: Running | undefined;
  beforeAll(async () => {
    await cluster.applyGatewayApi();
    const { url } = await cluster.startPrometheus(); // It has nothing to say.
    operator = await startOperator(cluster, [`--prometheus-url=${url}`]);
  });
  afterAll(async () => await operator?.stop());

  const rows = TOLD.map((row, i): Told & { namespace: string } => ({ ...row, namespace: `told-${row.number}-${i}` }));
  test.each(rows)("tell of $number: $what", async ({ namespace, objects, before = [], patch = "{}", reason, says }) => {
    await cluster.kubectl(["create", "namespace", namespace]);
    if (objects !== undefined) await cluster.apply(objects, "-n", namespace);
    for (const args of before) {
      const { code, stderr } = await cluster.kubectl(["-n", namespace, ...args.map((a) => inside(a, namespace))]);
      expect({ code, stderr }).toMatchObject({ code: 0 });
    }
    await cluster.apply(changed(patch, { namespace }));
    const seen = await eventually(
      () => statusOf(namespace),
      ({ phase }) => phase === "Failed",
      5_000,
    );
    expect(told(seen)).toEqual({
      phase: "Failed",
      reason,
      message: expect.stringContaining(inside(says, namespace)),
      stalled: "True",
    });
  });
});

function inside(text: string, namespace: string): string {
  return text.replaceAll("NAMESPACE", namespace);
}
