import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import type { AuditEvent, CommandResult } from "../cluster/cluster.ts";
import { findEarlier, unpackTree } from "../cluster/earlier-tree.ts";
import { CHART, helm } from "../cluster/helm.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { Playground, ROOT } from "../cluster/playground.ts";
import { askedBy, type RightsGiven, refusalsIn, rightsIn, rightsOf } from "../cluster/rights.ts";
import { treeRunBy, zenithRuntime } from "../cluster/zenith-runtime.ts";
import { rollout, shop } from "../demo/shop.ts";
import { releaseOf } from "../e2e/quiet-lab.ts";
import { Story } from "../e2e/story.ts";

/*
 * The chart's whole life by the real Helm: its pods run as local processes, with the arguments that it gives them and the rights
 * of the accounts that it makes, in namespaces that enforce "restricted", under requests that must not fail. Each test goes on
 * where the one before ended. It begins with the chart of an earlier commit, whose pods run that commit's sources.
 */

const EARLIER = findEarlier();
const EARLIER_TAG = "earlier";
const COMES_FROM =
  EARLIER.kind === "commit"
    ? `commit ${EARLIER.commit.slice(0, 7)}`
    : `today's own tree, not an earlier one, as ${EARLIER.why}`;

let playground: Playground;
let story: Story;
let load: Load;

const NAMESPACE = "zenith-system";
const ENFORCED = { "pod-security.kubernetes.io/enforce": "restricted" };
const WEB = { namespace: "default", name: "web" };
/** What the route gives the canary in a release, in percent, each written once. At the end it stands as its author wrote it. */
const WEIGHTS = [0, 20, 60, 100, 0, undefined];
const STEPS = [{ weight: 20 }, { pause: { for: "8s" } }, { weight: 60 }, { pause: { for: "4s" } }];

beforeAll(async () => {
  playground = await Playground.start({
    gatewayLagMs: 200,
    crds: false,
    cluster: { audit: true },
    runtime: (cluster) =>
      zenithRuntime(cluster, { treeOf: (image) => (image.endsWith(`:${EARLIER_TAG}`) ? earlierTree() : ROOT) }),
  });
  const { cluster, gateway } = playground;
  if (EARLIER.kind === "commit") unpackTree(EARLIER.commit, earlierTree());
  for (const name of [NAMESPACE, "default"])
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels: ENFORCED } });
  await cluster.apply(shop({ replicas: 3 }));
  await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await untilServed(gateway.url, "web.example");
  load = startLoad(gateway.url, 100, { host: "web.example" });
}, 1_200_000);

afterAll(async () => {
  await load?.stop();
  await story?.end();
  await playground?.stop();
});

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await playground.cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

/** Helm, in the chart's namespace; what it complained of where it did not end well. */
async function helmDo(...args: string[]): Promise<string> {
  const { code, stdout, stderr }: CommandResult = await helm(["-n", NAMESPACE, ...args], playground);
  expect({ command: args.join(" "), code, stderr: code === 0 ? "" : stderr }).toMatchObject({ code: 0, stderr: "" });
  return stdout;
}

/** Patience for a busy machine: pods of two versions start and end at once. */
const WAIT = ["--wait", "--timeout=180s"];
const PATIENCE_MS = 300_000;

const settings = (): string[] => ["--set", `prometheus.url=${playground.prometheusUrl}`, ...WAIT];

/** No request failed since the last time, and there were some. */
function expectUnhurt(): void {
  const seen = Object.entries(load.lap());
  expect({ failed: seen.filter(([, { failed }]) => failed > 0), faults: load.faults }).toEqual({
    failed: [],
    faults: [],
  });
  expect(seen.reduce((sum, [, { requests }]) => sum + requests, 0)).toBeGreaterThan(100);
}

function earlierTree(): string {
  return EARLIER.kind === "commit" ? playground.cluster.path("earlier") : ROOT;
}

/** The earlier chart. Its definitions lack the short name, so that an upgrade always has some to bring. */
function earlierChart(): string {
  const folder = playground.cluster.path("earlier-chart");
  cpSync(join(earlierTree(), "charts/zenith"), folder, { recursive: true });
  const path = `${folder}/files/crds/zenith.sh_rollouts.yaml`;
  const now = readFileSync(path, "utf8");
  const then = now.replace("    shortNames:\n      - zr\n", "");
  expect(then).not.toBe(now);
  writeFileSync(path, then);
  return folder;
}

async function shortName(): Promise<string> {
  return await kubectl("get", "crd", "rollouts.zenith.sh", "-o", "jsonpath={.spec.names.shortNames[0]}");
}

/** Those that are not on their way out. */
async function operatorPods(): Promise<{ uids: readonly string[]; trees: readonly (string | undefined)[] }> {
  const by = ["-l", "app.kubernetes.io/component=operator", "-o", "json"];
  const { items } = JSON.parse(await kubectl("-n", NAMESPACE, "get", "pods", ...by)) as { items: KubeObject[] };
  const pods = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata);
  const trees = pods.map(({ name }) => treeRunBy(playground.cluster, { namespace: NAMESPACE, pod: name }));
  return { uids: pods.map(({ uid = "" }) => uid), trees };
}

/** Replaces the operators in the middle of a release, which then ends as if there had been no such change. */
async function replaceOperators(image: string, tree: string, replace: () => Promise<unknown>): Promise<void> {
  const before = await operatorPods();
  const asked = playground.cluster.auditEvents().length;
  await story.release(image);
  const { canary, history } = await story.until("web", ({ weights }) => weights?.effective === 20, "the first weight");
  await replace();
  const { uids, trees } = await operatorPods();
  expect(uids.filter((uid) => before.uids.includes(uid))).toEqual([]);
  expect(trees).toEqual([tree, tree]);
  const after = await story.phase("Healthy");
  expect(after.stable).toMatchObject({ revision: canary?.revision, images: [image] });
  expect(after.history).toEqual(
    expect.arrayContaining((history ?? []).map((past) => expect.objectContaining({ revision: past.revision }))),
  );
  expect(releaseOf(playground.cluster.auditEvents().slice(asked), WEB).weights).toEqual(WEIGHTS);
  expectUnhurt();
}

/** What the chart gives the account of a hook, which has it only while the hook runs. */
async function hookRights(hook: "check" | "uninstall"): Promise<string[]> {
  const objects = parseAllDocuments(await helmDo("get", "hooks", "zenith")).map((document) => document.toJS());
  const isRole = ({ kind, metadata }: KubeObject) =>
    /^(Cluster)?Role$/.test(kind) && metadata.labels?.["app.kubernetes.io/component"] === hook;
  const rights = rightsIn((objects as (KubeObject & RightsGiven)[]).filter(isRole));
  expect(rights).not.toEqual([]);
  return rights;
}

/** What the account of a hook has asked for, among the requests after the first `asked`. */
function hookCalls(hook: "check" | "uninstall", asked = 0): AuditEvent[] {
  return askedBy(`${NAMESPACE}:zenith-${hook}`, playground.cluster.auditEvents().slice(asked));
}

describe(`helm, looking after all namespaces, and beginning with ${COMES_FROM}`, { timeout: PATIENCE_MS }, () => {
  test.skipIf(EARLIER.kind === "missing")("upgrades from sources that are not today's", () => {
    expect(earlierTree()).not.toBe(ROOT);
  });

  test("installs what then runs", async () => {
    const from = ["--set", `image.tag=${EARLIER_TAG}`];
    await helmDo("install", "zenith", earlierChart(), ...settings(), ...from);
    expect((await operatorPods()).trees).toEqual([earlierTree(), earlierTree()]);
    story = await Story.begin(playground);
    const canary = { steps: STEPS, settle: "1s", drain: "2s", scaleDownDelay: "3s" };
    await playground.cluster.apply(rollout({ strategy: { canary }, bake: "3s" }));
    await story.phase("Healthy");
    expectUnhurt();
  });

  test("upgrades in the middle of a release: new definitions, new operators, and the release ends as if there had been none", async () => {
    expect(await shortName()).toBe("");
    const today = ["upgrade", "zenith", CHART, ...settings(), "--set", "operator.logLevel=debug"];
    await replaceOperators("shop/web:v2", ROOT, () => helmDo(...today));
    expect(await shortName()).toBe("zr");
  });

  test("knows its flag servers: what they deliver stands in status", async () => {
    await playground.cluster.apply({
      apiVersion: "zenith.sh/v1alpha1",
      kind: "FeatureFlag",
      metadata: { name: "new-checkout", namespace: "default" },
      spec: { strategy: { allAtOnce: { variant: "on" } } },
    });
    await kubectl("wait", "--for=condition=Delivered", "featureflag/new-checkout", "--timeout=60s");
    const servers = ["get", "featureflag", "new-checkout", "-o", "jsonpath={.status.delivery.servers}"];
    expect(await kubectl(...servers)).toBe("2");
    await kubectl("delete", "featureflag", "new-checkout");
  });

  test("rolls back in the middle of a release", async () => {
    const back = ["rollback", "zenith", "1", ...WAIT];
    await replaceOperators("shop/web:v5", earlierTree(), () => helmDo(...back));
    expect(await shortName()).toBe("");
  });

  test("upgrades again, and helm test says that it works", async () => {
    await helmDo("upgrade", "zenith", CHART, ...settings());
    const asked = playground.cluster.auditEvents().length;
    const hooks = await hookRights("check");
    await helmDo("test", "zenith", "--timeout=60s");
    const log = readFileSync(playground.cluster.path(`pod-${NAMESPACE}-zenith-check.log`), "utf8");
    expect(log.match(/^ok {4}/gm)).toHaveLength(3);
    expect(rightsOf(hookCalls("check", asked))).toEqual(hooks);
  });

  test("gives operators no right to ConfigMaps where no gates are asked for, and all that they ask for", async () => {
    const account = `${NAMESPACE}:zenith-operator`;
    const may = ["auth", "can-i", "list", "configmaps", "--as", `system:serviceaccount:${account}`];
    expect((await playground.cluster.kubectl(may)).stdout.trim()).toBe("no");
    const asked = askedBy(account, playground.cluster.auditEvents());
    expect(asked.length).toBeGreaterThan(100);
    expect(refusalsIn(asked)).toEqual([]);
  });

  test("uninstalls in the middle of a release: it goes back to stable, which serves on", async () => {
    await story.release("shop/web:v6");
    await story.until("web", ({ weights }) => weights?.effective === 20, "the first weight");
    const hooks = await hookRights("uninstall");
    await helmDo("uninstall", "zenith", ...WAIT);
    expect(refusalsIn(hookCalls("uninstall"))).toEqual([]);
    expect(rightsOf(hookCalls("uninstall"))).toEqual(hooks);
    expect(await kubectl("get", "crd", "rollouts.zenith.sh", "-o", "name")).not.toBe("");
    const { metadata, status } = (await story.read("rollout.zenith.sh", "web")) as unknown as {
      metadata: { finalizers?: string[] };
      status: { phase: string };
    };
    expect({ finalizers: metadata.finalizers ?? [], phase: status.phase }).toEqual({
      finalizers: [],
      phase: "Reverted",
    });
    load.lap();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(Object.keys(load.tallies).length).toBeGreaterThan(1);
    expect(Object.keys(load.lap())).toEqual(["v5"]);
    expect(load.faults).toEqual([]);
    const kinds = "clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding";
    expect(await kubectl("get", kinds, "-l", "app.kubernetes.io/name=zenith", "-o", "name")).toBe("");
    // Helm waits for what it made; the pods of that go a moment later.
    await kubectl("-n", NAMESPACE, "wait", "--for=delete", "pod,replicaset", "--all", "--timeout=60s");
    expect(await kubectl("-n", NAMESPACE, "get", "all,role,rolebinding,pdb,networkpolicy,job", "-o", "name")).toBe("");
  });

  test("installs again over what stayed, and lets a Rollout be deleted that it has seen again", async () => {
    await helmDo("install", "zenith", CHART, ...settings());
    await story.until("web", ({ phase }) => phase === "Reverted", "it to be looked after again");
    await kubectl(
      "wait",
      "rollout.zenith.sh/web",
      "--for=jsonpath={.metadata.finalizers[0]}=zenith.sh/put-back",
      "--timeout=30s",
    );
    await kubectl("delete", "rollout.zenith.sh/web", "--timeout=90s");
    await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    expect(load.faults).toEqual([]);
  });
});
