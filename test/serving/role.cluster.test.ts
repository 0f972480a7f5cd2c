import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { type FlagServer, type FlagServerOptions, startFlagServer } from "../cluster/flag-server.ts";
import { applyCrds } from "../cluster/playground.ts";
import { PlainClient } from "./grpc/lab.ts";

let cluster: Cluster;
let folder: string;
const servers: FlagServer[] = [];
beforeAll(async () => {
  cluster = await startCluster({ kwok: false, scheduler: false });
  await applyCrds(cluster);
});
afterAll(() => cluster?.stop());
afterEach(async () => {
  for (const server of servers.splice(0)) await server.running.stop();
  await cluster.startApiServerIfStopped();
  await cluster.kubectl(["delete", "featureflags,flagsegments,killswitches", "--all", "--all-namespaces"]);
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function serve(flags: string[] = [], options: FlagServerOptions = {}): Promise<FlagServer> {
  const open = flags.some((own) => own.startsWith("--anonymous=")) ? [] : ["--anonymous=server"];
  const server = await startFlagServer(cluster, [...open, ...flags], options);
  servers.push(server);
  return server;
}

const object = (kind: string, name: string, spec: object, labels: Record<string, string> = {}) => ({
  apiVersion: "zenith.sh/v1alpha1",
  kind,
  metadata: { name, namespace: "default", labels },
  spec,
});
const flag = (name: string, spec: object = {}, labels = {}) => object("FeatureFlag", name, spec, labels);
const ON = { strategy: { allAtOnce: { variant: "on" } } };
const QUARTER = {
  strategy: {
    percentage: {
      weights: [
        { variant: "on", weight: "25%" },
        { variant: "off", weight: "75%" },
      ],
    },
  },
};

async function variantOf({ ofrepUrl }: FlagServer, key: string, targetingKey = "ann"): Promise<unknown> {
  const response = await fetch(`${ofrepUrl}/ofrep/v1/evaluate/flags/${key}`, {
    method: "POST",
    body: JSON.stringify({ context: { targetingKey } }),
  });
  const answer = (await response.json()) as { variant?: string; errorCode?: string; reason?: string };
  return answer.variant ?? answer.errorCode ?? answer.reason;
}

async function eventually(what: string, isThere: () => Promise<boolean>, withinMs = 30_000): Promise<number> {
  const started = performance.now();
  while (!(await isThere())) {
    if (performance.now() - started > withinMs) throw new Error(`Waited ${withinMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return performance.now() - started;
}

/** What 1,000 users get of a flag. */
async function thousand(server: FlagServer, key: string): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (let i = 0; i < 1_000; i += 50)
    answers.push(...(await Promise.all(Array.from({ length: 50 }, (_, j) => variantOf(server, key, `user-${i + j}`)))));
  return answers;
}

describe("zenith flags", () => {
  test("serves what kubectl applies, changes and deletes, without anyone else", async () => {
    await cluster.apply([flag("a", ON), flag("b")]);
    const server = await serve();
    expect([await variantOf(server, "a"), await variantOf(server, "b")]).toEqual(["on", "off"]);
    await cluster.apply(flag("b", ON));
    await eventually("b is on", async () => (await variantOf(server, "b")) === "on");
    await cluster.apply(flag("c", { enabled: false }));
    await eventually("c is disabled", async () => (await variantOf(server, "c")) === "DISABLED");
    await cluster.kubectl(["delete", "featureflag", "a", "-n", "default"]);
    await eventually("a is gone", async () => (await variantOf(server, "a")) === "FLAG_NOT_FOUND");
  });

  test("makes safe what a KillSwitch matches with one apply, and lets go when it is deleted", async () => {
    await cluster.apply([flag("a", ON, { team: "web" }), flag("b", ON)]);
    const server = await serve();
    await cluster.apply(
      object("KillSwitch", "stop", { selector: { matchLabels: { team: "web" } }, flags: "safe", reason: "incident 7" }),
    );
    await eventually("a is safe", async () => (await variantOf(server, "a")) === "off");
    expect(await variantOf(server, "b")).toBe("on");
    await cluster.kubectl(["delete", "killswitch", "stop", "-n", "default"]);
    await eventually("a is on again", async () => (await variantOf(server, "a")) === "on");
  });

  test("is not ready, and has no port open, before the first list is compiled", async () => {
    await cluster.stopApiServer();
    const server = await serve([], { mayWait: true });
    await eventually("it answers", async () =>
      fetch(`${server.managementUrl}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const ready = await fetch(`${server.managementUrl}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, "waiting for the first list, or a snapshot\n"]);
    await expect(fetch(`${server.ofrepUrl}/ofrep/v1/evaluate/flags`, { method: "POST" })).rejects.toThrow(
      "fetch failed",
    );
    await cluster.startApiServer();
    await eventually("it is ready", async () => (await fetch(`${server.managementUrl}/readyz`)).ok);
  });

  test("answers as before while the API server is away, restarted or not", async () => {
    folder = mkdtempSync(join(tmpdir(), "zenith-flags-"));
    await cluster.apply([flag("ramp", QUARTER), flag("a", ON, { team: "web" }), flag("b", ON)]);
    await cluster.apply(
      object("KillSwitch", "stop", { selector: { matchLabels: { team: "web" } }, flags: "safe", reason: "incident 7" }),
    );
    const first = await serve([`--snapshot-dir=${folder}`]);
    await eventually("a is safe", async () => (await variantOf(first, "a")) === "off");
    const before = await thousand(first, "ramp");
    expect(new Set(before)).toEqual(new Set(["on", "off"]));
    await cluster.stopApiServer();
    expect(await thousand(first, "ramp")).toEqual(before);
    await first.running.stop();
    const second = await serve([`--snapshot-dir=${folder}`], { ports: first.ports });
    expect(second.log().some(({ msg }) => String(msg).includes("serving the snapshot"))).toBe(true);
    expect(await thousand(second, "ramp")).toEqual(before);
    expect([await variantOf(second, "a"), await variantOf(second, "b")]).toEqual(["off", "on"]);
    await cluster.startApiServer();
    await cluster.apply(flag("b"));
    await eventually("b is off", async () => (await variantOf(second, "b")) === "off");
    expect(await thousand(second, "ramp")).toEqual(before);
    expect(await variantOf(second, "a")).toBe("off");
  });

  test("serves nothing of a snapshot that is damaged", async () => {
    folder = mkdtempSync(join(tmpdir(), "zenith-flags-"));
    await cluster.apply(flag("a", ON));
    const first = await serve([`--snapshot-dir=${folder}`]);
    await eventually("it is kept", async () => readdirSync(folder).sort().join() === "flags.ndjson,keys.json");
    await first.running.stop();
    const file = join(folder, "flags.ndjson");
    writeFileSync(file, readFileSync(file, "utf8").replace('"on":true', '"on":false'));
    await cluster.stopApiServer();
    const second = await serve([`--snapshot-dir=${folder}`], { mayWait: true });
    await eventually("it says so", async () =>
      second.log().some(({ msg }) => String(msg).includes("snapshot cannot be used")),
    );
    expect((await fetch(`${second.managementUrl}/readyz`)).status).toBe(503);
    await cluster.startApiServer();
    await eventually("it is ready", async () => (await fetch(`${second.managementUrl}/readyz`)).ok);
    expect(await variantOf(second, "a")).toBe("on");
  });

  test("lets ServiceAccounts in to their namespace's flags by their tokens, also while the API server is away", async () => {
    folder = mkdtempSync(join(tmpdir(), "zenith-flags-"));
    await cluster.apply(flag("a", ON));
    await cluster.kubectl(["create", "namespace", "shop"]);
    await cluster.kubectl(["create", "serviceaccount", "web", "-n", "shop"]);
    await cluster.apply({ ...flag("a"), metadata: { name: "a", namespace: "shop" } });
    const tokenOf = async (namespace: string, audience: string) => {
      const account = namespace === "shop" ? "web" : "default";
      const { stdout } = await cluster.kubectl(["create", "token", account, "-n", namespace, `--audience=${audience}`]);
      return stdout.trim();
    };
    const [shop, own, foreign] = await Promise.all([
      tokenOf("shop", "zenith-flags"),
      tokenOf("default", "zenith-flags"),
      tokenOf("default", "https://kubernetes.default.svc"),
    ]);
    const ask = async (server: FlagServer, token?: string, selector?: string) => {
      const response = await fetch(`${server.ofrepUrl}/ofrep/v1/evaluate/flags/a`, {
        method: "POST",
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(selector === undefined ? {} : { "flagd-selector": selector }),
        },
      });
      return [response.status, ((await response.json()) as { variant?: string }).variant];
    };
    const check = async (server: FlagServer) => {
      expect(await ask(server, own)).toEqual([200, "on"]);
      expect(await ask(server, shop)).toEqual([200, "off"]);
      expect(await ask(server, shop, "flagSetId=default")).toEqual([403, undefined]);
      expect(await ask(server, foreign)).toEqual([401, undefined]);
      expect(await ask(server)).toEqual([401, undefined]);
    };
    const first = await serve([`--snapshot-dir=${folder}`, "--anonymous=off"]);
    await eventually("the keys are kept", async () => readdirSync(folder).includes("keys.json"));
    await check(first);
    await cluster.stopApiServer();
    await check(first);
    await first.running.stop();
    const second = await serve([`--snapshot-dir=${folder}`, "--anonymous=off"], { ports: first.ports });
    await check(second);
    for (const server of [first, second])
      for (const token of [shop, own, foreign]) expect(readFileSync(server.logFile, "utf8")).not.toContain(token);
  });

  test("tells the cluster how it is, and what it has delivered", async () => {
    await cluster.apply([flag("a", ON), flag("b", { rules: [{ when: [{ segment: "nobody" }], serve: "on" }] })]);
    const server = await serve();
    await variantOf(server, "a");
    const metrics = await (await fetch(`${server.managementUrl}/metrics`)).text();
    expect(metrics).toMatch(/^zenith_flags_served 1$/m);
    expect(metrics).toMatch(/^zenith_flags_invalid 1$/m);
    expect(metrics).toMatch(/^zenith_flag_evaluations_total\{protocol="ofrep",outcome="value"\} 1$/m);
    const page = (await (await fetch(`${server.managementUrl}/delivery?flagSet=default`)).json()) as {
      flagSets: { default: { a: object } };
    };
    expect(page.flagSets.default.a).toMatchObject({ clients: 0, acked: 0, evaluations: { on: 1 } });
    const { stdout } = await cluster.kubectl(["get", "featureflags", "-n", "default"]);
    expect(stdout).toContain("a");
  });

  test("keeps to itself what it is told of users, however it is told", async () => {
    await cluster.apply(flag("a", ON));
    const server = await serve(["--log-level=debug"]);
    const USER = "planted-user";
    const bodies = [`{"context":{"targetingKey":"${USER}","mail":"${USER}"}}`, `{"context":${USER}}`, `{"${USER}":1}`];
    const answers = bodies.map((body) =>
      fetch(`${server.ofrepUrl}/ofrep/v1/evaluate/flags/a`, { method: "POST", body }),
    );
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 400, 200]);
    expect(readFileSync(server.logFile, "utf8")).not.toContain(USER);
    for (const page of ["metrics", "delivery?flagSet=default"])
      expect(await (await fetch(`${server.managementUrl}/${page}`)).text()).not.toContain(USER);
  });

  test("tells of a kill those whom it has not sent away yet", async () => {
    await cluster.apply(flag("a", ON, { team: "web" }));
    const server = await serve(["--drain-seconds=60"]);
    const client = new PlainClient(server.ports.sync);
    // Clients are sent away fifty at a time: the last ones stay for many seconds.
    const listen = () => client.listen("flagd.sync.v1.FlagSyncService/SyncFlags", {}, "flagSetId=default");
    const { messages } = Array.from({ length: 100 }, listen).at(-1) as ReturnType<typeof listen>;
    const isOn = () => String(messages.at(-1)?.flagConfiguration).includes('"defaultVariant":"on"');
    await eventually("it has the flag", async () => isOn());
    server.running.signal("SIGTERM");
    await eventually("it is going", async () => (await fetch(`${server.managementUrl}/readyz`)).status === 503);
    const selector = { matchLabels: { team: "web" } };
    await cluster.apply(object("KillSwitch", "stop", { selector, flags: "safe", reason: "incident 7" }));
    await eventually("it has the kill", async () => !isOn(), 10_000);
    client.close();
    server.running.signal("SIGKILL");
  });

  test("goes when it is told to, within its time, and says that it is not ready meanwhile", async () => {
    await cluster.apply(flag("a", ON));
    const server = await serve(["--drain-seconds=3"]);
    const stream = await fetch(`${server.ofrepUrl}/ofrep/v1/events?flagSetId=default&viewer=server`);
    const started = performance.now();
    server.running.signal("SIGTERM");
    await eventually("it is not ready", async () => (await fetch(`${server.managementUrl}/readyz`)).status === 503);
    expect(await variantOf(server, "a")).toBe("on");
    expect(await stream.text()).toContain("refetchEvaluation");
    expect(await server.running.ended).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
