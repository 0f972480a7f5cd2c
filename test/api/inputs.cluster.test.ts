import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { GOOD, REFUSED } from "./refused.ts";

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

function changed(patch: string): string {
  return stringify(merged(parse(GOOD), parse(patch)));
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
      const input = changed(`metadata: {name: live}\n${patch}`);
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
