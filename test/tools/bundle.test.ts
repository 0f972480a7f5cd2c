import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "../../scripts/bundle.ts";
import { eventually, startScriptedServer } from "../kube/scripted-server.ts";

let directory: string;
let path: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "zenith-bundle-"));
  path = await bundle("zenith", directory);
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("what a start does not need is not in the bundle: API classes, fetch, mocks, forty languages", () => {
  const { outputs } = JSON.parse(readFileSync(join(directory, "zenith.meta.json"), "utf8")) as {
    outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>;
  };
  const shipped = Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([input, { bytesInOutput }]) => (bytesInOutput > 0 ? [input] : []));
  expect(shipped.filter((input) => /client-node\/dist\/gen\/(apis|models|types)\//.test(input))).toEqual([]);
  expect(shipped.filter((input) => /undici\/lib\/(web\/fetch\/index|mock|cache)/.test(input))).toEqual([]);
  expect(shipped.filter((input) => /zod\/.*\/locales\/(?!index)/.test(input)).map((input) => input.slice(-5))).toEqual([
    "en.js",
  ]);
});

test("it asks the API server of its kubeconfig", async () => {
  const server = await startScriptedServer();
  const kubeconfig = join(directory, "kubeconfig.json");
  const clusters = [{ name: "scripted", cluster: { server: server.url, "insecure-skip-tls-verify": true } }];
  const contexts = [{ name: "scripted", context: { cluster: "scripted", user: "somebody" } }];
  const users = [{ name: "somebody", user: { token: "secret" } }];
  const config = { apiVersion: "v1", kind: "Config", clusters, contexts, users, "current-context": "scripted" };
  writeFileSync(kubeconfig, JSON.stringify(config));
  const nowhere = ["--metrics-bind-address=0", "--health-probe-bind-address=0"];
  const operator = spawn(process.execPath, [path, "operator", `--kubeconfig=${kubeconfig}`, ...nowhere]);
  try {
    const isWatched = () => server.seen.some(({ method, path: to }) => method === "GET" && to.endsWith("/rollouts"));
    await eventually("a watch was asked for", isWatched, 25_000); // A process starts first.
    expect(server.seen[0]?.headers.authorization).toBe("Bearer secret");
  } finally {
    operator.kill("SIGKILL");
    await server.stop();
  }
});
