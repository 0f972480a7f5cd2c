import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { JsonPatchOperation, KubeObject, ObjectRef, Route, Service } from "../../src/api/kubernetes.ts";
import { refOf } from "../../src/api/kubernetes.ts";
import { act } from "../../src/controllers/rollout/act.ts";
import type { RolloutPlan } from "../../src/core/rollout/plan.ts";
import type { Snapshot } from "../../src/core/rollout/snapshot.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Logger } from "../../src/telemetry/log.ts";
import { routers } from "../../src/traffic/routers.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { Access } from "../cluster/watch.ts";
import { deployment } from "../demo/shop.ts";
import { BACKENDS, REST, share } from "./contract.ts";

/*
 * A route's rules and a Service's selector have one owner. Whoever applies them after we wrote must not meet a conflict: our
 * entry leaves managedFields, and what they apply stands.
 */

const GATEWAY_API = "gateway.networking.k8s.io/v1";
const quiet = { warn: () => undefined, info: () => undefined, debug: () => undefined } as unknown as Logger;

defineResource(GATEWAY_API, "GRPCRoute", "grpcroutes");
defineResource("apps/v1", "Deployment", "deployments");

let cluster: Cluster;
let access: Access;

beforeAll(async () => {
  cluster = await startCluster({ kwok: false, controllers: false, scheduler: false });
  await cluster.applyGatewayApi();
  access = new Access(cluster.kubeconfig, "zenith");
});

afterAll(async () => {
  await access?.close();
  await cluster?.stop();
});

const route = (kind: string, name: string): KubeObject =>
  ({
    apiVersion: GATEWAY_API,
    kind,
    metadata: { name, namespace: "default" },
    spec: {
      parentRefs: [{ name: "gateway" }],
      rules: [
        {
          backendRefs: [
            { name: "web", port: 80 },
            { name: "other", port: 80, weight: 3 },
          ],
        },
      ],
    },
  }) as KubeObject;

const service = (name: string): KubeObject =>
  ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  }) as KubeObject;

/** What is tried: how to make it, how we change it, and whether it shows our change. */
interface Subject {
  readonly make: (name: string) => KubeObject;
  readonly change: (live: KubeObject) => readonly JsonPatchOperation[];
  readonly shared: string;
  readonly isChanged: (live: KubeObject) => boolean;
}

const routeSubject = (kind: string): Subject => {
  const router = routers.get(kind);
  if (router === undefined) throw new Error(`There is no router for ${kind}`);
  return {
    make: (name) => route(kind, name),
    change: (live) => router.write(live, BACKENDS, share(2000)),
    shared: "/spec/rules",
    isChanged: (live) => router.read(live, BACKENDS).kind === "paired",
  };
};

const subjects: Record<string, Subject> = {
  HTTPRoute: routeSubject("HTTPRoute"),
  GRPCRoute: routeSubject("GRPCRoute"),
  Service: {
    make: service,
    change: () => [{ op: "replace", path: "/spec/selector", value: { app: "web", "zenith.sh/revision": "x" } }],
    shared: "/spec/selector",
    isChanged: (live) => (live as Service).spec.selector?.["zenith.sh/revision"] === "x",
  },
};

const sizeOf = (object: KubeObject) => (object as KubeObject & { spec: { replicas: number } }).spec.replicas;

/** What stays as we wrote it at rest. */
const lastingSubjects: Record<string, Subject> = {
  Service: subjects.Service as Subject,
  Deployment: {
    make: (name) => deployment({ name }),
    change: () => [
      { op: "add", path: "/spec/paused", value: true },
      { op: "replace", path: "/spec/replicas", value: 0 },
    ],
    shared: "/spec/replicas",
    isChanged: (live) => sizeOf(live) === 0,
  },
};

const SERVER_SIDE = ["--server-side", "--field-manager=author"];

function apply(object: KubeObject, args: readonly string[]) {
  return cluster.kubectl(["apply", ...args, "-f", "-"], { input: stringify(object) });
}

async function live<T extends KubeObject>(ref: ObjectRef): Promise<T> {
  return await access.resources.get<T>(ref);
}

/** Writes as the operator does: our patch, then the one that takes our entry away. */
async function writeAsOperator(
  object: KubeObject,
  operations: readonly JsonPatchOperation[],
  shared: string,
  lasting = false,
) {
  const ref = refOf(object);
  const { resourceVersion = "" } = object.metadata;
  const write = { verb: "jsonPatch", ref, operations, resourceVersion, why: "a test", shared: [shared], lasting };
  const plan = { writes: [write], notices: [], target: {} } as unknown as RolloutPlan;
  const { error } = await act(access.resources, {} as Snapshot, plan, quiet);
  if (error !== undefined) throw error;
}

describe.each(Object.entries(subjects))("%s", (kind, { make, change, shared, isChanged }) => {
  const prefix = kind.toLowerCase();

  test.each([
    ["server-side", SERVER_SIDE],
    ["client-side", []],
  ])("an unforced %s apply after our patch is accepted, and what it says stands", async (how, args) => {
    const object = make(`${prefix}-${how}`);
    expect(await apply(object, args)).toMatchObject({ code: 0 });
    const before = await live(refOf(object));
    for (let i = 0; i < 2; i++) {
      const now = await live(refOf(object));
      await writeAsOperator(now, change(now), shared);
      expect(isChanged(await live(refOf(object)))).toBe(true);
      expect(await apply(object, args)).toMatchObject({ code: 0, stderr: "" });
      const after = (await live(refOf(object))) as KubeObject & { spec: unknown };
      // A client-side apply takes from a map only what it once put there: a Service stays with us.
      if (kind === "Service" && how === "client-side") expect(isChanged(after)).toBe(true);
      else expect(after.spec).toEqual((before as typeof after).spec);
    }
  });

  test("while ours is the last entry, the author keeps the fields that were never ours", async () => {
    const object = make(`${prefix}-owners`);
    await apply(object, SERVER_SIDE);
    const now = await live(refOf(object));
    await writeAsOperator(now, change(now), shared);
    const { managedFields = [] } = (await live(refOf(object))).metadata;
    const key = `f:${shared.split("/")[2]}`;
    const owns = (manager: string) =>
      managedFields.some((entry) => entry.manager === manager && key in ((entry.fieldsV1 as Fields)["f:spec"] ?? {}));
    expect([owns("zenith"), owns("author")]).toEqual([false, false]);
  });

  test("without the second patch it would conflict", async () => {
    const object = make(`${prefix}-control`);
    await apply(object, SERVER_SIDE);
    const now = await live(refOf(object));
    await access.resources.jsonPatch(refOf(object), change(now));
    const { code, stderr } = await apply(object, SERVER_SIDE);
    expect(code).toBe(1);
    expect(stderr).toContain(`conflict with "zenith" using`);
  });
});

describe.each(Object.entries(lastingSubjects))(
  "%s, whose author goes over from client-side to server-side apply",
  (kind, it) => {
    const { make, change, shared, isChanged } = it;
    const goOver = async (name: string, lasting: boolean) => {
      const object = make(`${kind.toLowerCase()}-${name}`);
      expect(await apply(object, [])).toMatchObject({ code: 0 });
      const now = await live(refOf(object));
      await writeAsOperator(now, change(now), shared, lasting);
      expect(isChanged(await live(refOf(object)))).toBe(true);
      return { object, applied: await apply(object, ["--server-side"]) };
    };

    test("meets no conflict, and what it says stands", async () => {
      const { object, applied } = await goOver("over", true);
      expect(applied).toMatchObject({ code: 0 });
      expect(isChanged(await live(refOf(object)))).toBe(false);
    });

    test("would meet one, did our entry stay", async () => {
      const { applied } = await goOver("stay", false);
      expect(applied.code).toBe(1);
      expect(applied.stderr).toContain('conflict with "zenith" using');
    });
  },
);

test.each(["HTTPRoute", "GRPCRoute"])(
  "%s that we never wrote: its author's first server-side apply meets kubectl's own entry, and has to be forced once",
  async (kind) => {
    // Its lists are atomic and have defaults, so that what kubectl owns differs from what kubectl applies.
    const object = subjects[kind]?.make(`${kind.toLowerCase()}-over`) as KubeObject;
    expect(await apply(object, [])).toMatchObject({ code: 0 });
    const { code, stderr } = await apply(object, ["--server-side"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('with "kubectl-client-side-apply" using')]);
    expect(await apply(object, ["--server-side", "--force-conflicts"])).toMatchObject({ code: 0 });
    expect(await apply(object, ["--server-side"])).toMatchObject({ code: 0 });
  },
);

type Fields = Readonly<Record<string, object | undefined>>;

test.each(["HTTPRoute", "GRPCRoute"])(
  "%s: what the author re-applied in mid-release is rest, and keeps no note",
  async (kind) => {
    const { make, change, shared } = subjects[kind] as Subject;
    const router = routers.get(kind);
    const object = make(`${kind.toLowerCase()}-note`);
    await apply(object, SERVER_SIDE);
    const author = await live<Route>(refOf(object));
    await writeAsOperator(author, change(author), shared);
    await apply(object, SERVER_SIDE);
    const reset = await live<Route>(refOf(object));
    expect(router?.read(reset, BACKENDS)).toEqual({ kind: "rest" });
    await writeAsOperator(reset, router?.write(reset, BACKENDS, REST) ?? [], shared);
    const { spec, metadata } = await live<Route>(refOf(object));
    expect([spec, metadata.annotations ?? {}]).toEqual([author.spec, {}]);
  },
);
