import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandResult, run } from "../cluster/cluster.ts";
import { helmHomes } from "../cluster/helm.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { Playground, ROOT } from "../cluster/playground.ts";
import { toolboxOf } from "../cluster/toolbox.ts";
import { zenithRuntime } from "../cluster/zenith-runtime.ts";
import { shop } from "../demo/shop.ts";
import { yamlIn } from "./yaml-of.ts";

/*
 * docs/quick-start.md as a new user walks it, in a shell, word for word; its manifest alone has shorter times, and is judged
 * every two seconds. What comes into the cluster comes by the page's own commands: Helm's pods run, under requests that must
 * not fail. Each test goes on where the one before ended.
 */

const PAGE = "docs/quick-start.md";
const INSTALL = "docs/install.md";
const AT_25 = "kubectl wait --for=jsonpath={.status.weights.effective}=25 rollout/web --timeout=60s";

let playground: Playground;
let load: Load;
let env: Record<string, string>;

beforeAll(async () => {
  playground = await Playground.start({ gatewayLagMs: 200, crds: false, runtime: (cluster) => zenithRuntime(cluster) });
  const { cluster, gateway } = playground;
  const path = [toolboxOf(cluster), process.env.PATH].join(delimiter);
  env = { PATH: path, KUBECONFIG: cluster.kubeconfig, ...helmHomes(cluster) };
  await cluster.apply(shop());
  expect((await shell("kubectl rollout status deployment/web --timeout=60s")).code).toBe(0);
  await untilServed(gateway.url, "web.example");
  load = startLoad(gateway.url, 200, { host: "web.example" });
}, 1_200_000);

afterAll(async () => {
  await load?.stop();
  await playground?.stop();
});

/** The page's command that begins so, as it stands there, without what is said of it. */
function commandOf(beginning: string, page = PAGE): string {
  const text = readFileSync(page, "utf8").replaceAll(/\\\n +/g, "");
  const found = text
    .split("\n")
    .filter((line) => line.startsWith(`    ${beginning}`))
    .map((line) => line.replace(/ +# .*$/, "").trim());
  expect({ page, beginning, found: new Set(found).size }).toEqual({ page, beginning, found: 1 });
  return found[0] ?? "";
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
    const short = manifest.replace("over: 10m", "over: 20s").replace("bake: 10m", "bake: 5s");
    expect(short).not.toContain("10m");
    const input = `${short}  analysis: {interval: 2s}\n`;
    const { code, stderr } = await playground.cluster.kubectl(["apply", "-f", "-"], { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await shell("kubectl zenith status web --timeout 60s")).code).toBe(0);
    expect((await shell("kubectl get deployment web -o jsonpath={.spec.replicas}")).stdout).toBe("0");
    expectUnhurt();
  });

  test("3: releases", async () => {
    const watch = spawn("sh", ["-c", `exec ${commandOf("kubectl get rollouts --watch")}`], {
      env: { ...process.env, ...env },
    });
    let watched = "";
    watch.stdout.on("data", (text: Buffer) => {
      watched += text;
    });
    try {
      await says("kubectl set image deployment/web web=shop/web:v2");
      expect((await shell(AT_25)).code).toBe(0);
      expect(await says("kubectl zenith get web")).toMatch(/canary +\S+ +\d+\/\d+ +25 %/);
      expect(await says("kubectl zenith status web")).toContain('Rollout "web" promoted');
      await expect.poll(() => watched, { timeout: 10_000 }).toMatch(/Progressing.*Baking/s);
    } finally {
      watch.kill();
    }
    expect(watched.split("\n")[0]).toMatch(/NAME +STATUS +STEP +WEIGHT/);
    expectUnhurt();
  });

  test("4: sees it come back", async () => {
    await says("kubectl set image deployment/web web=shop/web:v3");
    expect((await shell(commandOf("kubectl zenith status web"))).code).toBe(2);
    const why = await says("kubectl zenith why web");
    expect(why).toMatch(/error-rate/);
    expect(why).toContain("kubectl zenith retry web");
    expect((await shell("kubectl get deployment web -o jsonpath={..image}")).stdout).toBe("shop/web:v3");
    expectUnhurt(["v3"]);
  });
});

describe("the install page goes on", () => {
  test("helm test; uninstalled, all serves on", async () => {
    await says("helm test zenith", INSTALL);
    await says("helm uninstall zenith -n zenith-system", INSTALL);
    expect((await shell("kubectl get rollouts web")).code).toBe(0);
    expectUnhurt(["v3"]);
  });

  test("with kustomize, and Helm takes it on", async () => {
    await says("kubectl apply -k manifests", INSTALL);
    await says("kubectl -n zenith-system set env deployment/zenith-operator", INSTALL);
    expect((await shell("kubectl -n zenith-system rollout status deployment --timeout=90s")).code).toBe(0);
    const takes = readFileSync(INSTALL, "utf8").match(/`(helm install [^`]*--take-ownership[^`]*)`/)?.[1] ?? "false";
    expect(await shell(`${takes} --wait`)).toMatchObject({ code: 0 });
    expect((await shell("kubectl set image deployment/web web=shop/web:v5")).code).toBe(0);
    expect((await shell(AT_25)).code).toBe(0);
    await says("kubectl zenith abort web");
    expect((await shell(commandOf("kubectl zenith status web"))).code).toBe(2);
    expectUnhurt(["v3"]);
  });
});
