import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonPatchOperation, KubeObject, Route } from "../../../src/api/kubernetes.ts";
import type { Rollout } from "../../../src/api/rollout.ts";
import { RolloutController } from "../../../src/controllers/rollout/controller.ts";
import type { Sources } from "../../../src/controllers/rollout/sources.ts";
import { applyPatch } from "../../../src/core/forecast/json-patch.ts";
import type { TrafficRouter } from "../../../src/core/routing.ts";
import { systemClock } from "../../../src/kube/clock.ts";
import { ApiError } from "../../../src/kube/errors.ts";
import { EventRecorder } from "../../../src/kube/events.ts";
import { Resources } from "../../../src/kube/resource.ts";
import { routers } from "../../../src/traffic/routers.ts";
import { atRest, hashOf, Play, templateOf, underWay } from "../../core/rollout/play.ts";
import { eventually, json, refusal, type ScriptedServer, startScriptedServer } from "../../kube/scripted-server.ts";
import { aRollout, atVersion, handFilled } from "./shell.ts";
import { type Staged, staged, webhookDown } from "./staged.ts";

let server: ScriptedServer;
let sources: Sources;
let controller: RolloutController;
let lines: Record<string, unknown>[];
let trips: Set<string>;
let tries: number;
let version: number;
let nowMs: number;
/** For how long the watches have told of everything. */
let toldForMs: number;
let statuses: Map<string, Rollout["status"]>;

beforeEach(async () => {
  server = await startScriptedServer();
  const client = server.client();
  sources = handFilled(client);
  lines = [];
  trips = new Set();
  tries = 0;
  version = 1_000;
  nowMs = 1_800_000_000_000;
  toldForMs = 3_600_000;
  statuses = new Map();
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const resources = new Resources(client);
  controller = new RolloutController({
    sources,
    resources,
    routers: new Map([...routers, ["HTTPRoute", tripping(routers.get("HTTPRoute") as TrafficRouter)]]),
    metrics: undefined,
    events: new EventRecorder(resources, "test"),
    clock: systemClock,
    now: () => nowMs,
    log,
    concurrency: 1,
    term: () => undefined,
    watchOfRollouts: () => 1,
    toldSinceMs: () => systemClock.monotonicMs() - toldForMs,
    onRestoredServer: () => undefined,
  });
  serve();
});
afterEach(async () => {
  await controller.stop();
  await server.stop();
});

/** A router with a fault that some routes meet. */
function tripping(router: TrafficRouter): TrafficRouter {
  return {
    ...router,
    read: (object, ...rest) => {
      if (trips.has(object.metadata.name)) {
        tries++;
        throw new TypeError("cannot read properties of undefined");
      }
      return router.read(object, ...rest);
    },
  };
}

/** The API server accepts what is written, and the caches show Rollouts and what was made for them. */
function serve(): void {
  const shown = sources.rollouts; // Of this test, however late.
  server.play((response, seen) => {
    const [, namespace = "", plural = "", name = ""] =
      /namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?/.exec(seen.path) ?? [];
    const rollout = plural === "rollouts" ? sources.rollouts.get(namespace, name) : undefined;
    if (seen.method === "GET" && rollout !== undefined) return json(200, rollout)(response, seen);
    if (seen.method === "PATCH" && rollout !== undefined) {
      const operations = (JSON.parse(seen.body) as JsonPatchOperation[]).filter(
        ({ path }) => path !== "/metadata/resourceVersion",
      );
      const changed = atVersion(applyPatch(rollout, operations) as Rollout, ++version);
      statuses.set(name, changed.status);
      setTimeout(() => shown.set(changed), 5);
      return json(200, changed)(response, seen);
    }
    if (seen.method === "POST") {
      const object = JSON.parse(seen.body) as KubeObject;
      return json(201, { ...object, metadata: { ...object.metadata, uid: "u", resourceVersion: `${++version}` } })(
        response,
        seen,
      );
    }
    return refusal(404, "NotFound")(response, seen);
  });
}

const traffic = (name: string): Partial<Rollout["spec"]> => ({
  traffic: { service: name, routes: [{ httpRoute: { name } }] },
});

function addWithRoute(name: string): void {
  const metadata = { namespace: "shop", name, uid: `${name}-1`, resourceVersion: "5" };
  sources.services.set({
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  });
  const rules = [{ backendRefs: [{ name, port: 80 }] }];
  const route = { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", metadata, spec: { rules } };
  sources.routes.get("HTTPRoute")?.set(route as never);
  sources.rollouts.set(aRollout(name, 10, traffic(name)));
}

const conditionOf = ({ status }: Rollout, wanted: string) => status?.conditions?.find(({ type }) => type === wanted);
const patchesOf = (name: string): number =>
  server.seen.filter(({ method, path }) => method === "PATCH" && path.includes(`/rollouts/${name}`)).length;

describe("RolloutController", () => {
  test("a Rollout about which nothing can be decided is Failed and says why; the others do not wait for it", async () => {
    trips.add("poison");
    addWithRoute("poison");
    for (let i = 0; i < 20; i++) sources.rollouts.set(aRollout(`good-${i}`, 10));
    controller.start();
    await eventually(
      "all good ones were looked at",
      () => [...statuses.keys()].filter((n) => n.startsWith("good")).length === 20,
    );
    // Each try threw at once and came after a wait that doubles: none of them stood in the others' way.
    expect(tries).toBeGreaterThan(0);
    expect(tries).toBeLessThan(12);
    await eventually("the poisoned one says why", () => statuses.has("poison"));
    expect(statuses.get("poison")).toMatchObject({
      phase: "Failed",
      message: "a fault of Zenith, please report it: cannot read properties of undefined",
    });
    expect(statuses.get("poison")?.conditions).toContainEqual(
      expect.objectContaining({ type: "Stalled", status: "True", reason: "InternalFault" }),
    );
    // Afterwards it is tried again, ever more seldom, and nothing more is said or written.
    await systemClock.sleep(300);
    expect(patchesOf("poison")).toBe(1);
    const told = lines.filter(({ rollout }) => rollout === "shop/poison");
    expect(told.map(({ msg }) => msg)).toEqual(["nothing can be decided"]);
    expect(told[0]?.error).toContain("TypeError");
  });

  test("goes on by itself once it can decide again", async () => {
    trips.add("poison");
    addWithRoute("poison");
    controller.start();
    await eventually("failed", () => statuses.get("poison")?.phase === "Failed");
    trips.clear();
    await eventually("going on", () => statuses.get("poison")?.phase === "Pending");
  });

  test("a spec that cannot be read is said once, and looked at again when it changes", async () => {
    sources.rollouts.set(aRollout("web", 10, { bake: "soon" }));
    controller.start();
    await eventually("failed", () => statuses.get("web")?.phase === "Failed");
    expect(statuses.get("web")?.message).toContain("soon");
    await systemClock.sleep(200);
    expect(patchesOf("web")).toBe(1);
    expect(lines.filter(({ rollout }) => rollout === "shop/web")).toHaveLength(1);
    const known = sources.rollouts.get("shop", "web") as Rollout;
    sources.rollouts.set(atVersion({ ...known, spec: { ...known.spec, bake: "10m" } }, ++version));
    await eventually("going on", () => statuses.get("web")?.phase === "Pending");
  });

  test.each([
    ["is over after its time", 3_600_000, "Failed"],
    ["is not over where most of its time was an outage", 60_000, "Pending"],
  ])("a deadline %s", async (_what, ms, phase) => {
    toldForMs = ms;
    const progress = { stage: "Starting", mark: "scaling", markSince: new Date(nowMs).toISOString() } as const;
    controller.start();
    nowMs += 900_000;
    sources.rollouts.set({ ...aRollout("web", 10), status: { progress } });
    await eventually("its status", () => statuses.get("web")?.phase !== undefined);
    expect(statuses.get("web")?.phase).toBe(phase);
  });

  test("writes nothing on a Rollout that has changed meanwhile, and goes on when the cache shows the change", async () => {
    sources.rollouts.set(aRollout("web", 10));
    const changed = aRollout("web", 20, { replicas: 0 });
    let live: Rollout = changed;
    serve();
    const usual = server.seen.length;
    server.play((response, seen) =>
      (seen.method === "GET" ? json(200, live) : refusal(500, "InternalError"))(response, seen),
    );
    controller.start();
    await eventually("it was read live", () => server.seen.length > usual);
    await systemClock.sleep(200);
    expect(server.seen.map(({ method }) => method)).toEqual(["GET"]);
    live = atVersion(changed, 21);
    serve();
    sources.rollouts.set(live);
    await eventually("going on", () => statuses.has("web"));
  });
});

describe("RolloutController, while a write keeps failing", () => {
  const query = { name: "complaints", promql: "complaints", max: 1, consecutive: 1 };
  const analysis = { interval: "15s", metrics: [{ query }] };
  const complaints = (value: number) => (_promql: string, atMs: number) =>
    ({ kind: "vector", series: [{ labels: {}, sample: [atMs, value] }] }) as const;
  const weightsOf = ({ spec }: Route) => spec.rules?.[0]?.backendRefs?.map(({ weight }) => weight);

  /** At 25 %; an autoscaler wants more pods, and a webhook refuses every change of a ReplicaSet. */
  async function held(): Promise<Staged> {
    const play = underWay(25, { spec: { analysis } });
    play.edit(() => ({ replicas: 8 }));
    const stage = await staged(play);
    stage.refuses = ({ kind }) => (kind === "ReplicaSet" ? webhookDown : undefined);
    stage.answers = complaints(0);
    return stage;
  }

  test("the canary is judged at every interval, and a breach is reverted at once", async () => {
    const stage = await held();
    await stage.start();
    await stage.clock.advance(20 * 60_000);
    expect(stage.queries.filter((promql) => promql === "complaints").length).toBeGreaterThanOrEqual(78);
    expect(weightsOf(stage.route())).toEqual([3, 1]);
    stage.answers = complaints(50);
    await stage.clock.advance(16_000);
    expect(weightsOf(stage.route())).not.toEqual([3, 1]);
    expect(stage.rollout().status).toMatchObject({ phase: "Reverted" });
    await stage.stop();
  });

  test("status names it within five seconds and else says what it said, once; and no more as soon as it is done", async () => {
    const stage = await held();
    const said = stage.rollout().status;
    await stage.start();
    await stage.clock.advance(5_000);
    const words = /^cannot scale revision \S+ from 4 to 8: Cannot patch it: failed calling webhook; it is tried again$/;
    expect(conditionOf(stage.rollout(), "WriteFailure")).toMatchObject({
      status: "True",
      reason: "WriteRefused",
      message: expect.stringMatching(words),
    });
    expect(stage.rollout().status).toMatchObject({ phase: "Progressing", message: expect.stringMatching(words) });
    const { conditions, message: _words, ...rest } = stage.rollout().status ?? {};
    const { conditions: before, message, ...kept } = said ?? {};
    expect(rest).toEqual(kept);
    expect(conditions?.slice(0, -1)).toEqual(before);
    await stage.clock.advance(10 * 60_000);
    expect(stage.asked.filter(({ verb, kind }) => verb === "patch" && kind === "Rollout")).toHaveLength(1);
    stage.refuses = () => undefined;
    await stage.clock.advance(16_000);
    expect(conditionOf(stage.rollout(), "WriteFailure")).toBeUndefined();
    expect(stage.rollout().status?.message).not.toMatch(words);
    await stage.stop();
  });

  test("a breach's own words stay beside it", async () => {
    const stage = await held();
    stage.answers = complaints(50);
    await stage.start();
    await stage.clock.advance(60_000);
    expect(stage.rollout().status?.message).toMatch(/^revision \S+ was taken back: complaints 50/);
    expect(conditionOf(stage.rollout(), "WriteFailure")).toBeDefined();
    const patches = () => stage.asked.filter(({ verb, kind }) => verb === "patch" && kind === "Rollout").length;
    const told = patches();
    await stage.clock.advance(10 * 60_000);
    expect(patches()).toBe(told);
    await stage.stop();
  });

  test("a Deployment whose take-over it stops gets free again past the deadline, and status says why", async () => {
    const stage = await staged(new Play({ adopts: true }));
    // A policy that looks at nothing but what is really made.
    stage.refuses = ({ verb, kind, dryRun }) =>
      verb === "create" && kind === "ReplicaSet" && dryRun !== true ? webhookDown : undefined;
    const isPaused = () => stage.sources.deployments.get("shop", "web")?.spec.paused;
    await stage.start();
    await stage.clock.advance(5_000);
    expect(isPaused()).toBe(true);
    expect(stage.rollout().status?.phase).toBe("Pending");
    expect(conditionOf(stage.rollout(), "WriteFailure")?.message).toContain("failed calling webhook");
    await stage.clock.advance(15 * 60_000);
    expect(isPaused()).toBe(false);
    expect(stage.rollout().status).toMatchObject({
      phase: "Failed",
      message: expect.stringMatching(/was not taken over.*failed calling webhook/),
    });
    await stage.stop();
  });

  test("readings that came while the Rollout could not be read are judged once it can", async () => {
    const stage = await held();
    stage.refuses = () => webhookDown;
    await stage.start();
    await stage.clock.advance(20 * 60_000);
    expect(stage.queries.filter((promql) => promql === "complaints").length).toBeGreaterThanOrEqual(78);
    stage.answers = complaints(50);
    await stage.clock.advance(15_000);
    stage.answers = complaints(0);
    stage.refuses = ({ kind }) => (kind === "ReplicaSet" ? webhookDown : undefined);
    await stage.clock.advance(16_000);
    expect(stage.rollout().status).toMatchObject({ phase: "Reverted" });
    await stage.stop();
  });
});

describe("RolloutController, while a gate of a metric is asked", () => {
  const metric = { name: "budget", promql: 'budget{hash="{{canary.hash}}"}', max: 1 };
  const budget = (values: Record<string, number>) => (promql: string, atMs: number) => {
    const tag = Object.keys(values).find((name) => promql.includes(hashOf(name)));
    const series = tag === undefined ? [] : [{ labels: {}, sample: [atMs, values[tag] ?? 0] as const }];
    return { kind: "vector", series } as const;
  };
  const reason = ({ status }: Rollout) => status?.conditions?.find(({ type }) => type === "Ready")?.reason;

  /** v2 may go as far as its budget is concerned, and waits for a person. */
  async function waiting(): Promise<Staged> {
    const play = atRest({ spec: { gates: [{ metric }, { approval: {} }], analysis: { disabled: true } } });
    play.deploy("v2");
    const stage = await staged(play);
    stage.answers = budget({ v2: 0.5, v3: 50 });
    await stage.start();
    await stage.clock.advance(1_000);
    expect(reason(stage.rollout())).toBe("WaitingForApproval");
    return stage;
  }

  test("it is asked as long as a person is waited for: what an approval rests on is no older", async () => {
    const stage = await waiting();
    stage.queries.length = 0;
    await stage.clock.advance(10 * 60_000);
    expect(stage.queries.length).toBeGreaterThanOrEqual(39);
    expect(reason(stage.rollout())).toBe("WaitingForApproval");
    stage.answers = budget({ v2: 50 });
    await stage.clock.advance(16_000);
    expect(reason(stage.rollout())).toBe("GateClosed");
    await stage.stop();
  });

  test("an answer counts for half a minute: after that a silent Prometheus is one that has not answered", async () => {
    const stage = await waiting();
    stage.answers = () => new Promise(() => {});
    await stage.clock.advance(60_000);
    expect(reason(stage.rollout())).toBe("GateClosed");
    expect(stage.rollout().status?.message).toContain("Prometheus has not answered yet");
    await stage.stop();
  });

  test("what was answered to one release lets no other in", async () => {
    const stage = await waiting();
    const order = { "zenith.sh/request": `promote@${hashOf("v3")}#1` };
    stage.edit(({ metadata, spec }) => ({
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...order } },
      spec: { ...spec, template: templateOf("v3") as Rollout["spec"]["template"] },
    }));
    await stage.clock.advance(20_000);
    expect(stage.rollout().status).toMatchObject({
      wanted: { revision: hashOf("v3") },
      stable: { revision: hashOf("v1") },
    });
    expect(reason(stage.rollout())).toBe("GateClosed");
    expect(stage.rollout().status?.message).toContain("it is 50");
    expect(stage.asked.filter(({ verb, dryRun }) => verb === "create" && dryRun !== true)).toEqual([]);
    await stage.stop();
  });
});

describe("RolloutController, where a Deployment's template gives a ReplicaSet that is refused", () => {
  const quota = new ApiError('Cannot POST replicasets: replicasets.apps "web-x" is forbidden: exceeded quota: few', {
    status: 403,
    kind: "forbidden",
  });
  const ready = ({ status }: Rollout) => status?.conditions?.find(({ type }) => type === "Ready");
  const refused = { reason: "TemplateRefused", message: expect.stringContaining("exceeded quota: few") };

  test("it is not taken over, says why, and is once it may be; each answer costs one dry run", async () => {
    const stage = await staged(new Play({ adopts: true }));
    stage.refuses = ({ verb, kind }) => (verb === "create" && kind === "ReplicaSet" ? quota : undefined);
    await stage.start();
    await stage.clock.advance(5_000);
    expect(ready(stage.rollout())).toMatchObject(refused);
    await stage.clock.advance(45_000);
    expect(stage.asked.filter(({ kind }) => kind !== "Rollout")).toEqual([
      expect.objectContaining({ verb: "create", kind: "ReplicaSet", dryRun: true }),
    ]);
    stage.refuses = () => undefined;
    await stage.clock.advance(15_000);
    expect(ready(stage.rollout())?.reason).toBe("Adopting");
    expect(stage.asked.filter(({ dryRun }) => dryRun === true)).toHaveLength(2);
    await stage.stop();
  });

  test("a new version of it is told as refused, and stable serves on", async () => {
    const play = atRest({ adopts: true });
    play.deploy("v2");
    const stage = await staged(play);
    stage.refuses = ({ verb, kind }) => (verb === "create" && kind === "ReplicaSet" ? quota : undefined);
    await stage.start();
    await stage.clock.advance(5_000);
    expect(ready(stage.rollout())).toMatchObject(refused);
    await stage.stop();
  });
});
