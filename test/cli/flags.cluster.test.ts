import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCrds, startOperator } from "../cluster/playground.ts";
import { KubectlZenith } from "./kubectl-zenith.ts";

/** Flags and KillSwitches by `kubectl zenith`, with the real kubectl and the real API server. */
let cluster: Cluster;
let zenith: KubectlZenith;

const FLAGS = `
apiVersion: zenith.sh/v1alpha1
kind: FeatureFlag
metadata: {name: new-checkout, labels: {app: web}}
spec:
  rules: [{name: beta, when: [{attribute: plan, in: [pro]}], serve: "on"}]
  strategy: {canary: {variant: "on", steps: [{weight: 25}, {pause: {}}], analysis: {disabled: true}}}
---
apiVersion: zenith.sh/v1alpha1
kind: FeatureFlag
metadata: {name: banner, labels: {app: web}}
spec: {strategy: {allAtOnce: {variant: "on"}}}
`;

beforeAll(async () => {
  cluster = await startCluster({ kwok: false, controllers: false, scheduler: false, users: [{ name: "guard" }] });
  await applyCrds(cluster);
  zenith = await KubectlZenith.install(cluster);
  await startOperator(cluster);
  await cluster.apply(FLAGS);
}, 1_200_000);

afterAll(async () => {
  zenith?.uninstall();
  await cluster?.stop();
});

async function says(...args: string[]): Promise<string> {
  return await zenith.says(...args);
}

async function until(isThere: () => Promise<boolean>, patienceMs = 30_000): Promise<void> {
  for (const end = performance.now() + patienceMs; !(await isThere()); ) {
    if (performance.now() > end) throw new Error(`Waited ${patienceMs / 1000} s in vain`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("kubectl zenith flag", () => {
  test("get lists what users get", async () => {
    await until(async () => (await says("flag", "get")).includes("Paused"));
    expect(await says("flag", "get")).toMatch(
      /^NAME +STATUS +SERVES +STRATEGY +STEP .*\nbanner +Healthy +on +allAtOnce .*\nnew-checkout +Paused +on 25%, off 75%, and rules +canary +2\/\d/,
    );
    expect(await says("flag", "get", "-o", "name")).toBe(
      "featureflag.zenith.sh/banner\nfeatureflag.zenith.sh/new-checkout",
    );
  });

  test("get shows one, and explain what decides", async () => {
    expect(await says("flag", "get", "new-checkout")).toMatch(
      /^FeatureFlag default\/new-checkout: Paused\nwaiting for approval.*\n\nServes +on 25%, off 75%, and rules\n/,
    );
    expect(await says("flag", "explain", "new-checkout", "-u", "alice", "-a", "plan=pro")).toMatch(
      /\n→ 4 +rule beta +"on" where plan in pro\n.*\n\n"on": true$/s,
    );
  });

  test("eval gives the same user the same variant", async () => {
    const evaluated = async (user: string) => await says("flag", "eval", "new-checkout", "-u", user);
    const first = await evaluated("user-1");
    expect(await evaluated("user-1")).toBe(first);
    expect(first).toMatch(/^"(on|off)": (true|false)$/);
  });

  test("promote goes past the pause, and abort makes it safe", async () => {
    expect(await says("promote", "flag/new-checkout")).toBe(
      "featureflag.zenith.sh/new-checkout: promote accepted: it goes past the present wait",
    );
    await until(async () => /new-checkout +\S+ +on, and rules/.test(await says("flag", "get")));
    expect(await says("abort", "zff/new-checkout")).toContain("abort accepted");
    await until(async () => (await says("flag", "get")).includes("off (reverted)"));
    const { code, stderr } = await zenith.run(["abort", "flag/new-checkout"]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "Error: abort was refused: it is taken back already\nHint: kubectl zenith flag get new-checkout\n",
    });
  });
});

describe("kubectl zenith kill", () => {
  test("--dry-run shows what it would stop, and stops nothing", async () => {
    const said = await says("kill", "fire", "-l", "app=web", "--reason", "errors", "--for", "1h", "--dry-run");
    expect(said).toMatch(/kind: KillSwitch\n/);
    expect(said).toMatch(/killswitch\.zenith\.sh\/fire: would stop 2 flags \(banner, new-checkout\) made safe$/);
    expect((await zenith.run(["kill"])).stderr).toBe("There are no KillSwitches in namespace default.\n");
  });

  test("makes flags safe until it is released", async () => {
    expect(await says("kill", "fire", "-l", "app=web", "--reason", "errors", "--for", "1h")).toBe(
      "killswitch.zenith.sh/fire: stops 2 flags (banner, new-checkout) made safe",
    );
    await until(async () => /banner +Killed +off \(killed\)/.test(await says("flag", "get")));
    expect(await says("kill")).toMatch(
      /^NAME +STATUS .*\nfire +Active +safe +- +2 flags, 0 Rollouts +(59m|60m|1h)\S* .* errors$/,
    );
    expect(await says("flag", "eval", "banner")).toBe('"off": false');
    expect(await says("kill", "fire", "--release", "--dry-run")).toBe(
      "killswitch.zenith.sh/fire: would be released; nothing was changed",
    );
    expect(await says("kill")).toMatch(/\nfire +Active /);
    expect(await says("kill", "zks/fire", "--release")).toContain("released");
    await until(async () => /banner +Healthy +on /.test(await says("flag", "get")));
  });

  test("says nothing of how much it stops to one who may stop it, and not see it", async () => {
    await cluster.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: guard}
rules: [{apiGroups: [zenith.sh], resources: [killswitches], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: guard}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: guard}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: guard}]
`);
    // The API server learns of a right a moment later.
    await until(
      async () =>
        (await cluster.kubectl(["auth", "can-i", "create", "killswitches.zenith.sh"], { user: "guard" })).code === 0,
    );
    const { code, stdout } = await zenith.run(["kill", "blind", "--all", "--reason", "x"], { user: "guard" });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "killswitch.zenith.sh/blind: stops all flags that it selects, which you may not list, made safe\n",
    });
    await says("kill", "blind", "--release");
  });

  test("nothing is looked for in all namespaces because one was left empty", async () => {
    await says("kill", "here", "-l", "nobody=here", "--reason", "x", "-n", "");
    expect(await says("kill", "-n", "")).toMatch(/\nhere +Active /);
    await says("kill", "here", "--release");
    expect((await zenith.run(["get", "-n", ""])).stderr).toBe("There are no Rollouts in namespace default.\n");
  });

  test("a name that is taken is refused in a sentence", async () => {
    await says("kill", "twice", "--all", "--reason", "x", "--rollouts", "hold");
    const { code, stderr } = await zenith.run(["kill", "twice", "--all", "--reason", "x"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: killswitches\.zenith\.sh "twice" already exists\n/);
    await says("kill", "twice", "--release");
  });
});

describe("several namespaces and contexts", () => {
  const rollout = (name: string, namespace: string) => `
apiVersion: zenith.sh/v1alpha1
kind: Rollout
metadata: {name: ${name}, namespace: ${namespace}}
spec: {workloadRef: {kind: Deployment, name: ${name}}, strategy: {canary: {preset: safe}}}
`;
  const config = () => cluster.path("contexts.yaml");

  beforeAll(async () => {
    await cluster.kubectl(["create", "namespace", "shop"]);
    await cluster.apply([rollout("web", "default"), rollout("cart", "shop")].join("---\n"));
    const banner = FLAGS.slice(FLAGS.indexOf("---")).replace("banner", "prices");
    await cluster.apply(banner, "-n", "shop");
    writeFileSync(config(), readFileSync(cluster.kubeconfig));
    const set = async (...args: string[]) => {
      const { code, stderr } = await zenith.kubectl(["config", "--kubeconfig", config(), ...args]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    };
    const { contexts } = parse(readFileSync(config(), "utf8")) as { contexts: { context: Record<string, string> }[] };
    const { cluster: here = "", user = "" } = contexts[0]?.context ?? {};
    await set("set-cluster", "gone", "--server=https://127.0.0.1:1");
    await set("set-context", "shop", `--cluster=${here}`, `--user=${user}`, "--namespace=shop");
    await set("set-context", "gone", "--cluster=gone", `--user=${user}`);
  });

  test("-A shows those of every namespace, and which it is; without it those of one", async () => {
    const rows = async (...args: string[]) =>
      (await says(...args)).split("\n").map((line) => line.split(/ +/).slice(0, 2).join(" "));
    expect(await rows("get", "-A")).toEqual(["NAMESPACE NAME", "default web", "shop cart"]);
    expect(await says("get", "-o", "name")).toBe("rollout.zenith.sh/web");
    expect(await rows("flag", "get", "-A")).toEqual([
      "NAMESPACE NAME",
      "default banner",
      "default new-checkout",
      "shop prices",
    ]);
    expect(await says("flag", "get", "-o", "name", "-n", "shop")).toBe("featureflag.zenith.sh/prices");
  });

  test("--context reads and writes where that context leads, and the current one stays", async () => {
    const there = (...args: string[]) => says(...args, "--kubeconfig", config(), "--context", "shop");
    expect(await there("get", "-o", "name")).toBe("rollout.zenith.sh/cart");
    expect(await there("get", "-o", "name", "-n", "default")).toBe("rollout.zenith.sh/web");
    expect(await says("get", "-o", "name", "--kubeconfig", config())).toBe("rollout.zenith.sh/web");
    expect(await there("kill", "there", "--all", "--reason", "x")).toBe(
      "killswitch.zenith.sh/there: stops 1 flag (prices) made safe",
    );
    expect(await says("kill", "-n", "shop")).toMatch(/\nthere +Active /);
    expect((await zenith.run(["kill"])).stderr).toBe("There are no KillSwitches in namespace default.\n");
    await there("kill", "there", "--release");
  });

  test.each([
    ["gone", /^Error: [^\n]*127\.0\.0\.1:1[^\n]*\nHint: [^\n]+\n$/],
    ["unheard-of", /^Error: [^\n]*"unheard-of"[^\n]*\nHint: [^\n]+\n$/],
  ])("--context %s is answered in a sentence, and no other cluster is asked", async (context, says) => {
    const answer = await zenith.run(["get", "--kubeconfig", config(), "--context", context]);
    expect(answer).toEqual({ code: 1, stdout: "", stderr: expect.stringMatching(says) });
  });
});

describe("completion", () => {
  test("knows names, by kubectl's own __complete", async () => {
    zenith.installCompletion(await says("completion", "kubectl"));
    const { stdout } = await zenith.kubectl(["__complete", "zenith", "flag", "get", "ne"]);
    expect(stdout).toBe("new-checkout\n:4\n");
  });
});
