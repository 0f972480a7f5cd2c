import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CommandResult } from "../cluster/cluster.ts";
import { CHART, helm } from "../cluster/helm.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { zenithRuntime } from "../cluster/zenith-runtime.ts";
import { rollout, shop } from "../demo/shop.ts";
import { Story } from "../e2e/story.ts";

/*
 * The chart's whole life by the real Helm: its pods run as local processes, with the arguments that it gives them and the rights
 * of the accounts that it makes, in namespaces that enforce "restricted", under requests that must not fail. Each test goes on
 * where the one before ended.
 */

let playground: Playground;
let story: Story;
let load: Load;

const NAMESPACE = "zenith-system";
const ENFORCED = { "pod-security.kubernetes.io/enforce": "restricted" };
const STEPS = [{ weight: 20 }, { pause: { for: "8s" } }, { weight: 60 }, { pause: { for: "4s" } }];

beforeAll(async () => {
  playground = await Playground.start({ gatewayLagMs: 200, crds: false, runtime: (cluster) => zenithRuntime(cluster) });
  const { cluster, gateway } = playground;
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

const settings = (): string[] => ["--set", `prometheus.url=${playground.prometheusUrl}`, "--wait", "--timeout=90s"];

/** No request failed since the last time, and there were some. */
function expectUnhurt(): void {
  const seen = Object.entries(load.lap());
  expect({ failed: seen.filter(([, { failed }]) => failed > 0), faults: load.faults }).toEqual({
    failed: [],
    faults: [],
  });
  expect(seen.reduce((sum, [, { requests }]) => sum + requests, 0)).toBeGreaterThan(100);
}

/** A chart of an earlier time, whose definitions lack the short name. */
function earlierChart(): string {
  const folder = playground.cluster.path("earlier-chart");
  cpSync(CHART, folder, { recursive: true });
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

async function operatorPods(): Promise<string> {
  const by = ["-l", "app.kubernetes.io/component=operator", "-o", "jsonpath={.items[*].metadata.uid}"];
  return await kubectl("-n", NAMESPACE, "get", "pods", ...by);
}

describe("helm, looking after all namespaces", () => {
  test("installs what then runs, and helm test says that it works", async () => {
    await helmDo("install", "zenith", earlierChart(), ...settings());
    expect((await operatorPods()).split(" ")).toHaveLength(2);
    await helmDo("test", "zenith", "--timeout=60s");
    const log = readFileSync(playground.cluster.path(`pod-${NAMESPACE}-zenith-check.log`), "utf8");
    expect(log.match(/^ok {4}/gm)).toHaveLength(3);
    story = await Story.begin(playground);
    const canary = { steps: STEPS, settle: "1s", drain: "2s", scaleDownDelay: "3s" };
    await playground.cluster.apply(rollout({ strategy: { canary }, bake: "3s" }));
    await story.phase("Healthy");
    expectUnhurt();
  });

  test("upgrades in the middle of a release: new definitions, new operators, and the release ends as if there had been none", async () => {
    expect(await shortName()).toBe("");
    const before = await operatorPods();
    await story.release("shop/web:v2");
    await story.until("web", ({ weights }) => weights?.effective === 20, "the first weight");
    await helmDo("upgrade", "zenith", CHART, ...settings(), "--set", "operator.logLevel=debug");
    expect(await shortName()).toBe("zr");
    expect(await operatorPods()).not.toBe(before);
    const { stable } = await story.phase("Healthy");
    expect(stable?.images).toEqual(["shop/web:v2"]);
    expectUnhurt();
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
    const before = await operatorPods();
    await story.release("shop/web:v5");
    await story.until("web", ({ weights }) => weights?.effective === 20, "the first weight");
    await helmDo("rollback", "zenith", "1", "--wait", "--timeout=90s");
    expect(await operatorPods()).not.toBe(before);
    const { stable } = await story.phase("Healthy");
    expect(stable?.images).toEqual(["shop/web:v5"]);
    expectUnhurt();
  });

  test("uninstalls in the middle of a release: it goes back to stable, which serves on", async () => {
    await story.release("shop/web:v6");
    await story.until("web", ({ weights }) => weights?.effective === 20, "the first weight");
    await helmDo("uninstall", "zenith", "--wait", "--timeout=180s");
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
    await helmDo("uninstall", "zenith", "--wait", "--timeout=180s");
    expect(load.faults).toEqual([]);
  });
});
