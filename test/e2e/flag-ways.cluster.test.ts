import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FlagServer, startFlagServer } from "../cluster/flag-server.ts";
import { type Load, startLoad } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { deployment } from "../demo/shop.ts";
import { ask, FlagStory, flagShop } from "./flag-story.ts";
import { Story } from "./story.ts";

/*
 * What a flag does besides going up and straight back, on a real control plane. Each story has flags and Rollouts of its own, and
 * they are played at the same time: much of each is waiting.
 */

let playground: Playground;
let server: FlagServer;
let flags: FlagStory;
let rollouts: Story;
let harmFile: string;
const loads: Load[] = [];

/** Flags of the shop that its clients ask for all the time. */
const JUDGED = ["graceful", "careful", "told"];
const USERS = Array.from({ length: 60 }, (_, i) => `user-${i}`);

beforeAll(async () => {
  playground = await Playground.start();
  const { cluster, gateway } = playground;
  harmFile = cluster.path("harm");
  server = await startFlagServer(cluster);
  const harms = { HARM: "0.2" };
  await cluster.apply([
    ...flagShop(server, harmFile, harms),
    ...flagShop(server, harmFile, { ...harms, PLAIN: "plain", FLAG_KEY: "wide" }, "plain"),
    ...["follows", "leads", "stops"].map((name) => deployment({ name, replicas: 2 })),
  ]);
  [flags, rollouts] = [await FlagStory.begin(playground), await Story.begin(playground)];
  await playground.startOperator();
  for (const name of ["web", "plain", "follows", "leads", "stops"])
    await flags.kubectl("rollout", "status", `deployment/${name}`, "--timeout=60s");
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // Until the gateway serves.
  let turn = 0;
  const next = () => ({ path: `/${JUDGED[turn++ % JUDGED.length]}`, headers: {} });
  loads.push(startLoad(gateway.url, 180, { host: "web.example" }, { next, heard: () => undefined }));
  loads.push(startLoad(gateway.url, 60, { host: "plain.example" }));
}, 1_200_000);

afterAll(async () => {
  for (const load of loads) await load.stop();
  await flags?.end();
  await rollouts?.end();
  await server?.running.stop();
  await playground?.stop();
});

const flag = (name: string, spec: string, labels = "{}") => `
apiVersion: zenith.sh/v1alpha1
kind: FeatureFlag
metadata: {name: ${name}, namespace: default, labels: ${labels}}
spec:
  ${spec}
`;

const ramp = (steps: string, more = "") => `strategy: {canary: {variant: "on", steps: [${steps}], ${more}}}`;
const judged = (steps: string, onFailure: string) =>
  ramp(steps, `bake: 0s, onFailure: ${onFailure}, analysis: {interval: 2s, metrics: [{errorRate: {max: 1%}}]}`);

/** From now on some requests of the flag's treated users fail. */
function harm(name: string): void {
  writeFileSync(`${harmFile}.${name}`, "");
}

/** Those of the users who get the variant from the program. */
async function treated(key: string): Promise<string[]> {
  const answers = await Promise.all(USERS.map((user) => ask(playground.gateway.url, user, key)));
  return USERS.filter((_, i) => answers[i]?.variant === "on");
}

/** Who gets the variant once every pod of the program has heard: until then one and the same user may be told either. */
async function arrived(key: string): Promise<string[]> {
  let last: string[] = [];
  return await eventually("the variant to arrive", async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = await treated(key);
    const isSame = now.length > 0 && now.join() === last.join();
    last = now;
    return isSame ? now : undefined;
  });
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>, withinMs = 30_000): Promise<T> {
  for (const end = performance.now() + withinMs; performance.now() < end; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`Waited ${withinMs} ms for ${what}`);
}

const eventsOf = (name: string) =>
  flags.kubectl(
    "get",
    "events",
    "--field-selector",
    `involvedObject.name=${name}`,
    "-o",
    "jsonpath={.items[*].reason}",
  );

/** A Rollout of two pods that nobody asks anything: by a query that is always well it has a bake. */
const release = (name: string) => `
apiVersion: zenith.sh/v1alpha1
kind: Rollout
metadata: {name: ${name}, namespace: default, labels: {app: ${name}}}
spec:
  workloadRef: {kind: Deployment, name: ${name}}
  strategy: {canary: {steps: [{weight: 50}, {pause: {}}], settle: 1s, drain: 1s, scaleDownDelay: 5m}}
  analysis: {interval: 1s, metrics: [{query: {name: well, promql: "vector(0)", max: 1}}]}
  bake: 1h
`;

/** A Rollout that has come to its pause at half of its pods. */
async function halfway(name: string, image: string): Promise<void> {
  await rollouts.release(image, name);
  await rollouts.phase("Paused", name);
}

async function adopted(name: string): Promise<void> {
  await flags.apply(release(name));
  await rollouts.phase("Healthy", name);
}

async function requestOf(kind: string, name: string, verb: string): Promise<void> {
  const hash = flags.status(name).servedHash;
  await flags.kubectl("annotate", kind, name, "--overwrite", `zenith.sh/request=${verb}@${hash}#${Date.now()}`);
}

const HALF = "{weight: 50}, {pause: {}}";

describe.concurrent("onFailure", () => {
  test("gracefulRevert lets its users go one after the other, and nobody new comes", { timeout: 240_000 }, async () => {
    await flags.apply(flag("graceful", judged(HALF, "gracefulRevert")));
    await flags.phase("Paused", "graceful");
    const before = await arrived("graceful");
    harm("graceful");
    const { override } = await flags.phase("Reverted", "graceful");
    expect(override).toMatchObject({ kind: "gracefulRevert", reason: "AnalysisFailed", pivot: { weightBp: 5_000 } });
    expect(flags.status("graceful").message).toMatch(/^on the way back from 50 % to "off" until .*error-rate/);
    let last = before;
    const sizes = new Set<number>();
    for (const endMs = Date.parse(override?.pivot?.until ?? "") + 10_000; last.length > 0 && Date.now() < endMs; ) {
      const now = await treated("graceful");
      expect(now.filter((user) => !last.includes(user))).toEqual([]);
      sizes.add(now.length);
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    expect(last).toEqual([]);
    expect(sizes.size).toBeGreaterThan(3); // They did not go all at once.
    const served = ({ message = "" }) => /^"off" is served: error-rate/.test(message);
    await flags.until("graceful", served, "the end of the way back");
  });

  test("pause keeps its users and lets nobody new in, until a person says that it may go on", async () => {
    await flags.apply(flag("careful", judged(`{weight: 25}, {pause: {for: 10m}}, ${HALF}`, "pause")));
    await flags.until("careful", ({ serving }) => serving?.weightBp === 2_500, "25 %");
    harm("careful");
    const { message, override, serving } = await flags.phase("Paused", "careful");
    expect(message).toMatch(/^held at harm: error-rate .*; promote to go on all the same, or abort$/);
    expect([override, serving?.weightBp]).toEqual([undefined, 2_500]);
    expect((await treated("careful")).length).toBeGreaterThan(0);
    await requestOf("zff", "careful", "promote");
    await flags.until("careful", ({ serving }) => serving?.weightBp === 5_000, "50 %, by request");
  });

  test("notify tells of the harm, and the ramp goes on", async () => {
    await flags.apply(flag("told", judged(`{weight: 25}, {pause: {for: 20s}}, ${HALF}`, "notify")));
    await flags.until("told", ({ serving }) => serving?.weightBp === 2_500, "25 %");
    harm("told");
    const { override } = await flags.until("told", ({ serving }) => serving?.weightBp === 5_000, "50 %");
    expect(override).toBeUndefined();
    await eventually("the Event", async () => (await eventsOf("told")).includes("AnalysisFailed") || undefined);
    expect((await treated("told")).length).toBeGreaterThan(0);
  });
});

describe.concurrent("a program that does not say which variant a request met", () => {
  test("is judged as a whole, against the time before, and the flag goes back", async () => {
    await eventually("enough requests before the ramp", async () =>
      (loads[1]?.tallies.default?.requests ?? 0) > 600 ? true : undefined,
    );
    const analysis = "{interval: 2s, compare: beforeAfter, match: {app: plain}, metrics: [{errorRate: {max: 1%}}]}";
    await flags.apply(flag("wide", ramp(HALF, `analysis: ${analysis}`)));
    await flags.until("wide", ({ analysis }) => analysis?.before !== undefined, "the time before to be known");
    expect(flags.status("wide").analysis).toMatchObject({ compare: "beforeAfter", before: { "error-rate": 0 } });
    harm("wide");
    const { override } = await flags.phase("Reverted", "wide");
    const [, times] =
      /^error-rate \d+(?:\.\d+)? % \(\d+\/\d+\), before 0 %.*: (\d+) times in a row$/.exec(override?.message ?? "") ??
      [];
    expect(Number(times), override?.message).toBeGreaterThanOrEqual(3); // An answer that is late counts for two windows.
  });
});

describe.concurrent("a flag and a Rollout", () => {
  test("the flag waits until the version is there, and goes back with it", async () => {
    await adopted("follows");
    await halfway("follows", "shop/web:v2");
    const linked = `rolloutRef: {name: follows, revertTogether: flag}\n  ${ramp(HALF)}`;
    await flags.apply(flag("follower", linked));
    const held = /^holding: Rollout "follows" is Paused; the flag rises once its revision is healthy$/;
    await flags.until("follower", ({ message = "" }) => held.test(message), "the flag to wait");
    expect(flags.status("follower").serving?.weightBp ?? 0).toBe(0);
    await rollouts.request("promote", "follows");
    await rollouts.phase("Baking", "follows");
    await flags.phase("Paused", "follower"); // At half of its users.
    await rollouts.request("rollback", "follows");
    await rollouts.phase("Reverted", "follows");
    const { override } = await flags.phase("Reverted", "follower");
    expect(override).toMatchObject({ reason: "RolloutReverted" });
    expect(override?.message).toMatch(/^Rollout "follows" was reverted: /);
  });

  test("the version goes back with the flag", async () => {
    await adopted("leads");
    await halfway("leads", "shop/web:v2");
    await rollouts.request("promote", "leads");
    await rollouts.phase("Baking", "leads");
    const linked = `rolloutRef: {name: leads, revertTogether: rollout}\n  ${ramp(HALF)}`;
    await flags.apply(flag("leader", linked));
    await flags.phase("Paused", "leader");
    await requestOf("zff", "leader", "abort");
    await flags.phase("Reverted", "leader");
    const { rejected } = await rollouts.phase("Reverted", "leads");
    expect(rejected).toMatchObject({ reason: "FlagReverted" });
    expect(rejected?.message).toBe('FeatureFlag "leader" was reverted: aborted by request');
  });
});

describe.concurrent("a KillSwitch for Rollouts", () => {
  const kill = (rollouts: string) => `
apiVersion: zenith.sh/v1alpha1
kind: KillSwitch
metadata: {name: stop-it, namespace: default}
spec: {selector: {matchLabels: {app: stops}}, rollouts: ${rollouts}, reason: night shift}
`;

  test("holds what is on its way, lets it go on once released, and takes it back where it says abort", async () => {
    await adopted("stops");
    await halfway("stops", "shop/web:v2");
    await flags.apply(kill("hold"));
    await flags.kubectl("wait", "--for=jsonpath={.status.rollouts}=1", "killswitch/stop-it", "--timeout=10s");
    await rollouts.request("promote", "stops");
    const held = ({ message = "" }) => message.includes('held by KillSwitch "stop-it": night shift');
    await rollouts.until("stops", held, "the release to be held");
    expect(rollouts.status("stops").weights?.desired).toBe(50);
    await flags.kubectl("delete", "killswitch", "stop-it");
    await rollouts.phase("Baking", "stops");
    await halfway("stops", "shop/web:v5");
    await flags.apply(kill("abort"));
    const { rejected } = await rollouts.phase("Reverted", "stops");
    expect(rejected).toMatchObject({ reason: "Killed", message: 'aborted by KillSwitch "stop-it": night shift' });
    await flags.kubectl("delete", "killswitch", "stop-it");
  });
});

describe.concurrent("a schedule", () => {
  test("holds a ramp through a freeze, and lets it begin when that ends", async () => {
    const to = new Date(Date.now() + 30_000).toISOString().replace(/\.\d+Z/, "Z");
    const freeze = `schedule: {freezes: [{from: "2020-01-01T00:00:00Z", to: "${to}", reason: fair}]}`;
    await flags.apply(flag("frozen", `${freeze}\n  ${ramp(HALF)}`));
    await flags.until("frozen", ({ message }) => message === `holding: frozen until ${to} (fair)`, "the freeze");
    expect(flags.status("frozen").serving?.weightBp ?? 0).toBe(0);
    await flags.phase("Paused", "frozen");
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(to));
    expect(flags.status("frozen").serving?.weightBp).toBe(5_000);
  });

  test("holds it outside its windows", async () => {
    const day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][(new Date().getUTCDay() + 3) % 7];
    const windows = `schedule: {windows: [{days: [${day}], from: "08:00", to: "18:00"}]}`;
    await flags.apply(flag("windowed", `${windows}\n  ${ramp(HALF)}`));
    const outside = /^holding: outside the windows of the schedule until \d{4}-\d\d-\d\dT08:00Z$/;
    await flags.until("windowed", ({ message = "" }) => outside.test(message), "the window to be closed");
    expect(flags.status("windowed").serving?.weightBp ?? 0).toBe(0);
  });
});

describe.concurrent("two objects with one key", () => {
  test("the older serves, the other says so, and serves once it is alone", async () => {
    const all = (variant: string) => `key: claimed\n  strategy: {allAtOnce: {variant: "${variant}"}}`;
    await flags.apply(flag("older", all("on")));
    await flags.phase("Healthy", "older");
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // Ages are known to the second.
    await flags.apply(flag("newer", all("off")));
    const { message, conditions } = await flags.phase("Failed", "newer");
    expect(message).toMatch(/the older FeatureFlag "older" serves key "claimed" of flag set "default"/);
    expect(conditions?.find(({ type }) => type === "Ready")?.reason).toBe("KeyTaken");
    await eventually("the older to serve", async () =>
      (await treated("claimed")).length === USERS.length ? true : undefined,
    );
    await flags.kubectl("delete", "zff", "older");
    await flags.phase("Healthy", "newer");
    await eventually("the newer to serve", async () => ((await treated("claimed")).length === 0 ? true : undefined));
  });
});
