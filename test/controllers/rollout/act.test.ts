import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject, ReplicaSet } from "../../../src/api/kubernetes.ts";
import type { RolloutStatus } from "../../../src/api/rollout.ts";
import { type Acted, act } from "../../../src/controllers/rollout/act.ts";
import type { Write } from "../../../src/core/plan.ts";
import type { RolloutPlan } from "../../../src/core/rollout/plan.ts";
import type { Snapshot } from "../../../src/core/rollout/snapshot.ts";
import type { Target } from "../../../src/core/rollout/target.ts";
import { Resources } from "../../../src/kube/resource.ts";
import {
  type Answer,
  answering,
  hangUp,
  json,
  refusal,
  type ScriptedServer,
  startScriptedServer,
} from "../../kube/scripted-server.ts";
import { aRollout } from "./shell.ts";

const log = pino({ level: "silent" });
const ROLLOUT = "/apis/zenith.sh/v1alpha1/namespaces/shop/rollouts/web";
const SETS = "/apis/apps/v1/namespaces/shop/replicasets";
const RECORDS = "/apis/apps/v1/namespaces/shop/controllerrevisions";
const SERVICES = "/api/v1/namespaces/shop/services";
const URGENT = { revision: "new", reason: "AnalysisFailed", message: "errors" };
const rollout = aRollout("web", 10);
const owner = { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", name: "web", uid: "uid-web", controller: true };

let server: ScriptedServer;
let resources: Resources;
beforeEach(async () => {
  server = await startScriptedServer();
  resources = new Resources(server.client());
});
afterEach(() => server.stop());

interface Given {
  readonly writes?: readonly Write[];
  readonly status?: RolloutStatus;
  readonly before?: RolloutStatus;
  readonly target?: Partial<Target>;
  readonly sets?: readonly ReplicaSet[];
  readonly term?: string;
}

async function acted({ writes = [], status, before, target = {}, sets = [], term }: Given): Promise<Acted> {
  const known = { ...rollout, ...(before === undefined ? {} : { status: before }) };
  const snapshot = { rollout: known, revisions: [], replicaSets: sets };
  const plan = { writes, notices: [], target, ...(status === undefined ? {} : { status }) };
  return await act(resources, snapshot as unknown as Snapshot, plan as unknown as RolloutPlan, log, term);
}

const sent = (): string[] => server.seen.map(({ method, path }) => `${method} ${path.split("/").slice(-2).join("/")}`);
const bodyOf = (i: number): unknown => JSON.parse(server.seen.at(i)?.body ?? "null");

function patched(name: string, together?: string): Write {
  return {
    verb: "jsonPatch",
    ref: { apiVersion: "v1", kind: "Service", namespace: "shop", name },
    operations: [{ op: "replace", path: "/spec/selector", value: { app: "web" } }],
    resourceVersion: "5",
    why: "",
    ...(together === undefined ? {} : { together }),
  };
}

function service(name: string, version: number): Answer {
  return json(200, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name, resourceVersion: `${version}` },
  });
}

function aSet(name: string, image: string, more: Partial<ReplicaSet["metadata"]> = {}): ReplicaSet {
  const labels = { "zenith.sh/rollout": "web", "zenith.sh/revision": "new" };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name, namespace: "shop", labels, ownerReferences: [owner], ...more },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { spec: { containers: [{ name: "c", image }] } },
    },
  } as ReplicaSet;
}

const live = (object: KubeObject): KubeObject => ({
  ...object,
  metadata: { uid: "uid-live", resourceVersion: "30", ...object.metadata },
});
const answeredRollout = json(200, { ...rollout, metadata: { ...rollout.metadata, resourceVersion: "40" } });
const create = (object: KubeObject): Write => ({ verb: "create", object, why: "" });

describe("act()", () => {
  test("sends writes in order, each resting on the version read, then status; and tells what it wrote", async () => {
    server.play(
      answering({
        [`PATCH ${SERVICES}/a`]: service("a", 20),
        [`PATCH ${SERVICES}/b`]: service("b", 21),
        [`PATCH ${ROLLOUT}/status`]: answeredRollout,
      }),
    );
    const { written, done, error } = await acted({
      writes: [patched("a"), patched("b")],
      status: { phase: "Healthy" },
    });
    expect([error, done]).toEqual([undefined, [patched("a").why, patched("b").why]]);
    expect(sent()).toEqual(["PATCH services/a", "PATCH services/b", "PATCH web/status"]);
    expect(bodyOf(0)).toEqual([
      { op: "replace", path: "/metadata/resourceVersion", value: "5" },
      { op: "replace", path: "/spec/selector", value: { app: "web" } },
    ]);
    expect(bodyOf(2)).toEqual([
      { op: "replace", path: "/metadata/resourceVersion", value: "10" },
      { op: "add", path: "/status", value: { phase: "Healthy" } },
    ]);
    expect([...written.values()].map(({ ref, version }) => `${ref.name} ${version}`)).toEqual([
      "a 20",
      "b 21",
      "web 40",
    ]);
  });

  test("writes status on the Rollout that it has just changed", async () => {
    const finalizer: Write = {
      verb: "jsonPatch",
      ref: { apiVersion: rollout.apiVersion, kind: "Rollout", namespace: "shop", name: "web" },
      operations: [{ op: "add", path: "/metadata/finalizers", value: ["x"] }],
      resourceVersion: "10",
      why: "",
    };
    server.play(answering({ [`PATCH ${ROLLOUT}`]: answeredRollout, [`PATCH ${ROLLOUT}/status`]: answeredRollout }));
    await acted({ writes: [finalizer], status: { phase: "Healthy" } });
    expect(bodyOf(1)).toContainEqual({ op: "replace", path: "/metadata/resourceVersion", value: "40" });
  });

  const failures: Record<string, Answer> = {
    "a conflict": refusal(409, "Conflict"),
    "a refusal": refusal(403, "Forbidden"),
    "a broken connection": hangUp,
    "an object that is gone": refusal(404, "NotFound"),
  };
  for (const [name, given] of Object.entries(failures))
    test(`stops at ${name}: nothing behind it is sent, status neither`, async () => {
      server.play(answering({ [`PATCH ${SERVICES}/a`]: given }));
      const { written, done, error } = await acted({
        writes: [patched("a"), patched("b")],
        status: { phase: "Healthy" },
      });
      expect(error).toBeDefined();
      expect([written.size, done]).toEqual([0, []]);
      expect(sent()).toEqual(["PATCH services/a"]);
    });

  test("tries all of a group, stops behind it, and a breach reaches status even so, with the weights of before", async () => {
    server.play(
      answering({
        [`PATCH ${SERVICES}/a`]: refusal(409, "Conflict"),
        [`PATCH ${SERVICES}/b`]: service("b", 21),
        [`PATCH ${ROLLOUT}/status`]: answeredRollout,
      }),
    );
    const weights = { desired: 50, written: 50, effective: 50, writtenBp: 5_000, effectiveBp: 5_000 };
    const { written, error } = await acted({
      writes: [patched("a", "breach"), patched("b", "breach"), patched("c")],
      before: { weights },
      status: { phase: "Reverted", weights: { ...weights, desired: 0, written: 0, writtenBp: 0 } },
      target: { urgent: URGENT },
    });
    expect(String(error)).toContain("Conflict");
    expect(sent().sort()).toEqual(["PATCH services/a", "PATCH services/b", "PATCH web/status"]);
    expect(bodyOf(2)).toContainEqual({ op: "add", path: "/status", value: { phase: "Reverted", weights } });
    expect([...written.values()].map(({ ref }) => ref.name)).toEqual(["b", "web"]);
  });

  test("asks about all that is rehearsed before the first of them is sent, and sends none if one is refused", async () => {
    const rehearsed = (name: string): Write => ({ ...patched(name), rehearsed: true }) as Write;
    const writes = [patched("a"), rehearsed("b"), rehearsed("c")];
    const [a, b] = [service("a", 20), service("b", 21)];
    server.play(
      answering({
        [`PATCH ${SERVICES}/a`]: a,
        [`PATCH ${SERVICES}/b`]: b,
        [`PATCH ${SERVICES}/c`]: refusal(403, "Forbidden"),
      }),
    );
    const { done, error } = await acted({ writes, status: { phase: "Healthy" } });
    expect([String(error), done]).toEqual([expect.stringContaining("Forbidden"), [""]]);
    expect(server.seen.map(({ path, query }) => [path.at(-1), query.get("dryRun")])).toEqual([
      ["a", null],
      ["b", "All"],
      ["c", "All"],
    ]);
    expect(bodyOf(1)).toContainEqual({ op: "replace", path: "/metadata/resourceVersion", value: "5" });
  });

  test("a webhook that takes no dry run is not asked beforehand", async () => {
    const rehearsed = { ...patched("b"), rehearsed: true } as Write;
    const unsupported = json(400, {
      kind: "Status",
      reason: "BadRequest",
      message: 'admission webhook "mesh.example" does not support dry run',
    });
    server.play(answering({ [`PATCH ${SERVICES}/b`]: [unsupported, service("b", 21)] }));
    expect(await acted({ writes: [rehearsed] })).toMatchObject({ done: [""] });
    expect(server.seen.map(({ query }) => query.get("dryRun"))).toEqual(["All", null]);
  });

  test("a Rollout that is gone is no reason to go on, unless it was being let go", async () => {
    const change: Write = {
      ...patched("x"),
      ref: { apiVersion: rollout.apiVersion, kind: "Rollout", namespace: "shop", name: "web" },
    } as Write;
    server.play(answering({ [`PATCH ${SERVICES}/b`]: service("b", 21) }));
    expect((await acted({ writes: [change, patched("b")] })).error).toBeDefined();
    expect(sent()).toEqual(["PATCH rollouts/web"]);
    expect((await acted({ writes: [change], target: { release: true } })).error).toBeUndefined();
  });

  test("what is to be deleted and is gone is done", async () => {
    server.play(refusal(404, "NotFound"));
    const ref = { apiVersion: "apps/v1", kind: "ReplicaSet", namespace: "shop", name: "web-old" };
    const { done, error } = await acted({
      writes: [{ verb: "delete", ref, uid: "u1", resourceVersion: "7", why: "" }],
    });
    expect([error, done]).toEqual([undefined, []]); // By someone else.
    expect(bodyOf(0)).toMatchObject({ preconditions: { uid: "u1", resourceVersion: "7" } });
  });

  test("what is to be deleted and is another by now is not done", async () => {
    server.play(refusal(409, "Conflict"));
    const ref = { apiVersion: "apps/v1", kind: "ReplicaSet", namespace: "shop", name: "web-old" };
    expect((await acted({ writes: [{ verb: "delete", ref, uid: "u1", why: "" }] })).error).toBeDefined();
  });

  test("a merge patch rests on the version read too", async () => {
    server.play(service("a", 20));
    const ref = { apiVersion: "v1", kind: "Service", namespace: "shop", name: "a" };
    const patch = { metadata: { labels: { x: "1" } } };
    await acted({ writes: [{ verb: "mergePatch", ref, patch, resourceVersion: "5", why: "" }] });
    expect(bodyOf(0)).toEqual({ metadata: { labels: { x: "1" }, resourceVersion: "5" } });
  });
});

describe("act() creates, and where the name is taken", () => {
  const wanted = aSet("web-new", "web:2");
  const exists = refusal(409, "AlreadyExists");
  /** The API server fills a default in. */
  const defaulted = (set: ReplicaSet): ReplicaSet => ({
    ...set,
    spec: {
      ...set.spec,
      template: { ...set.spec.template, spec: { ...set.spec.template.spec, dnsPolicy: "ClusterFirst" } },
    },
  });
  const dryRun: Answer = (response, seen) => json(201, defaulted(JSON.parse(seen.body) as ReplicaSet))(response, seen);

  test("goes on where it is ours and says the same, as the API server defaults it", async () => {
    server.play(
      answering({
        [`POST ${SETS}`]: [exists, dryRun],
        [`GET ${SETS}/web-new`]: json(200, live(defaulted(wanted))),
        [`PATCH ${ROLLOUT}/status`]: answeredRollout,
      }),
    );
    const { written, error } = await acted({ writes: [create(wanted)], status: { phase: "Pending" } });
    expect(error).toBeUndefined();
    expect([...written.values()].map(({ version }) => version)).toEqual(["30", "40"]);
    expect(server.seen[2]?.query.get("dryRun")).toBe("All");
    expect((bodyOf(2) as KubeObject).metadata.name).not.toBe("web-new");
  });

  const collisions: Record<string, KubeObject> = {
    "ours with another template": live(defaulted(aSet("web-new", "web:3"))),
    "of another controller": live(
      aSet("web-new", "web:2", { ownerReferences: [{ ...owner, kind: "Deployment", name: "other", uid: "u9" }] }),
    ),
    "of nobody": live(aSet("web-new", "web:2", { labels: { app: "else" }, ownerReferences: [] })),
  };
  for (const [name, found] of Object.entries(collisions))
    test(`takes another name where it is ${name}: one more collision, and no record under the old name`, async () => {
      const record = {
        apiVersion: "apps/v1",
        kind: "ControllerRevision",
        metadata: { ...wanted.metadata, uid: "u5", resourceVersion: "31" },
      };
      server.play(
        answering({
          [`POST ${SETS}`]: [exists, dryRun],
          [`GET ${SETS}/web-new`]: json(200, found),
          [`GET ${RECORDS}/web-new`]: json(200, record),
          [`DELETE ${RECORDS}/web-new`]: json(200, {}),
          [`PATCH ${ROLLOUT}/status`]: answeredRollout,
        }),
      );
      const { written, error } = await acted({
        writes: [create(wanted), patched("b")],
        before: { collisionCount: 1 },
        status: { phase: "Pending" },
      });
      expect(String(error)).toContain('Cannot create ReplicaSet "shop/web-new"');
      expect(sent()).toContain("DELETE controllerrevisions/web-new");
      expect(sent()).not.toContain("PATCH services/b");
      expect(bodyOf(-1)).toEqual([
        { op: "replace", path: "/metadata/resourceVersion", value: "10" },
        { op: "add", path: "/status/collisionCount", value: 2 },
      ]);
      expect([...written.values()].map(({ ref }) => ref.kind)).toEqual(["Rollout"]);
    });

  test("keeps the name of a revision that was promoted once, and waits", async () => {
    const metadata = { ...wanted.metadata, uid: "u5", annotations: { "zenith.sh/mark": "promoted" } };
    server.play(
      answering({
        [`POST ${SETS}`]: [exists, dryRun],
        [`GET ${SETS}/web-new`]: json(200, collisions["of another controller"]),
        [`GET ${RECORDS}/web-new`]: json(200, { apiVersion: "apps/v1", kind: "ControllerRevision", metadata }),
      }),
    );
    const { written, error } = await acted({ writes: [create(wanted)], status: { phase: "Pending" } });
    expect(String(error)).toContain('it belongs to Deployment "other"');
    expect(written.size).toBe(0);
    expect(sent().some((what) => what.startsWith("DELETE") || what.startsWith("PATCH"))).toBe(false);
  });

  test("counts the first collision of a Rollout without status", async () => {
    server.play(
      answering({
        [`POST ${SETS}`]: exists,
        [`GET ${SETS}/web-new`]: json(200, collisions["of another controller"]),
        [`PATCH ${ROLLOUT}/status`]: answeredRollout,
      }),
    );
    await acted({ writes: [create(wanted)] });
    expect(bodyOf(-1)).toContainEqual({ op: "add", path: "/status", value: { collisionCount: 1 } });
  });

  const waits: Record<string, KubeObject> = {
    "is being deleted": live(aSet("web-new", "web:2", { deletionTimestamp: "2026-01-01T00:00:00Z" })),
    "is of a Rollout of this name that was deleted": live(
      aSet("web-new", "web:2", { ownerReferences: [{ ...owner, uid: "uid-before" }] }),
    ),
    "was kept by a Rollout of this name": live(aSet("web-new", "web:2", { ownerReferences: [] })),
  };
  for (const [name, found] of Object.entries(waits))
    test(`waits where it ${name}: no collision`, async () => {
      server.play(answering({ [`POST ${SETS}`]: exists, [`GET ${SETS}/web-new`]: json(200, found) }));
      const { written, error } = await acted({ writes: [create(wanted)], status: { phase: "Pending" } });
      expect(error).toMatchObject({ kind: "exists" });
      expect(written.size).toBe(0);
      expect(sent()).toEqual(["POST shop/replicasets", "GET replicasets/web-new"]);
    });

  test("compares records by what they hold", async () => {
    const record = (image: string): KubeObject =>
      ({
        ...wanted,
        kind: "ControllerRevision",
        spec: undefined,
        data: { template: { image } },
      }) as unknown as KubeObject;
    const found = live(record("web:2"));
    server.play(answering({ [`POST ${RECORDS}`]: exists, [`GET ${RECORDS}/web-new`]: json(200, found) }));
    expect((await acted({ writes: [create(record("web:2"))] })).error).toBeUndefined();
    expect(String((await acted({ writes: [create(record("web:3"))] })).error)).toContain("another template");
  });

  test("leaves a Service of others alone: the next pass sees it", async () => {
    const made = { apiVersion: "v1", kind: "Service", metadata: { ...wanted.metadata, name: "web-canary" }, spec: {} };
    const found = live({ ...made, metadata: { name: "web-canary", namespace: "shop" } });
    server.play(answering({ [`POST ${SERVICES}`]: exists, [`GET ${SERVICES}/web-canary`]: json(200, found) }));
    expect((await acted({ writes: [create(made)] })).error).toMatchObject({ kind: "exists" });
  });
});

describe("act() moves a selector after the ReplicaSet was stamped with the term", () => {
  const pin = { "zenith.sh/rollout": "web", "zenith.sh/revision": "new" };
  const selecting = (name: string, value: Record<string, string>, together?: string): Write =>
    ({ ...patched(name, together), operations: [{ op: "replace", path: "/spec/selector", value }] }) as Write;
  const stampedSet = (term?: string, name = "web-new"): ReplicaSet =>
    live(aSet(name, "web:2", term === undefined ? {} : { annotations: { "zenith.sh/term": term } })) as ReplicaSet;
  const accepts = (set: ReplicaSet): Answer =>
    json(200, { ...set, metadata: { ...set.metadata, resourceVersion: "50" } });

  test("a ReplicaSet is born with it: no write more", async () => {
    server.play(
      answering({
        [`POST ${SETS}`]: (response, seen) => json(201, live(JSON.parse(seen.body)))(response, seen),
        [`PATCH ${SERVICES}/a`]: service("a", 20),
      }),
    );
    const writes = [create(aSet("web-new", "web:2")), selecting("a", pin)];
    expect((await acted({ writes, term: "3/l" })).error).toBeUndefined();
    expect(sent()).toEqual(["POST shop/replicasets", "PATCH services/a"]);
    expect(bodyOf(0)).toMatchObject({ metadata: { annotations: { "zenith.sh/term": "3/l" } } });
  });

  const stale: Record<string, string | undefined> = {
    "an earlier term": "2/l",
    "a term of a Lease that was deleted": "9/other",
    "no term": undefined,
  };
  for (const [name, term] of Object.entries(stale))
    test(`stamps one with ${name} first, on the version read`, async () => {
      const set = stampedSet(term);
      server.play(answering({ [`PATCH ${SETS}/web-new`]: accepts(set), [`PATCH ${SERVICES}/a`]: service("a", 20) }));
      const { written, error } = await acted({ writes: [selecting("a", pin)], sets: [set], term: "3/l" });
      expect(error).toBeUndefined();
      expect(sent()).toEqual(["PATCH replicasets/web-new", "PATCH services/a"]);
      expect(bodyOf(0)).toContainEqual({ op: "replace", path: "/metadata/resourceVersion", value: "30" });
      expect(bodyOf(0)).toContainEqual({ op: "add", path: "/metadata/annotations/zenith.sh~1term", value: "3/l" });
      expect([...written.values()].map(({ ref, version }) => `${ref.kind} ${version}`)).toEqual([
        "ReplicaSet 50",
        "Service 20",
      ]);
    });

  test("a leader that wakes up late is refused at the stamp: its selector does not move", async () => {
    server.play(
      answering({ [`PATCH ${SETS}/web-new`]: refusal(409, "Conflict"), [`PATCH ${SERVICES}/a`]: service("a", 20) }),
    );
    const { error } = await acted({ writes: [selecting("a", pin)], sets: [stampedSet("1/l")], term: "2/l" });
    expect(error).toMatchObject({ kind: "conflict" });
    expect(sent()).toEqual(["PATCH replicasets/web-new"]);
  });

  test("nor where it sees that a later leader was here", async () => {
    const { error } = await acted({ writes: [selecting("a", pin)], sets: [stampedSet("3/l")], term: "2/l" });
    expect(String(error)).toContain("later than ours");
    expect(sent()).toEqual([]);
  });

  test("stamps once for two selectors that move together", async () => {
    const set = stampedSet("2/l");
    const ok = { [`PATCH ${SERVICES}/a`]: service("a", 20), [`PATCH ${SERVICES}/b`]: service("b", 21) };
    server.play(answering({ [`PATCH ${SETS}/web-new`]: [accepts(set), refusal(409, "Conflict")], ...ok }));
    const writes = [selecting("a", pin, "breach"), selecting("b", pin, "breach")];
    expect((await acted({ writes, sets: [set], term: "3/l" })).error).toBeUndefined();
    expect(sent().filter((what) => what.includes("replicasets"))).toHaveLength(1);
  });

  test("rests on what the same pass has written", async () => {
    const set = stampedSet("2/l");
    server.play(answering({ [`PATCH ${SETS}/web-new`]: accepts(set), [`PATCH ${SERVICES}/a`]: service("a", 20) }));
    const grown: Write = {
      ...patched("x"),
      ref: { apiVersion: "apps/v1", kind: "ReplicaSet", namespace: "shop", name: "web-new" },
    } as Write;
    await acted({ writes: [grown, selecting("a", pin)], sets: [set], term: "3/l" });
    expect(bodyOf(1)).toContainEqual({ op: "replace", path: "/metadata/resourceVersion", value: "50" });
  });

  test("stamps the one that is selected; all with pods where any revision is; none where the author's is back", async () => {
    const [a, b, empty] = [stampedSet("2/l"), stampedSet("2/l", "web-old"), stampedSet("2/l", "web-empty")];
    const other = { ...b, metadata: { ...b.metadata, labels: { ...pin, "zenith.sh/revision": "old" } } };
    const none = {
      ...empty,
      metadata: { ...empty.metadata, labels: other.metadata.labels },
      spec: { ...empty.spec, replicas: 0 },
    };
    const sets = [a, other, none];
    server.play((response, seen) => (seen.path.includes("services") ? service("a", 20) : accepts(a))(response, seen));
    const stampsFor = async (value: Record<string, string>): Promise<string[]> => {
      const before = server.seen.length;
      await acted({ writes: [selecting("a", value)], sets, term: "3/l" });
      return server.seen.slice(before, -1).map(({ path }) => path.split("/").at(-1) ?? "");
    };
    expect(await stampsFor(pin)).toEqual(["web-new"]);
    expect((await stampsFor({ "zenith.sh/rollout": "web" })).sort()).toEqual(["web-new", "web-old"]);
    expect(await stampsFor({ app: "web" })).toEqual([]);
  });

  test("does without where nobody else might lead", async () => {
    server.play(service("a", 20));
    await acted({ writes: [selecting("a", pin)], sets: [stampedSet()] });
    expect(sent()).toEqual(["PATCH services/a"]);
  });
});

describe("act() leaves no trace of itself in what others apply", () => {
  const selector = { "f:spec": { "f:selector": {} } };
  const helm = { manager: "helm", operation: "Apply", fieldsV1: selector };
  const ours = { manager: "zenith", operation: "Update", fieldsV1: selector };
  const owned = (version: number, ...managedFields: object[]): Answer =>
    json(200, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "shop", name: "a", resourceVersion: `${version}`, managedFields },
    });
  const shared: Write = { ...patched("a"), shared: ["/spec/selector"] } as Write;
  const path = `${SERVICES}/a`;

  test("takes its entry out with a second patch, and waits for that one's version", async () => {
    server.play(answering({ [`PATCH ${path}`]: [owned(20, helm, ours), owned(21, helm)] }));
    const { written, error } = await acted({ writes: [shared] });
    expect(error).toBeUndefined();
    expect(bodyOf(1)).toEqual([
      { op: "replace", path: "/metadata/resourceVersion", value: "20" },
      { op: "replace", path: "/metadata/managedFields", value: [helm] },
    ]);
    expect([...written.values()].map(({ version }) => version)).toEqual(["21"]);
  });

  test("sends none where nobody applies the object, and none for what is not shared", async () => {
    server.play(answering({ [`PATCH ${path}`]: [owned(20, ours), owned(21, helm, ours)] }));
    await acted({ writes: [shared, patched("a")] });
    expect(sent()).toEqual(["PATCH services/a", "PATCH services/a"]);
  });

  test("tries again on what it is by then where someone writes in between", async () => {
    const answers = [owned(20, helm, ours), refusal(409, "Conflict"), owned(23, helm)];
    server.play(answering({ [`PATCH ${path}`]: answers, [`GET ${path}`]: owned(22, helm, ours) }));
    const { written, error } = await acted({ writes: [shared] });
    expect(error).toBeUndefined();
    expect(sent()).toEqual(["PATCH services/a", "PATCH services/a", "GET services/a", "PATCH services/a"]);
    expect(bodyOf(-1)).toContainEqual({ op: "replace", path: "/metadata/resourceVersion", value: "22" });
    expect([...written.values()].map(({ version }) => version)).toEqual(["23"]);
  });

  test("lets it be where others always write in between: what was wanted stands", async () => {
    const answers = [owned(20, helm, ours), refusal(409, "Conflict")];
    server.play(answering({ [`PATCH ${path}`]: answers, [`GET ${path}`]: owned(22, helm, ours) }));
    expect((await acted({ writes: [shared] })).error).toBeUndefined();
    expect(sent().length).toBeLessThan(15);
  });
});
