import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/api/kubernetes.ts";
import { type Caches, makeCaches } from "../../../src/controllers/rollout/caches.ts";
import {
  type Answer,
  eventually,
  fastClock,
  refusal,
  type ScriptedServer,
  startScriptedServer,
  stream,
} from "../../kube/scripted-server.ts";

let server: ScriptedServer;
let stop: AbortController;
beforeEach(async () => {
  server = await startScriptedServer();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await server.stop();
});

function start(namespaces: readonly string[]): Caches {
  const options = { clock: fastClock(20), random: () => 0, onRestoredServer: () => undefined };
  const caches = makeCaches(server.client(), namespaces, options);
  for (const reflector of caches.reflectors) void reflector.run(stop.signal);
  return caches;
}

/** The whole of what a path asks for, from objects by the path of their lists. */
function serving(objects: Readonly<Record<string, readonly KubeObject[]>>, absent: readonly string[] = []): Answer {
  return (response, seen) => {
    if (absent.some((plural) => seen.path.endsWith(`/${plural}`))) return refusal(404, "NotFound")(response, seen);
    const added = (objects[seen.path] ?? []).map((object) => JSON.stringify({ type: "ADDED", object }));
    const metadata = { resourceVersion: "10", annotations: { "k8s.io/initial-events-end": "true" } };
    const end = JSON.stringify({ type: "BOOKMARK", object: { metadata } });
    stream([[...added, end, ""].join("\n")])(response, seen);
  };
}

function anObject(namespace: string, name: string, more: object = {}): KubeObject {
  return { apiVersion: "v1", kind: "X", metadata: { namespace, name, resourceVersion: "5" }, ...more };
}

const allSynced = ({ reflectors }: Caches): boolean => reflectors.every(({ store }) => store.hasSynced());

describe("makeCaches()", () => {
  test("watches each kind once where no namespace is given", async () => {
    server.play(serving({ "/apis/zenith.sh/v1alpha1/rollouts": [anObject("a", "web", { spec: {} })] }));
    const caches = start([]);
    await eventually("synced", () => allSynced(caches));
    expect(caches.sources.rollouts.get("a", "web")?.kind).toBe("Rollout");
    expect(new Set(server.seen.map(({ path }) => path)).size).toBe(13);
    expect(server.seen.some(({ path }) => path.includes("/namespaces/"))).toBe(false);
    expect(caches.watchOfRollouts("a")).toBe(1);
  });

  test("fills one store from several namespaces, and reads no other", async () => {
    const path = (namespace: string) => `/apis/zenith.sh/v1alpha1/namespaces/${namespace}/rollouts`;
    const rollouts = Object.fromEntries(["a", "b"].map((n) => [path(n), [anObject(n, "web", { spec: {} })]]));
    server.play(serving({ ...rollouts, "/api/v1/namespaces/b/services": [anObject("b", "web", { spec: {} })] }));
    const caches = start(["a", "b"]);
    await eventually("synced", () => allSynced(caches));
    expect(caches.sources.rollouts.list().map(({ metadata }) => metadata.namespace)).toEqual(["a", "b"]);
    expect(caches.sources.services.list("a")).toEqual([]);
    expect(caches.sources.services.list("b")).toHaveLength(1);
    expect(server.seen.every((seen) => /\/namespaces\/[ab]\//.test(seen.path))).toBe(true);
    expect(server.seen).toHaveLength(26);
  });

  test("has not synced before each namespace has", async () => {
    server.play((response, seen) => {
      const late = seen.path.includes("/namespaces/b/");
      (late ? refusal(503, "ServiceUnavailable") : serving({}))(response, seen);
    });
    const caches = start(["a", "b"]);
    await eventually("a was read", () => caches.sources.pods.version("a") === "10");
    expect(caches.sources.pods.hasSynced()).toBe(false);
    expect(caches.watchOfRollouts("b")).toBeUndefined();
    server.play(serving({}));
    await eventually("synced", () => allSynced(caches));
    expect([caches.watchOfRollouts("a"), caches.watchOfRollouts("b")]).toEqual([1, 1]);
  });

  test("is complete without the Gateway API, and follows it once it is installed", async () => {
    server.play(serving({}, ["httproutes", "grpcroutes"]));
    const caches = start([]);
    await eventually("synced", () => allSynced(caches));
    const route = anObject("a", "web", { spec: { rules: [] } });
    const told: string[] = [];
    caches.sources.routes.get("HTTPRoute")?.subscribe((type, { metadata }) => told.push(`${type} ${metadata.name}`));
    server.play(serving({ "/apis/gateway.networking.k8s.io/v1/httproutes": [route] }));
    await eventually("the route is known", () => told.length === 1);
    expect(caches.sources.routes.get("HTTPRoute")?.get("a", "web")?.kind).toBe("HTTPRoute");
  });
});
