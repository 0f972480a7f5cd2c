import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import type { RolloutSpec } from "../../src/api/rollout.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { type Operator, Playground } from "../cluster/playground.ts";
import { shop } from "../demo/shop.ts";
import { objectsIn } from "../docs/yaml-of.ts";
import { KubectlZenith } from "./kubectl-zenith.ts";

/*
 * docs/how-to/staging-to-production.md for real, its seven days within a minute: the page's own objects with short times, driven
 * by the page's commands. Each test goes on where the one before ended.
 */

const PAGE = objectsIn("docs/how-to/staging-to-production.md");
const IMAGE = "shop/web:v2";
const NAMESPACES = ["staging", "production"] as const;
/** At a weight of 5 % the judge wants some 200 requests before it goes on. */
const RPS = { staging: 150, production: 350 };
const QUICK = { settle: "1s", drain: "1s", scaleDownDelay: "1s" };

let playground: Playground;
let zenith: KubectlZenith;
let operator: Operator;
let loads: Load[] = [];

beforeAll(async () => {
  playground = await Playground.start();
  const { cluster } = playground;
  for (const namespace of NAMESPACES) {
    await cluster.kubectl(["create", "namespace", namespace]);
    await cluster.apply(shop({ name: "web", namespace, replicas: 2 }).map((object) => atHost(object, namespace)));
  }
  zenith = await KubectlZenith.install(cluster);
  operator = await playground.startOperator(["--gates"]);
  for (const namespace of NAMESPACES)
    await cluster.kubectl(["rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s"]);
  for (const namespace of NAMESPACES) await untilServed(playground.gateway.url, `${namespace}.example`);
  await cluster.apply(PAGE.filter(({ kind }) => kind === "Rollout").map(quickly));
  loads = NAMESPACES.map((namespace) =>
    startLoad(playground.gateway.url, RPS[namespace], { host: `${namespace}.example` }),
  );
}, 1_200_000);

afterAll(async () => {
  for (const load of loads) await load.stop();
  zenith?.uninstall();
  await playground?.stop();
});

function atHost(object: KubeObject, namespace: string): KubeObject {
  if (object.kind !== "HTTPRoute") return object;
  const { spec } = object as KubeObject & { readonly spec: object };
  return { ...object, spec: { ...spec, hostnames: [`${namespace}.example`] } } as KubeObject;
}

/** A Rollout of the page, whose days are seconds. Releases may begin at whatever time this runs. */
function quickly(rollout: KubeObject): KubeObject {
  const { spec } = rollout as unknown as { spec: RolloutSpec };
  const isStaging = rollout.metadata.namespace === "staging";
  const gates = spec.gates?.map((gate) => {
    if (gate.rollout !== undefined) return { rollout: { ...gate.rollout, for: "5s" } };
    return gate.window === undefined ? gate : { window: { windows: [{ from: "00:00", to: "24:00" }] } };
  });
  const short: Partial<RolloutSpec> = {
    strategy: { canary: { preset: "safe", over: isStaging ? "10s" : "25s", ...QUICK } },
    analysis: { interval: "1s", ...(isStaging ? { onUnsure: { after: "2s", then: "promote" } } : {}) },
    bake: "8s", // In the last two intervals Prometheus is asked for the 95th percentile.
    ...(gates === undefined ? {} : { gates }),
  };
  return { ...rollout, spec: { ...spec, ...short } } as KubeObject;
}

/** Shares that the canary was given, in the order in which the operator decided. */
function sharesGiven(namespace: string): number[] {
  const writes = operator
    .log()
    .filter(({ rollout }) => rollout === `${namespace}/web`)
    .flatMap(({ writes }) => (writes as string[] | undefined) ?? []);
  return writes.flatMap((why) => /^give the canary (\d+) %$/.exec(why)?.[1] ?? []).map(Number);
}

async function until(isThere: () => Promise<boolean>, patienceMs = 60_000): Promise<void> {
  for (const end = performance.now() + patienceMs; !(await isThere()); ) {
    if (performance.now() > end) throw new Error(`Waited ${patienceMs / 1000} s in vain`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const whySays = async (text: string) =>
  await until(async () => (await zenith.says("why", "web", "-n", "production")).replaceAll("\n", " ").includes(text));

describe("a release of both", () => {
  test("begins in staging, and waits in production until staging has it", async () => {
    for (const namespace of NAMESPACES) await zenith.says("status", "web", "-n", namespace, "--baked");
    for (const namespace of ["production", "staging"])
      await zenith.says("deploy", "web", "--image", IMAGE, "-n", namespace);
    await whySays(`gate rollout staging/web: Rollout "staging/web" does not serve ${IMAGE}`);
    await zenith.says("status", "web", "-n", "staging", "--baked", "--timeout", "90s");
    expect(sharesGiven("staging")).toEqual([0, 5, 10, 25, 50, 75, 100]);
    expect(sharesGiven("production")).toEqual([]);
    expect(await zenith.says("report", "web", "-n", "staging")).toMatch(/\n✔ error rate +at most 0\.1 % +0 % \(0 of /);
  });

  test("waits in production for the results of CI, and last for a person", async () => {
    await whySays('gate tests: ConfigMap "ci-results" with the label zenith.sh/gate does not exist');
    const results = PAGE.find(({ kind }) => kind === "ConfigMap") as KubeObject;
    const annotations = { "zenith.sh/image": IMAGE };
    await playground.cluster.apply({ ...results, metadata: { ...results.metadata, annotations } });
    const { code, stdout } = await zenith.run(["status", "web", "-n", "production", "--timeout", "30s"]);
    expect(stdout).toContain("waiting for approval before the first step; promote to begin");
    expect(code).toBe(4);
    expect(sharesGiven("production")).toEqual([]);
  });

  test("walks up in production once approved, bakes, and has a report with each criterion", async () => {
    await zenith.says("promote", "web", "-n", "production");
    await zenith.says("status", "web", "-n", "production", "--baked", "--timeout", "180s");
    expect(sharesGiven("production")).toEqual([0, 5, 10, 25, 50, 75, 100]);
    const report = await zenith.says("report", "web", "-n", "production", "--no-color");
    expect(report).toMatch(/^Rollout production\/web: revision \S+ \(shop\/web:v2\)\nPromoted, begun /);
    expect(report).toMatch(/\n✔ tests +at least 95 % of the tests pass +100 % \(2 of 2\)\n/);
    expect(report).toMatch(/\n✔ coverage +at least 67 % covered +82\.5 %\n/);
    expect(report).toMatch(/\n✔ error rate +at most 0\.1 % +0 % \(0 of [\d,]+\)\n/);
    expect(report).toMatch(/\n✔ P95 +at most 200 ms +[\d.]+ ms\n/);
    expect(report).toMatch(/\n✔ traffic +100 % +100 %\n/);
    expect(report).toMatch(/\n6 met, 0 missed, 2 not measured$/);
  });

  test("hurt no request of either", async () => {
    const failed = loads.flatMap(({ tallies }) => Object.entries(tallies).filter(([, tally]) => tally.failed > 0));
    expect({ failed, faults: loads.flatMap(({ faults }) => faults) }).toEqual({ failed: [], faults: [] });
  });
});
