import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCrds, startOperator } from "../cluster/playground.ts";

/** Staging, then production, with gates, on a real API server; pods by kwok, and short times. */
let cluster: Cluster;

const rollout = (namespace: string, image: string, gates: string) => `
apiVersion: zenith.sh/v1alpha1
kind: Rollout
metadata: {name: web, namespace: ${namespace}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "${image}"}]}
  strategy: {canary: {steps: [{weight: 50}, {pause: {for: 1s}}], settle: 0s, drain: 0s, scaleDownDelay: 0s}}
  analysis: {disabled: true}
  bake: 1s
  gates: ${gates}
`;
const GATES = `
  - tests: {configMap: {name: ci}}
  - rollout: {namespace: staging, name: web, for: 20s}
  - flags: {selector: {}}
  - approval: {}`;

beforeAll(async () => {
  cluster = await startCluster();
  await applyCrds(cluster);
  for (const namespace of ["staging", "production"]) await kubectl("create", "namespace", namespace);
  await startOperator(cluster, ["--gates"]);
  await cluster.apply(`${rollout("staging", "web:v1", "[]")}---${rollout("production", "web:v1", GATES)}`);
  for (const namespace of ["staging", "production"])
    await until(async () => (await status(namespace)).phase === "Healthy");
}, 1_200_000);

afterAll(async () => await cluster?.stop());

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

interface Status {
  readonly phase?: string;
  readonly message?: string;
  readonly wanted?: { readonly revision: string };
  readonly stable?: { readonly images: readonly string[] };
  readonly gates?: readonly { readonly kind: string; readonly open: boolean; readonly message: string }[];
}

async function status(namespace = "production"): Promise<Status> {
  return JSON.parse(await kubectl("get", "zr", "web", "-n", namespace, "-o", "json")).status ?? {};
}

/** What the gate of a kind says. */
async function gate(kind: string): Promise<string> {
  const found = (await status()).gates?.find((one) => one.kind === kind);
  return `${found?.open === true ? "open" : "closed"}: ${found?.message}`;
}

async function until(isThere: () => Promise<boolean>, patienceMs = 60_000): Promise<void> {
  for (const end = performance.now() + patienceMs; !(await isThere()); ) {
    if (performance.now() > end) throw new Error(`In vain; production says ${JSON.stringify(await status())}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function says(kind: string, text: string): Promise<void> {
  await until(async () => (await gate(kind)).includes(text));
}

async function results(passed: number, failed: number, image: string): Promise<void> {
  await cluster.apply({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "ci",
      namespace: "production",
      labels: { "zenith.sh/gate": "true" },
      annotations: { "zenith.sh/image": image },
    },
    data: { "summary.json": JSON.stringify({ passed, failed }) },
  });
}

describe("a release of production", () => {
  test("starts nothing while its gates are closed, each of which says why", async () => {
    await cluster.apply(rollout("production", "web:v2", GATES));
    await says("tests", 'closed: ConfigMap "ci" with the label zenith.sh/gate does not exist');
    await says("rollout", 'closed: Rollout "staging/web" must name production/web in its annotation');
    await says("flags", "closed: no FeatureFlag matches");
    expect(
      await kubectl("get", "pods", "-n", "production", "-o", "jsonpath={.items[*].spec.containers[0].image}"),
    ).toBe("web:v1 web:v1");
  });

  test("opens each by itself as what it looks at is mended", async () => {
    await results(100, 0, "web:v1");
    await says("tests", 'closed: ConfigMap "ci" has the results of web:v1');
    await results(90, 10, "web:v2");
    await says("tests", "closed: 90 % (90 of 100) of the tests passed");
    await results(98, 2, "web:v2");
    await says("tests", "open: 98 % (98 of 100)");
    await cluster.apply({
      apiVersion: "zenith.sh/v1alpha1",
      kind: "FeatureFlag",
      metadata: { name: "banner", namespace: "production" },
      spec: { strategy: { allAtOnce: { variant: "on" } } },
    });
    await says("flags", "open: 1 flag, all valid");
    await kubectl("annotate", "zr", "web", "-n", "staging", "zenith.sh/promotes-to=production/web");
    await says("rollout", 'closed: Rollout "staging/web" does not serve web:v2');
    await cluster.apply(rollout("staging", "web:v2", "[]"));
    await says("rollout", "which is long enough at");
    await says("rollout", 'open: Rollout "staging/web" is ');
  });

  test("begins once a person approves, and is promoted", async () => {
    await until(async () => (await status()).phase === "Paused");
    const { wanted, message } = await status();
    expect(message).toBe("waiting for approval before the first step; promote to begin");
    await kubectl("annotate", "zr", "web", "-n", "production", `zenith.sh/request=promote@${wanted?.revision}#1`);
    await until(async () => (await status()).phase === "Healthy");
    const { stable, gates } = await status();
    expect(stable?.images).toEqual(["web:v2"]);
    expect(gates?.map(({ kind, open }) => [kind, open])).toEqual([
      ["tests", true],
      ["rollout", true],
      ["flags", true],
      ["approval", true],
    ]);
  });
});
