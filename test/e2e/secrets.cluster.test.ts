import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCrds, type Operator, startOperator } from "../cluster/playground.ts";

/*
 * What must stay secret is planted wherever the operator reads it, and a Prometheus that refuses in each way repeats it. Two releases
 * are held by that, and whatever the operator tells of them is searched. Pods are kwok's.
 */

const TOKEN = "planted-token";
const API_KEY = "planted-api-key";
const ENVIRONMENT = "planted-in-the-environment";
const RESULTS = "planted-in-results";

let cluster: Cluster;
let prometheus: Server;
let operator: Operator;
/** Headers that the operator let itself in with. */
const letIn = new Set<string>();

beforeAll(async () => {
  cluster = await startCluster();
  await applyCrds(cluster);
  prometheus = createServer(refuse).listen(0, "127.0.0.1");
  await new Promise((resolve) => prometheus.once("listening", resolve));
  writeFileSync(cluster.path("token"), TOKEN);
  writeFileSync(cluster.path("headers"), `X-Api-Key: ${API_KEY}\n`);
  operator = await startOperator(cluster, [
    ...["--gates", "--log-level=debug"],
    `--prometheus-url=http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`,
    ...[
      `--prometheus-bearer-token-file=${cluster.path("token")}`,
      `--prometheus-headers-file=${cluster.path("headers")}`,
    ],
  ]);
  await cluster.apply(results());
}, 1_200_000);

afterAll(async () => {
  await operator?.running.stop();
  prometheus?.close();
  await cluster?.stop();
});

/** Says no, in the way that the query names, and repeats what it was told. */
async function refuse(asked: IncomingMessage, response: ServerResponse): Promise<void> {
  const heard = `${asked.headers.authorization} ${asked.headers["x-api-key"]}`;
  for (const secret of [TOKEN, API_KEY]) if (heard.includes(secret)) letIn.add(secret);
  const form = decodeURIComponent((await asked.toArray()).join(""));
  if (form.includes("bad_query"))
    response.writeHead(400).end(JSON.stringify({ status: "error", errorType: "bad_data", error: heard }));
  else if (form.includes("bad_page")) response.end(`<html>${heard}`);
  else response.writeHead(401, { "x-heard": heard }).end(heard);
}

function results(): object {
  const metadata = { name: "ci", namespace: "default", labels: { "zenith.sh/gate": "true" } };
  const data = { "junit.xml": `<testsuite><testcase name="${RESULTS}"><failure>${RESULTS}</failure></testcase>` };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}

const GATES = [
  { tests: { configMap: { name: "ci" } } },
  ...["bad_query", "bad_page", "up"].map((promql) => ({ metric: { name: promql.replace("_", "-"), promql, min: 1 } })),
];

const rollout = (name: string, version: string, spec: object): object => ({
  apiVersion: "zenith.sh/v1alpha1",
  kind: "Rollout",
  metadata: { name, namespace: "default" },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: "web", image: `web:${version}`, env: [{ name: "KEY", value: ENVIRONMENT }] }] },
    },
    strategy: { canary: { steps: [{ weight: 50 }, { pause: {} }] } },
    ...spec,
  },
});

const gated = (version: string) => rollout("gated", version, { gates: GATES, analysis: { disabled: true } });
const judged = (version: string) => rollout("judged", version, { analysis: { interval: "1s" } });

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  expect({ args, code, stderr }).toMatchObject({ code: 0 });
  return stdout;
}

interface Told {
  readonly status?: object;
}

/** What status says of both. */
async function statuses(): Promise<string> {
  const { items } = JSON.parse(await kubectl("get", "rollouts", "-o", "json")) as { items: Told[] };
  return JSON.stringify(items.map(({ status }) => status));
}

async function metrics(): Promise<string> {
  return await (await request(operator.metricsUrl)).body.text();
}

describe("nothing secret is told", () => {
  test("a release that cannot be judged, and one whose gates cannot be read, wait", async () => {
    for (const of of [gated, judged]) await cluster.apply(of("v1"));
    await kubectl("wait", "rollout", "--all", "--for=jsonpath={.status.phase}=Healthy", "--timeout=60s");
    for (const of of [gated, judged]) await cluster.apply(of("v2"));
    for (const said of ["it is no XML", "400 (bad_data)", "not its JSON", "401: it does not let us in"])
      await expect.poll(statuses, { timeout: 60_000 }).toContain(said);
    expect([...letIn].sort()).toEqual([API_KEY, TOKEN]);
  });

  test.each<[string, () => Promise<string>, string]>([
    ["the log", async () => readFileSync(operator.logFile, "utf8"), "default/judged"],
    ["Events", async () => await kubectl("get", "events.events.k8s.io", "-o", "json"), '"Rollout"'],
    ["metrics", metrics, "zenith_"],
    ["status", statuses, "it does not let us in"],
  ])("by %s", async (_, tell, known) => {
    const told = await tell();
    expect(told).toContain(known);
    expect([TOKEN, API_KEY, RESULTS, ENVIRONMENT].filter((secret) => told.includes(secret))).toEqual([]);
  });
});
