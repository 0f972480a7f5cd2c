import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { delimiter } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandResult, run } from "../cluster/cluster.ts";
import { helmHomes } from "../cluster/helm.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { Playground, ROOT } from "../cluster/playground.ts";
import { toolboxOf } from "../cluster/toolbox.ts";
import { zenithRuntime } from "../cluster/zenith-runtime.ts";
import { shop } from "../demo/shop.ts";
import { commandsIn } from "./commands-in.ts";
import { yamlIn } from "./yaml-of.ts";

/*
 * docs/quick-start.md and the README as a new user walks them, in a shell, word for word; the manifest alone has shorter times,
 * and is judged every two seconds. What comes into the cluster comes by the pages' own commands: Helm's pods run, under requests
 * that must not fail. Each test goes on where the one before ended; the last one looks that no command was left out.
 */

const PAGE = "docs/quick-start.md";
const INSTALL = "docs/install.md";
const README = "README.md";

/** Commands of the quick start and the README that are not run here, and why. */
const NOT_HERE: Readonly<Record<string, string>> = {
  "npm run demo": "test/demo/demo.cluster.test.ts runs it",
  "npm run demo -- flags": "needs Chromium for its page; what it plays is in test/e2e/flags.cluster.test.ts",
  "npm run demo -- --keep": "the same demo, which then waits for Ctrl-C",
  "npm run demo -- --context NAME": "NAME is the reader's cluster",
  "npm test": "it runs this",
  "npm run bench -- judge": "test/bench/judge.test.ts",
  "npm run simulate": "test/simulation/simulation.test.ts",
  "npm run image": "test/install/image.cluster.test.ts",
  "skopeo copy --all oci-archive:dist/zenith-image.tar docker://registry.example/zenith:0.1.0": "needs a registry",
  "npm run build": "it empties dist/ of this checkout; test/install/kubectl-plugin.cluster.test.ts builds elsewhere",
  "npm run build && npm install -g ./dist/npm": "installs for the whole machine; see the line before",
  "npm run cluster -- up --quick-start": "one a machine, which may be in use; beforeAll starts the same parts",
  'eval "$(npm run -s cluster -- env)"': "env is what it prints",
  "kubectl set image": "a name, without what it is told",
  "kubectl zenith": "a name, without what it is told",
};
const AT_25 = "kubectl wait --for=jsonpath={.status.weights.effective}=25 rollout/web --timeout=60s";
const CANARY_AT_25 = /canary +\S+ +\d+\/\d+ +25 %/;

let playground: Playground;
let load: Load;
let env: Record<string, string>;

beforeAll(async () => {
  playground = await Playground.start({ gatewayLagMs: 200, crds: false, runtime: (cluster) => zenithRuntime(cluster) });
  const { cluster, gateway } = playground;
  const path = [toolboxOf(cluster), process.env.PATH].join(delimiter);
  env = { PATH: path, KUBECONFIG: cluster.kubeconfig, ...helmHomes(cluster) };
  await cluster.apply(shop());
  expect(await shell("kubectl rollout status deployment/web --timeout=60s")).toMatchObject({ code: 0 });
  await untilServed(gateway.url, "web.example");
  load = startLoad(gateway.url, 200, { host: "web.example" });
}, 1_200_000);

afterAll(async () => {
  await load?.stop();
  await playground?.stop();
});

/** Commands that were run so far. */
const walked = new Set<string>();

/** The page's command that begins so, or is so, as it stands there, to be run. */
function commandOf(beginning: string, page = PAGE): string {
  const commands = commandsIn(page);
  const found = commands.includes(beginning) ? [beginning] : commands.filter((line) => line.startsWith(beginning));
  expect({ page, beginning, found }).toMatchObject({ found: [expect.any(String)] });
  const [command = ""] = found;
  walked.add(command);
  return command;
}

async function shell(command: string): Promise<CommandResult> {
  return await run("sh", ["-c", command], { env, cwd: ROOT });
}

/** Runs the page's command that begins so; it must end well. */
async function says(beginning: string, page?: string): Promise<string> {
  const command = commandOf(beginning, page);
  const result = await shell(command);
  expect({ command, ...result }).toMatchObject({ code: 0 });
  return result.stdout;
}

/** Starts the page's command that begins so, which stays until it is stopped. */
function watching(beginning: string, page?: string): { readonly told: () => string; readonly stop: () => void } {
  const child = spawn("sh", ["-c", `exec ${commandOf(beginning, page)}`], { env: { ...process.env, ...env } });
  let told = "";
  child.stdout.on("data", (text: Buffer) => {
    told += text;
  });
  return { told: () => told, stop: () => child.kill() };
}

/** A table whose last column is an age, which is another a moment later, without it. */
function ageless(table: string): string {
  const [head = "", ...rows] = table.trimEnd().split("\n");
  expect(head).toMatch(/ AGE$/);
  return [head, ...rows.map((row) => row.replace(/ \S+$/, ""))].join("\n");
}

/** Nobody but a bad version answered with an error. */
function expectUnhurt(bad: readonly string[] = []): void {
  const hurt = Object.entries(load.lap()).filter(([version, { failed }]) => failed > 0 && !bad.includes(version));
  expect({ hurt, faults: load.faults }).toEqual({ hurt: [], faults: [] });
}

describe("the quick start", () => {
  test("1: installs Zenith by Helm", async () => {
    expect(await says("helm install zenith")).toContain("STATUS: deployed");
    const running = await shell("kubectl -n zenith-system get pods --no-headers");
    expect(running.stdout.match(/1\/1 +Running/g)).toHaveLength(4);
  });

  test("2: hands a Deployment over", async () => {
    const [manifest = ""] = yamlIn(PAGE);
    const short = manifest.replace("over: 10m", "over: 30s").replace("bake: 10m", "bake: 5s");
    expect(short).not.toContain("10m");
    const input = `${short}  analysis: {interval: 2s}\n`;
    const { code, stderr } = await playground.cluster.kubectl(["apply", "-f", "-"], { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await shell("kubectl zenith status web --timeout 60s")).toMatchObject({ code: 0 });
    expect((await shell("kubectl get deployment web -o jsonpath={.spec.replicas}")).stdout).toBe("0");
    expectUnhurt();
  });

  test("3: releases, and shows it in each way", { timeout: 240_000 }, async () => {
    expect(await says("kubectl zenith plan web", README)).toMatch(/25 %.*50 %.*100 %/s);
    const rollouts = watching("kubectl get rollouts --watch");
    const tree = watching("kubectl zenith get web --watch", README);
    try {
      await says("kubectl set image deployment/web web=shop/web:v2");
      expect(await shell(AT_25)).toMatchObject({ code: 0 });
      const promoted = says("kubectl wait --for=condition=Promoted", README);
      expect(await says("kubectl zenith get web")).toMatch(CANARY_AT_25);
      expect(await says("kubectl get rollouts -o wide", README)).toMatch(
        /CANARY +STABLE +ANALYSIS.*\nweb +Progressing/,
      );
      expect(ageless(await says("kubectl get zr", README))).toBe(
        ageless(await says("kubectl get rollouts.zenith.sh", README)),
      );
      expect(await says("kubectl describe rollout web", README)).toMatch(/Kind: +Rollout/);
      expect(await says("kubectl zenith status web")).toContain('Rollout "web" promoted');
      expect(await promoted).toBe("rollout.zenith.sh/web condition met\n");
      await expect.poll(rollouts.told, { timeout: 10_000 }).toMatch(/Progressing.*Baking/s);
      expect(tree.told()).toMatch(CANARY_AT_25);
    } finally {
      rollouts.stop();
      tree.stop();
    }
    expect(rollouts.told().split("\n")[0]).toMatch(/NAME +STATUS +STEP +WEIGHT/);
    await shell("kubectl zenith status web --baked --timeout 60s");
    expect(await says("kubectl zenith report web", README)).toContain("error rate");
    expectUnhurt();
  });

  test("4: sees it come back", async () => {
    await says("kubectl set image deployment/web web=shop/web:v3");
    expect(await shell(commandOf("kubectl zenith status web"))).toMatchObject({ code: 2 });
    const why = await says("kubectl zenith why web");
    expect(why).toMatch(/error-rate/);
    expect(why).toContain("kubectl zenith retry web");
    expect((await shell("kubectl get deployment web -o jsonpath={..image}")).stdout).toBe("shop/web:v3");
    await says("kubectl zenith retry web");
    await says("kubectl zenith abort web");
    expect(await shell(commandOf("kubectl zenith status web"))).toMatchObject({ code: 2 });
    expectUnhurt(["v3"]);
  });
});

describe("the install page goes on", () => {
  test("helm test; uninstalled, all serves on", async () => {
    await says("helm test zenith", INSTALL);
    await says("helm uninstall zenith -n zenith-system", INSTALL);
    expect(await shell("kubectl get rollouts web")).toMatchObject({ code: 0 });
    expectUnhurt(["v3"]);
  });

  test("the README's install is the quick start's, with an image of one's own; the API server would take it", async () => {
    const command = commandOf("helm install zenith", README);
    expect(command).toBe(`${commandOf("helm install zenith")} --set image.repository=registry.example/zenith`);
    const { code, stdout } = await shell(`${command} --dry-run=server`);
    expect({ code, images: new Set(stdout.match(/(?<= image: ).+/g)) }).toEqual({
      code: 0,
      images: new Set(["registry.example/zenith:0.1.0"]),
    });
  });

  test("with kustomize, and Helm takes it on", async () => {
    await says("kubectl apply -k manifests", INSTALL);
    await says("kubectl -n zenith-system set env deployment/zenith-operator", INSTALL);
    expect(await shell("kubectl -n zenith-system rollout status deployment --timeout=90s")).toMatchObject({ code: 0 });
    const takes = commandOf("helm install zenith charts/zenith -n zenith-system --take-ownership", INSTALL);
    expect(await shell(`${takes} --wait`)).toMatchObject({ code: 0 });
    expect(await shell("kubectl set image deployment/web web=shop/web:v5")).toMatchObject({ code: 0 });
    expect(await shell(AT_25)).toMatchObject({ code: 0 });
    await says("kubectl zenith promote web", README);
    await says("kubectl zenith abort web");
    expect(await shell(commandOf("kubectl zenith status web"))).toMatchObject({ code: 2 });
    expectUnhurt(["v3"]);
  });
});

describe("the README", () => {
  test("has samples, for a namespace of their own", async () => {
    await says("kubectl create namespace samples", README);
    await says("kubectl apply -n samples -f manifests/samples/", README);
    const listed = await says("kubectl get rollouts -n samples", README);
    const samples = readdirSync("manifests/samples").filter((name) => name.endsWith(".yaml"));
    expect(listed.trim().split("\n").slice(1)).toHaveLength(samples.length);
  });

  test("changes the size, and stops using it", async () => {
    await says("kubectl scale rollout web --replicas=6", README);
    const ready = "kubectl wait --for=jsonpath={.status.readyReplicas}=6 rollout/web --timeout=60s";
    expect(await shell(ready)).toMatchObject({ code: 0 });
    await says("kubectl delete rollout web", README);
    expect(await shell("kubectl rollout status deployment/web --timeout=60s")).toMatchObject({ code: 0 });
    expect((await shell("kubectl get deployment web -o jsonpath={.status.readyReplicas}")).stdout).toBe("6");
    expectUnhurt(["v3"]);
  });

  test("needs no Node 24 on the PATH to say which flags there are", async () => {
    expect(await says("npm run zenith -- operator --help", README)).toContain("--prometheus-url");
    expect(await says("npm run demo -- --help")).toContain("--context");
  });
});

describe("no command", () => {
  const shown = [README, PAGE].flatMap(commandsIn);

  test("of the two pages was left out", () => {
    expect(shown.filter((command) => !walked.has(command) && !(command in NOT_HERE))).toEqual([]);
  });

  test("is excused that is run, or not there", () => {
    expect(Object.keys(NOT_HERE).filter((command) => walked.has(command) || !shown.includes(command))).toEqual([]);
  });
});
