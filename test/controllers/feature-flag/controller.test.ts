import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FeatureFlag, FeatureFlagSpec, FeatureFlagStatus } from "../../../src/api/feature-flag.ts";
import type { FlagSegment } from "../../../src/api/flag-segment.ts";
import type { KillSwitch } from "../../../src/api/kill-switch.ts";
import type { JsonPatchOperation, KubeObject } from "../../../src/api/kubernetes.ts";
import { FlagController, type FlagShell } from "../../../src/controllers/feature-flag/controller.ts";
import { mirrorKillSwitches } from "../../../src/controllers/feature-flag/kill-switches.ts";
import { mirrorSegments } from "../../../src/controllers/feature-flag/segments.ts";
import type { Sources } from "../../../src/controllers/rollout/sources.ts";
import { applyPatch } from "../../../src/core/forecast/json-patch.ts";
import { systemClock } from "../../../src/kube/clock.ts";
import { EventRecorder } from "../../../src/kube/events.ts";
import { Resources } from "../../../src/kube/resource.ts";
import type { Store } from "../../../src/kube/store.ts";
import { eventually, json, refusal, type ScriptedServer, startScriptedServer } from "../../kube/scripted-server.ts";
import { atVersion, handFilled } from "../rollout/shell.ts";

let server: ScriptedServer;
let sources: Sources;
let started: { start(): void; stop(): Promise<void> }[];
let version: number;
/** Names of objects of which a write is refused once, as someone else was first. */
let conflicts: Set<string>;
/** Whether no status can be written. */
let isRefusing: boolean;
/** Milliseconds until the cache shows what was written. */
let lateMs: number;
let patches: string[];
let shell: FlagShell;

beforeEach(async () => {
  server = await startScriptedServer();
  const client = server.client();
  sources = handFilled(client);
  version = 1_000;
  conflicts = new Set();
  isRefusing = false;
  lateMs = 5;
  patches = [];
  const resources = new Resources(client);
  shell = {
    sources,
    resources,
    metrics: undefined,
    events: new EventRecorder(resources, "test"),
    clock: systemClock,
    now: () => Date.parse("2026-01-12T09:00:00Z"),
    log: pino({ level: "silent" }),
    concurrency: 1,
  };
  started = [new FlagController(shell), mirrorKillSwitches(shell), mirrorSegments(shell)];
  serve();
});
afterEach(async () => {
  for (const one of started) await one.stop();
  await server.stop();
});

/** The API server takes a status whose version is the present one, and the caches show it a moment later. */
function serve(): void {
  const stores: Record<string, Store<KubeObject>> = {
    featureflags: sources.flags as unknown as Store<KubeObject>,
    flagsegments: sources.segments as unknown as Store<KubeObject>,
    killswitches: sources.kills as unknown as Store<KubeObject>,
  };
  const live = new Map<string, KubeObject>();
  server.play((response, seen) => {
    const [, namespace = "", plural = "", name = ""] = /namespaces\/([^/]+)\/([^/]+)\/([^/]+)/.exec(seen.path) ?? [];
    const store = stores[plural];
    if (seen.method === "POST") return json(201, { metadata: {} })(response, seen);
    if (isRefusing) return refusal(500, "InternalError")(response, seen);
    const id = `${plural}/${namespace}/${name}`;
    const cached = store?.get(namespace, name);
    if (store === undefined || cached === undefined) return refusal(404, "NotFound")(response, seen);
    const written = live.get(id) ?? cached;
    const isEdited = Number(cached.metadata.resourceVersion) > Number(written.metadata.resourceVersion);
    const present = isEdited ? cached : written;
    const [guard, ...operations] = JSON.parse(seen.body) as JsonPatchOperation[];
    const expected = guard !== undefined && "value" in guard ? guard.value : "";
    if (conflicts.delete(name) || expected !== present.metadata.resourceVersion)
      return refusal(409, "Conflict")(response, seen);
    patches.push(name);
    const changed = atVersion(applyPatch(present, operations) as KubeObject, ++version);
    live.set(id, changed);
    setTimeout(() => store.set(changed), lateMs);
    return json(200, changed)(response, seen);
  });
}

function start(): void {
  for (const one of started) one.start();
}

function aFlag(name: string, spec: FeatureFlagSpec = {}, metadata: Partial<FeatureFlag["metadata"]> = {}): FeatureFlag {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "FeatureFlag",
    metadata: {
      name,
      namespace: "shop",
      uid: name,
      generation: 1,
      resourceVersion: String(++version),
      creationTimestamp: "2026-01-12T08:00:00Z",
      ...metadata,
    },
    spec,
  };
}

function aKill(spec: Partial<KillSwitch["spec"]> = {}): KillSwitch {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "KillSwitch",
    metadata: { name: "stop", namespace: "shop", resourceVersion: String(++version), generation: 1 },
    spec: { selector: { matchLabels: { tier: "web" } }, flags: "safe", reason: "it burns", ...spec },
  };
}

const status = (name: string): FeatureFlagStatus => sources.flags.get("shop", name)?.status ?? {};
const phase = async (name: string, wanted: string) =>
  await eventually(`${name} is ${wanted}`, () => status(name).phase === wanted);
const ready = (name: string) => status(name).conditions?.find(({ type }) => type === "Ready")?.reason;

describe("FlagController", () => {
  test("tells of every flag, in one write each, and is then at rest", async () => {
    sources.flags.set(aFlag("a", { strategy: { allAtOnce: { variant: "on" } } }));
    sources.flags.set(aFlag("b"));
    start();
    await phase("a", "Healthy");
    await phase("b", "Healthy");
    await systemClock.sleep(100);
    expect(patches.sort()).toEqual(["a", "b"]);
  });

  test("decides nothing on a cache that does not show its own write", async () => {
    lateMs = 150;
    sources.flags.set(aFlag("a"));
    start();
    await eventually("written", () => patches.length === 1);
    sources.rollouts.replace([], "2"); // News of others.
    sources.kills.set(aKill({ selector: {} }));
    await phase("a", "Killed");
    expect(patches.filter((name) => name === "a")).toHaveLength(2);
  });

  test("writes nothing over what someone else wrote meanwhile, and decides anew", async () => {
    conflicts.add("a");
    sources.flags.set(aFlag("a"));
    start();
    await phase("a", "Healthy");
    expect(patches.filter((name) => name === "a")).toHaveLength(1);
  });

  test("of two flags for one key the older serves, and the other says so; it serves once that is gone", async () => {
    const older = aFlag("older", { key: "checkout" });
    sources.flags.set(older);
    sources.flags.set(aFlag("later", { key: "checkout" }, { creationTimestamp: "2026-01-12T08:30:00Z" }));
    start();
    await phase("older", "Healthy");
    await phase("later", "Failed");
    expect(ready("later")).toBe("KeyTaken");
    sources.flags.remove(atVersion(sources.flags.get("shop", "older") as FeatureFlag, 9_999));
    await phase("later", "Healthy");
  });

  test("looks at a flag again when a segment that it names comes, and at one that such a flag rests on", async () => {
    sources.flags.set(aFlag("api", { rules: [{ when: [{ segment: "staff" }], serve: "on" }] }));
    sources.flags.set(aFlag("web", { prerequisites: [{ flag: "api", variants: ["on"] }] }));
    start();
    await phase("api", "Failed");
    await phase("web", "Failed");
    expect([ready("api"), ready("web")]).toEqual(["SegmentMissing", "PrerequisiteInvalid"]);
    const segment = {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "FlagSegment",
      metadata: { name: "staff", namespace: "shop", resourceVersion: String(++version), generation: 1 },
      spec: { included: ["ann"] },
    } as FlagSegment;
    sources.segments.set(segment);
    await phase("api", "Healthy");
    await phase("web", "Healthy");
    await eventually(
      "the segment tells who names it",
      () => sources.segments.get("shop", "staff")?.status?.flags === 1,
    );
  });

  test("a segment that only another segment names is in use", async () => {
    const segment = (name: string, spec: FlagSegment["spec"]) =>
      ({
        apiVersion: "zenith.sh/v1alpha1",
        kind: "FlagSegment",
        metadata: { name, namespace: "shop", resourceVersion: String(++version), generation: 1 },
        spec,
      }) as FlagSegment;
    const said = (name: string) => sources.segments.get("shop", name)?.status?.conditions?.[0];
    sources.segments.set(segment("staff", { included: ["ann"] }));
    start();
    await eventually("nobody names it", () => said("staff")?.reason === "Unused");
    sources.segments.set(segment("europe", { when: [{ segment: "staff" }] }));
    await eventually("it is in use", () => said("staff")?.reason === "InUse");
    expect(said("staff")?.message).toBe("1 segment names it");
    sources.segments.remove(atVersion(sources.segments.get("shop", "europe") as FlagSegment, 9_999));
    await eventually("nobody names it any more", () => said("staff")?.reason === "Unused");
  });

  test("nothing is asked about a flag that was deleted while its status was written", async () => {
    let asked = 0;
    const ask = async () => ({ server: `a${asked++}`, flagSets: {}, fetchers: {} });
    started = [
      new FlagController({ ...shell, flagServers: { addresses: () => [{ address: "a:8014", isGoing: false }], ask } }),
    ];
    const flag = aFlag("a");
    sources.flags.set(flag);
    server.play((response, seen) => {
      sources.flags.remove(atVersion(flag, 9_999));
      json(200, atVersion(flag, 9_998))(response, seen);
    });
    start();
    await eventually("gone", () => sources.flags.size === 0);
    await systemClock.sleep(500);
    expect(asked).toBe(0);
  });

  test("goes on judging while no status can be written, and takes the flag back as soon as one can", async () => {
    let asked = 0;
    let complaints = 0;
    const query = async (_promql: string, atMs: number) => {
      asked++;
      return { kind: "vector" as const, series: [{ labels: {}, sample: [atMs, complaints] as const }] };
    };
    const beganMs = systemClock.monotonicMs();
    const now = () => shell.now() + systemClock.monotonicMs() - beganMs;
    started = [new FlagController({ ...shell, now, metrics: { query } })];
    const metrics = [{ query: { name: "complaints", promql: "complaints", max: 1, consecutive: 1 } }];
    const steps = [{ weight: 25 }, { pause: { for: "1h" } }];
    sources.flags.set(
      aFlag("a", { strategy: { canary: { variant: "on", steps, analysis: { interval: "1s", metrics } } } }),
    );
    start();
    await eventually("it is judged", () => status("a").serving?.weightBp === 2_500 && asked > 0);
    isRefusing = true;
    complaints = 50;
    const before = asked;
    await eventually("it is judged all the same", () => asked >= before + 2);
    complaints = 0;
    isRefusing = false;
    await phase("a", "Reverted");
  });

  test("a flag that cannot be read is said once, and never delays its neighbours", async () => {
    const broken = { strategy: { percentage: { weights: [{ variant: "on", weight: 40 }] } } } as FeatureFlagSpec;
    for (let i = 0; i < 20; i++) sources.flags.set(aFlag(`broken-${i}`, broken));
    sources.flags.set(aFlag("well"));
    start();
    await phase("well", "Healthy");
    await phase("broken-19", "Failed");
    await systemClock.sleep(100);
    expect(patches).toHaveLength(21);
  });
});

describe("a KillSwitch", () => {
  test("is mirrored in what it selects, and says how much that is; gone, it releases", async () => {
    sources.flags.set(aFlag("hit", {}, { labels: { tier: "web" } }));
    sources.flags.set(aFlag("other", {}, { labels: { tier: "db" } }));
    start();
    await phase("hit", "Healthy");
    await phase("other", "Healthy");
    sources.kills.set(aKill());
    await phase("hit", "Killed");
    const kill = () => sources.kills.get("shop", "stop");
    await eventually("the switch tells", () => kill()?.status?.phase === "Active");
    expect(kill()?.status).toMatchObject({ flags: 1, flagNames: ["hit"], rollouts: 0 });
    expect(status("other").phase).toBe("Healthy");
    sources.kills.remove(atVersion(kill() as KillSwitch, 9_999));
    await phase("hit", "Healthy");
  });

  test("releases what it no longer selects, and takes in what is labelled later", async () => {
    sources.flags.set(aFlag("a", {}, { labels: { tier: "web" } }));
    sources.flags.set(aFlag("b", {}, { labels: { tier: "db" } }));
    sources.kills.set(aKill());
    start();
    await phase("a", "Killed");
    sources.kills.set(aKill({ selector: { matchLabels: { tier: "db" } } }));
    await phase("a", "Healthy");
    await phase("b", "Killed");
    const flag = sources.flags.get("shop", "a") as FeatureFlag;
    sources.flags.set(atVersion({ ...flag, metadata: { ...flag.metadata, labels: { tier: "db" } } }, ++version));
    await phase("a", "Killed");
    await eventually("both are told", () => sources.kills.get("shop", "stop")?.status?.flags === 2);
  });
});
