import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { service, shop } from "../demo/shop.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { startLoad, untilServed } from "./load.ts";
import { Playground } from "./playground.ts";

/** What other tests rest on: a gateway that would show a mistake, and nothing that outlives a run. */

describe("the stand-in gateway", () => {
  let playground: Playground;

  beforeAll(async () => {
    playground = await Playground.start({ gatewayLagMs: 300 });
    const { cluster } = playground;
    const canary = { ...service(), metadata: { name: "web-canary", namespace: "default" } } as KubeObject;
    await cluster.apply([...shop({ replicas: 1 }), canary]);
    await untilServed(playground.gateway.url, "web.example");
  }, 1_200_000);

  afterAll(async () => await playground?.stop());

  /** Gives the backends of the route their weights. */
  async function split(weights: Record<string, number>): Promise<void> {
    const backendRefs = Object.entries(weights).map(([name, weight]) => ({ name, port: 80, weight }));
    const patch = JSON.stringify([{ op: "replace", path: "/spec/rules/0/backendRefs", value: backendRefs }]);
    const { code, stderr } = await playground.cluster.kubectl([
      "patch",
      "httproute",
      "web",
      "--type=json",
      "-p",
      patch,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  }

  /** Failed requests while the route is changed, each change two seconds after the one before. */
  async function faultsOf(...changes: readonly Record<string, number>[]): Promise<number> {
    const load = startLoad(playground.gateway.url, 200, { host: "web.example" });
    for (const change of changes) {
      await split(change);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
    await load.stop();
    return load.faults.length;
  }

  test("fails requests of a backend that enters with weight, as those do that learn routes before clusters", async () => {
    expect(await faultsOf({ web: 50, "web-canary": 50 }, { web: 1 })).toBeGreaterThan(0);
  });

  test("and none of one that enters at 0, and leaves from there", async () => {
    const zero = { web: 100, "web-canary": 0 };
    expect(await faultsOf(zero, { web: 50, "web-canary": 50 }, zero, { web: 1 })).toBe(0);
  });
});

describe("a run that is killed", () => {
  const PROGRAM = `
    import { Playground } from "./test/cluster/playground.ts";
    import { shop } from "./test/demo/shop.ts";
    const { cluster, agent } = await Playground.start();
    await cluster.apply(shop({ replicas: 2 }));
    await cluster.kubectl(["rollout", "status", "deployment/web", "--timeout=60s"]);
    console.log(JSON.stringify({ directory: cluster.directory, agent: agent.targetsUrl }));
    setInterval(() => undefined, 1_000);
  `;

  /** Programs to which it was said, by an argument or in their environment. */
  function programsWith(said: string): string[] {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return pids.flatMap((pid) => {
      try {
        const [command = "", environment = ""] = ["cmdline", "environ"].map((file) =>
          readFileSync(`/proc/${pid}/${file}`, "utf8").replaceAll("\0", " "),
        );
        return command.includes(said) || environment.includes(said) ? [command] : [];
      } catch {
        return []; // It has just ended.
      }
    });
  }

  let next: Cluster | undefined;
  afterAll(async () => await next?.stop());

  test("leaves no program behind, and the next one takes its folder away", async () => {
    const stdio = ["ignore", "pipe", "inherit"] as const;
    const run = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], { stdio: [...stdio] });
    const [said] = (await once(run.stdout, "data")) as [Buffer];
    const { directory, agent } = JSON.parse(said.toString()) as { directory: string; agent: string };
    const left = () => [...programsWith(directory), ...programsWith(agent)];
    expect(programsWith(directory).length).toBeGreaterThanOrEqual(4); // etcd, the API server, its controllers, the scheduler.
    expect(programsWith(agent)).toHaveLength(2); // Pods.
    run.kill("SIGKILL");
    for (const endMs = performance.now() + 30_000; left().length > 0 && performance.now() < endMs; )
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(left()).toEqual([]);
    next = await startCluster({ controllers: false, scheduler: false });
    expect(existsSync(directory)).toBe(false);
  }, 120_000);
});
