import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FeatureFlag } from "../../src/api/feature-flag.ts";
import { SseClient } from "../bench/sse-client.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { type FlagServer, startFlagServer } from "../cluster/flag-server.ts";
import { applyCrds, type Operator, startOperator } from "../cluster/playground.ts";
import { PlainClient } from "./grpc/lab.ts";

/*
 * What the operator tells in status of what two real flag servers have delivered to real streams. Each test goes on where the one
 * before ended.
 */

const SERVICE = "zenith-flags-metrics";
const SYNC = "flagd.sync.v1.FlagSyncService/SyncFlags";
const EVENTS = "flagd.evaluation.v1.Service/EventStream";

let cluster: Cluster;
let servers: FlagServer[];
let operator: Operator;
/** Says where the virtual addresses of the servers' pods are served. */
let pods: Server;
let closes: (() => void)[];

beforeAll(async () => {
  cluster = await startCluster({ kwok: false, scheduler: false, controllers: false });
  await applyCrds(cluster);
  servers = await Promise.all([0, 1].map(() => startFlagServer(cluster, ["--anonymous=server"])));
  pods = createServer(({ url = "" }, response) => {
    const server = servers[Number(url.split(".").at(-1)) - 1];
    response.end(server === undefined ? "" : `127.0.0.1:${server.ports.management}`);
  });
  await new Promise<void>((resolve) => pods.listen(0, "127.0.0.1", resolve));
  await cluster.apply([service(), slice(2)]);
  const podAddresses = `http://127.0.0.1:${(pods.address() as AddressInfo).port}/`;
  operator = await startOperator(cluster, [`--flag-servers=default/${SERVICE}`], { podAddresses });
  closes = [];
}, 1_200_000);

afterAll(async () => {
  for (const close of closes ?? []) close();
  await operator?.running.stop();
  for (const { running } of servers ?? []) await running.stop();
  pods?.close();
  await cluster?.stop();
});

function service(): object {
  const spec = { clusterIP: "None", ports: [{ name: "metrics", port: 8014 }] };
  return { apiVersion: "v1", kind: "Service", metadata: { name: SERVICE, namespace: "default" }, spec };
}

/** @param going the last of them is on its way out */
function slice(count: number, going = false): object {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: SERVICE, namespace: "default", labels: { "kubernetes.io/service-name": SERVICE } },
    addressType: "IPv4",
    ports: [{ name: "metrics", port: 8014, protocol: "TCP" }],
    endpoints: Array.from({ length: count }, (_, i) => ({
      addresses: [`10.244.77.${i + 1}`],
      conditions: going && i === count - 1 ? { ready: false, terminating: true } : { ready: true },
    })),
  };
}

const object = (kind: string, name: string, spec: object) => ({
  apiVersion: "zenith.sh/v1alpha1",
  kind,
  metadata: { name, namespace: "default", labels: { app: "shop" } },
  spec,
});
const flag = (name: string, keys: string[] = []) =>
  object("FeatureFlag", name, { ...(keys.length === 0 ? {} : { targets: [{ variant: "on", keys }] }) });

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(["-n", "default", ...args]);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

/** Resolves once the server counts it. */
async function begun({ messages }: { readonly messages: readonly unknown[] }): Promise<void> {
  while (messages.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

const flagOf = async (name: string) => JSON.parse(await kubectl("get", "zff", name, "-o", "json")) as FeatureFlag;
const conditionOf = async (name: string, type: string) =>
  (await flagOf(name)).status?.conditions?.find((condition) => condition.type === type);
const delivered = (name: string) => kubectl("wait", "--for=condition=Delivered", `zff/${name}`, "--timeout=60s");
const reason = (name: string, wanted: string) =>
  kubectl("wait", `--for=jsonpath={.status.conditions[?(@.type=="Delivered")].reason}=${wanted}`, `zff/${name}`);

describe("Delivered", () => {
  test("is there for kubectl wait right after an apply, with how many have it", async () => {
    for (const { ports } of servers) {
      const [sync, events] = [new PlainClient(ports.sync), new PlainClient(ports.evaluation)];
      for (const stream of [sync.listen(SYNC, {}, "flagSetId=default"), events.listen(EVENTS, {}, "flagSetId=default")])
        await begun(stream);
      const browser = new SseClient(ports.ofrep, "default", () => undefined);
      await browser.opened;
      void browser.fetched("never"); // It fetches whenever it is told to.
      closes.push(
        () => sync.close(),
        () => events.close(),
        () => browser.close(),
      );
    }
    await cluster.apply(flag("checkout"));
    await delivered("checkout");
    const { status } = await flagOf("checkout");
    expect(status?.delivery).toMatchObject({ servers: 2, clients: 6, acked: 6 });
    expect(await conditionOf("checkout", "Delivered")).toMatchObject({
      reason: "Delivered",
      message: expect.stringMatching(/^all of 6 connected clients have it, within \d+ ms, from 2 flag servers$/),
    });
    expect(await kubectl("get", "zff", "checkout", "-o", "wide")).toMatch(/\b6\/6\b/);
  });

  test("is so again after each change, and after a kill, of the version that is served then", async () => {
    const before = (await flagOf("checkout")).status?.delivery?.version;
    await cluster.apply(flag("checkout", ["ann"]));
    await delivered("checkout");
    const changed = (await flagOf("checkout")).status?.delivery;
    expect(changed).toMatchObject({ acked: 6, version: expect.not.stringMatching(`^${before}$`) });
    const kill = { selector: { matchLabels: { app: "shop" } }, flags: "safe", reason: "a test" };
    await cluster.apply(object("KillSwitch", "stop", kill));
    await kubectl("wait", "--for=condition=Killed", "zff/checkout", "--timeout=60s");
    await delivered("checkout");
    const killed = (await flagOf("checkout")).status?.delivery;
    expect(killed).toMatchObject({ acked: 6, version: expect.not.stringMatching(`^${changed?.version}$`) });
    await kubectl("delete", "killswitch", "stop");
    await kubectl("wait", "--for=condition=Killed=false", "zff/checkout", "--timeout=60s");
    await delivered("checkout");
  });

  test("counts who is told by one server and fetches from the other", async () => {
    const [told = 0, asked] = servers.map(({ ports }) => ports.ofrep);
    const browser = new SseClient(told, "default", () => undefined, asked);
    await browser.opened;
    void browser.fetched("never");
    await cluster.apply(flag("checkout", ["eve"]));
    await delivered("checkout");
    const message = (await conditionOf("checkout", "Delivered"))?.message;
    expect(message).toMatch(/^all of 7 connected clients have it/);
    browser.close();
  });

  test("is False while a server hangs, which holds up nothing that the other one says", async () => {
    const [, hanging] = servers;
    hanging?.running.signal("SIGSTOP");
    await cluster.apply(flag("checkout", ["ann", "ben"]));
    await reason("checkout", "ServerSilent");
    expect(await conditionOf("checkout", "Delivered")).toMatchObject({ status: "False" });
    await cluster.apply(flag("cart"));
    await reason("cart", "ServerSilent");
    hanging?.running.signal("SIGCONT");
    await delivered("checkout");
    await delivered("cart");
  });

  test("costs nothing at rest, whoever comes and goes", async () => {
    const { metadata } = await flagOf("checkout");
    const late = new PlainClient(servers[0]?.ports.sync ?? 0);
    const stream = late.listen(SYNC, {}, "flagSetId=default");
    await begun(stream);
    stream.stop();
    late.close();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect((await flagOf("checkout")).metadata.resourceVersion).toBe(metadata.resourceVersion);
  });

  test("waits for the clients of a server that goes, too", async () => {
    await cluster.apply(slice(2, true));
    await cluster.apply(flag("checkout", ["fay"]));
    await delivered("checkout");
    expect((await flagOf("checkout")).status?.delivery).toMatchObject({ servers: 2, clients: 6, acked: 6 });
  });

  test("says that no server is there, and that one is again", async () => {
    await cluster.apply(slice(0));
    await cluster.apply(flag("checkout", ["ann"]));
    await reason("checkout", "NoServer");
    await cluster.apply(slice(1));
    await delivered("checkout");
    expect((await flagOf("checkout")).status?.delivery).toMatchObject({ servers: 1, clients: 3, acked: 3 });
  });
});

describe("what is wrong with a flag", () => {
  test.each<[string, object, string]>([
    ["a segment that is missing", { rules: [{ when: [{ segment: "staff" }], serve: "on" }] }, "SegmentMissing"],
    ["a prerequisite that is missing", { prerequisites: [{ flag: "api", variants: ["on"] }] }, "PrerequisiteMissing"],
    ["a key that another flag has", { key: "checkout" }, "KeyTaken"],
  ])("becomes a condition within five seconds: %s", async (what, spec, wanted) => {
    const name = what.replaceAll(" ", "-");
    await cluster.apply(object("FeatureFlag", name, spec));
    await kubectl("wait", "--for=condition=Ready=false", `zff/${name}`, "--timeout=60s");
    const { metadata } = await flagOf(name);
    const ready = await conditionOf(name, "Ready");
    expect(ready?.reason).toBe(wanted);
    const tookMs = Date.parse(ready?.lastTransitionTime ?? "") - Date.parse(metadata.creationTimestamp ?? "");
    expect(tookMs).toBeLessThanOrEqual(5_000);
  });
});
