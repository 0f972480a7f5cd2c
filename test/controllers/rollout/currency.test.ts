import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeRef, refOf } from "../../../src/api/kubernetes.ts";
import { keyOf } from "../../../src/controllers/key.ts";
import { Currency } from "../../../src/controllers/rollout/currency.ts";
import type { Sources } from "../../../src/controllers/rollout/sources.ts";
import { Resources } from "../../../src/kube/resource.ts";
import { json, refusal, type ScriptedServer, startScriptedServer } from "../../kube/scripted-server.ts";
import { aRollout, atVersion, handFilled } from "./shell.ts";

let server: ScriptedServer;
let sources: Sources;
let watch: number | undefined;
let restored: string[];
let currency: Currency;
const rollout = aRollout("web", 10);
const key = keyOf(rollout);

beforeEach(async () => {
  server = await startScriptedServer();
  const client = server.client();
  sources = handFilled(client);
  sources.rollouts.set(rollout);
  watch = 1;
  restored = [];
  currency = new Currency({
    sources,
    resources: new Resources(client),
    watchOfRollouts: () => watch,
    onRestoredServer: (kind) => restored.push(kind),
  });
  server.play(json(200, rollout));
});
afterEach(() => server.stop());

describe("Currency.isCurrent()", () => {
  test("reads the Rollout live after a start, and then no more", async () => {
    expect(await currency.isCurrent(rollout)).toBe(true);
    expect(await currency.isCurrent(rollout)).toBe(true);
    expect(server.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /apis/zenith.sh/v1alpha1/namespaces/shop/rollouts/web",
    ]);
  });

  test("reads it again after a conflict", async () => {
    await currency.isCurrent(rollout);
    currency.doubt(key);
    await currency.isCurrent(rollout);
    expect(server.seen).toHaveLength(2);
  });

  test("reads it again after a gap in the watch", async () => {
    await currency.isCurrent(rollout);
    watch = 2;
    await currency.isCurrent(rollout);
    await currency.isCurrent(rollout);
    expect(server.seen).toHaveLength(2);
  });

  test("reads it each time while there is no watch, and once more when there is one", async () => {
    watch = undefined;
    await currency.isCurrent(rollout);
    await currency.isCurrent(rollout);
    watch = 2;
    await currency.isCurrent(rollout);
    await currency.isCurrent(rollout);
    expect(server.seen).toHaveLength(3);
  });

  test("does not trust a watch that broke while the Rollout was read", async () => {
    server.play((response, seen) => {
      watch = 2;
      json(200, rollout)(response, seen);
    });
    expect(await currency.isCurrent(rollout)).toBe(true);
    await currency.isCurrent(rollout);
    expect(server.seen).toHaveLength(2);
  });

  test("says no to a Rollout that changed, and waits until the cache shows the change", async () => {
    server.play(json(200, atVersion(rollout, 12)));
    expect(await currency.isCurrent(rollout)).toBe(false);
    expect(currency.hasCaughtUp(key)).toBe(false);
    sources.rollouts.set(atVersion(rollout, 11));
    expect(currency.hasCaughtUp(key)).toBe(false);
    sources.rollouts.set(atVersion(rollout, 12));
    expect(currency.hasCaughtUp(key)).toBe(true);
    expect(await currency.isCurrent(atVersion(rollout, 12))).toBe(true);
    expect(restored).toEqual([]);
  });

  test("says no to a Rollout that is gone", async () => {
    server.play(refusal(404, "NotFound"));
    expect(await currency.isCurrent(rollout)).toBe(false);
    expect(currency.hasCaughtUp(key)).toBe(true);
  });

  test("tells of a server that has an older one than the cache", async () => {
    server.play(json(200, atVersion(rollout, 9)));
    expect(await currency.isCurrent(rollout)).toBe(false);
    expect(restored).toEqual(["Rollout"]);
  });

  test("throws where it cannot be read: nothing is known then", async () => {
    server.play(refusal(403, "Forbidden"));
    await expect(currency.isCurrent(rollout)).rejects.toThrow("Forbidden");
  });
});

describe("Currency.hasCaughtUp()", () => {
  const service = { apiVersion: "v1", kind: "Service", metadata: { namespace: "shop", name: "web" }, spec: {} };
  const written = (version: string) =>
    new Map([[describeRef(refOf(service)), { ref: refOf(service), version }]] as const);

  test("waits for what we wrote, object by object", () => {
    expect(currency.hasCaughtUp(key)).toBe(true);
    currency.await(key, written("20"));
    sources.services.set(atVersion(service, 19));
    expect(currency.hasCaughtUp(key)).toBe(false);
    expect(currency.hasCaughtUp("shop/other")).toBe(true);
    sources.services.set(atVersion(service, 20));
    expect(currency.hasCaughtUp(key)).toBe(true);
  });

  test("waits until what we deleted goes, as it may bear any version meanwhile", () => {
    const born = { ...service, metadata: { ...service.metadata, uid: "u1" } };
    const ref = refOf(service);
    const deleted = new Map([[describeRef(ref), { ref, version: "20", deletedUid: "u1" }]]);
    sources.services.set(atVersion(born, 21));
    currency.await(key, deleted);
    expect(currency.hasCaughtUp(key)).toBe(false);
    sources.services.set({
      ...born,
      metadata: { ...born.metadata, resourceVersion: "22", deletionTimestamp: "2026-01-01T00:00:00Z" },
    });
    expect(currency.hasCaughtUp(key)).toBe(true);
    currency.await(key, deleted);
    sources.services.set({ ...born, metadata: { ...born.metadata, resourceVersion: "23", uid: "u2" } });
    expect(currency.hasCaughtUp(key)).toBe(true);
    sources.services.remove({ ...born, metadata: { ...born.metadata, resourceVersion: "24", uid: "u2" } });
    currency.await(key, deleted);
    expect(currency.hasCaughtUp(key)).toBe(true);
  });

  test("is content with a bookmark, as the object may be gone again", () => {
    currency.await(key, written("20"));
    sources.services.advance("21");
    expect(currency.hasCaughtUp(key)).toBe(true);
  });

  test("does not wait for kinds that nobody watches", () => {
    const ref = { apiVersion: "v1", kind: "Secret", namespace: "shop", name: "web" };
    currency.await(key, new Map([["x", { ref, version: "20" }]]));
    expect(currency.hasCaughtUp(key)).toBe(true);
  });
});
