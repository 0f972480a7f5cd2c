import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCrds, startOperator } from "../cluster/playground.ts";
import { KubectlZenith } from "./kubectl-zenith.ts";

/** What `preflight` finds in a real cluster, and with how few rights. */
let cluster: Cluster;
let zenith: KubectlZenith;

const WEB = `
apiVersion: zenith.sh/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: "web:v1"
        env: [{name: LEVEL, valueFrom: {configMapKeyRef: {name: settings, key: level}}}]
  analysis: {disabled: true}
  gates:
  - tests: {configMap: {name: ci}}
  - flags: {selector: {}}
`;

beforeAll(async () => {
  cluster = await startCluster({ users: [{ name: "reader" }] });
  await applyCrds(cluster);
  zenith = await KubectlZenith.install(cluster);
  await startOperator(cluster, ["--gates"]);
  await cluster.apply(WEB);
  for (const [name, role] of [
    ["zenith", "view"],
    ["leases", "leases"],
  ] as const)
    await cluster.kubectl(["create", "clusterrolebinding", name, `--clusterrole=${role}`, "--user=reader"]);
}, 1_200_000);

afterAll(async () => {
  zenith?.uninstall();
  await cluster?.stop();
});

test("says what is missing, each with what to do, and ends with 1", async () => {
  const { code, stdout } = await zenith.run(["preflight", "web"]);
  expect(stdout).toMatch(/^✖ tests\n {4}→ ConfigMap "ci" with the label zenith\.sh\/gate does not exist/);
  expect(stdout).toContain("◌ coverage        not asked for: spec.gates has no gate of coverage\n");
  expect(stdout).toMatch(/✖ flags\n {4}→ no FeatureFlag matches/);
  expect(stdout).toContain('    → ConfigMap "settings" does not exist (container web, env LEVEL); create it\n');
  expect(stdout).toMatch(/✔ environment {5}definitions installed, operator \S+ in default, your rights suffice/);
  expect(stdout).toMatch(/\n2\/5, of which 1 not asked for\n$/);
  expect(code).toBe(1);
});

test("is 5/5 once all of it is mended", async () => {
  await cluster.apply([
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { level: "info" } },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "ci", labels: { "zenith.sh/gate": "true" } },
      data: { "summary.json": '{"passed": 98, "failed": 2}' },
    },
    {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "FeatureFlag",
      metadata: { name: "banner" },
      spec: { strategy: { allAtOnce: { variant: "on" } } },
    },
  ]);
  for (const end = performance.now() + 30_000; ; ) {
    const { code, stdout } = await zenith.run(["preflight", "web"]);
    if (code === 0 || performance.now() > end) {
      expect(stdout).toMatch(/^✔ tests {11}98 % \(98 of 100\), wanted: at least 95 % of the tests pass\n/);
      expect(stdout).toMatch(/\n5\/5, of which 1 not asked for\n$/);
      break;
    }
  }
});

test("does not take for granted what its reader may not see", async () => {
  const { code, stderr, stdout } = await zenith.run(["preflight", "web"], { user: "reader" });
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(/forbidden|you may not/);
});
