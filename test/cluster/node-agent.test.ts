import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Condition, KubeObject } from "../../src/api/kubernetes.ts";
import { whole } from "../kube/reflector-lab.ts";
import {
  eventually,
  json,
  kubeConfigOf,
  type ScriptedServer,
  type Seen,
  startScriptedServer,
  stream,
} from "../kube/scripted-server.ts";
import { type NodeAgent, startNodeAgent } from "./node-agent.ts";

/** Answers its probes as the plan says, one after the other, and ends when there is no more of it. */
const PROGRAM = `
const plan = process.env.PLAN.split(" ");
require("node:http")
  .createServer((request, response) => {
    if (plan.length === 0) process.exit(0);
    response.writeHead(Number(plan.length > 1 || process.env.ENDS ? plan.shift() : plan[0])).end();
  })
  .listen(Number(process.env.PORT), "127.0.0.1");
`;
const PATIENCE_MS = 25_000; // A process starts first.

let folder: string;
let server: ScriptedServer;
let agent: NodeAgent;
let told: Seen[];
/** Set, and no status is answered before it resolves. */
let held: Promise<void> | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "zenith-node-agent-"));
  server = await startScriptedServer();
  told = [];
  held = undefined;
});
afterEach(async () => {
  await agent?.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function run(plan: string, ends = ""): Promise<void> {
  const env = [
    { name: "PLAN", value: plan },
    { name: "ENDS", value: ends },
  ];
  const readinessProbe = { httpGet: { path: "/ready" }, periodSeconds: 0.2, timeoutSeconds: 10, failureThreshold: 3 };
  const container = { name: "web", image: "shop/web:v1", command: ["node", "-e", PROGRAM], env, readinessProbe };
  const metadata = { name: "web", namespace: "shop", uid: "1", resourceVersion: "5" };
  const spec = { nodeName: "processes", restartPolicy: "Never", containers: [container] };
  const pod = { apiVersion: "v1", kind: "Pod", metadata, spec } as KubeObject;
  server.play((response, seen) => {
    if (seen.path === "/api/v1/pods") return stream(whole(10, [pod]))(response, seen);
    if (!seen.path.endsWith("/pods/web/status")) return json(200, {})(response, seen);
    told.push(seen);
    void (held ?? Promise.resolve()).then(() => json(200, pod)(response, seen));
  });
  writeFileSync(join(folder, "kubeconfig"), kubeConfigOf(server.url).exportConfig());
  agent = await startNodeAgent(join(folder, "kubeconfig"), folder);
}

interface Told {
  readonly phase: string;
  readonly conditions: readonly Condition[];
}

const statusOf = ({ body }: Seen) => (JSON.parse(body) as { status: Told }).status;
const isReady = (seen: Seen) =>
  statusOf(seen).conditions.some(({ type, status }) => type === "Ready" && status === "True");

describe("a pod of the node agent", () => {
  test("that was ready is so until its probe has failed failureThreshold times in a row", async () => {
    await run("200 200 200 503 503 200 503 503 503", "yes");
    const isOver = () => told.some((seen) => statusOf(seen).phase === "Succeeded");
    await eventually("the plan is over", isOver, PATIENCE_MS);
    const states = told.map(isReady);
    expect(states.filter((ready, i) => ready !== states[i - 1])).toEqual([false, true, false]);
  });

  test("tells its status one at a time, and at last as it is", async () => {
    let release = () => {};
    held = new Promise((resolve) => {
      release = resolve;
    });
    await run("503 200");
    await eventually("told", () => told.length === 1, PATIENCE_MS);
    const address = () => agent.addressOf("10.244.0.2");
    await eventually("it runs", () => address() !== undefined, PATIENCE_MS);
    for (let probes = 0; probes < 3; ) {
      const isUp = await fetch(`http://${address()}/`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isUp) probes++;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    expect(told.map(isReady)).toEqual([false]);
    release();
    await eventually("told that it is ready", () => told.map(isReady).at(-1) === true, PATIENCE_MS);
    expect(told).toHaveLength(2);
  });
});
