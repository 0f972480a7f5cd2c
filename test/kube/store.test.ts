import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { compareVersions, Store } from "../../src/kube/store.ts";

function anObject(name: string, version: number, app = "web", namespace = "shop"): KubeObject {
  const metadata = { name, namespace, uid: `${name}-1`, resourceVersion: String(version), labels: { app } };
  return { apiVersion: "v1", kind: "Pod", metadata };
}

const byApp = { app: (object: KubeObject) => Object.values(object.metadata.labels ?? {}) };

function observed(store: Store<KubeObject>): string[] {
  const told: string[] = [];
  store.subscribe((type, object, old) => {
    const before = old === undefined ? "" : ` was ${old.metadata.resourceVersion}`;
    told.push(`${type} ${object.metadata.name} ${object.metadata.resourceVersion}${before}`);
  });
  return told;
}

describe("compareVersions()", () => {
  test("orders as integers of any length", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.bigInt({ min: 0n, max: 10n ** 30n }), (a, b) => {
        expect(Math.sign(compareVersions(String(a), String(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });
});

describe("Store", () => {
  test("tells each change once, in order, and never goes back in time", () => {
    const store = new Store<KubeObject>(byApp);
    const told = observed(store);
    store.set(anObject("a", 9));
    store.set(anObject("a", 10));
    store.set(anObject("a", 10));
    store.set(anObject("a", 9));
    store.remove(anObject("a", 8));
    store.remove(anObject("a", 11));
    store.remove(anObject("a", 12));
    expect(told).toEqual(["added a 9", "modified a 10 was 9", "deleted a 11 was 10"]);
    expect(store.version()).toBe("12");
  });

  test("finds by index after additions, moves and deletions", () => {
    const store = new Store<KubeObject>(byApp);
    store.set(anObject("a", 1, "web"));
    store.set(anObject("b", 2, "web"));
    store.set(anObject("a", 3, "api"));
    expect(store.byIndex("app", "web").map(({ metadata }) => metadata.name)).toEqual(["b"]);
    expect(store.byIndex("app", "api").map(({ metadata }) => metadata.name)).toEqual(["a"]);
    store.remove(anObject("b", 4, "web"));
    expect(store.byIndex("app", "web")).toEqual([]);
    expect(() => store.byIndex("nope", "")).toThrow('Index "nope" does not exist; the store was made with app');
  });

  test("index and objects agree after any history", () => {
    const change = fc.record({
      name: fc.constantFrom("a", "b", "c"),
      app: fc.constantFrom("x", "y"),
      version: fc.integer({ min: 1, max: 30 }),
      verb: fc.constantFrom("set", "remove", "replace"),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const store = new Store<KubeObject>(byApp);
        const twin = new Map<string, string>();
        store.subscribe((type, { metadata }) => {
          if (type === "deleted") twin.delete(metadata.name);
          else twin.set(metadata.name, metadata.resourceVersion ?? "");
        });
        for (const { name, app, version, verb } of changes) {
          const object = anObject(name, version, app);
          if (verb === "replace") store.replace([object], String(version));
          else store[verb as "set" | "remove"](object);
        }
        const all = store.list();
        expect(new Map(all.map(({ metadata }) => [metadata.name, metadata.resourceVersion]))).toEqual(twin);
        for (const app of ["x", "y"])
          expect(new Set(store.byIndex("app", app))).toEqual(
            new Set(all.filter((o) => o.metadata.labels?.app === app)),
          );
      }),
    );
  });

  test("a whole list brings deletions that nobody saw, and does not tell what is as known", () => {
    const store = new Store<KubeObject>();
    store.replace([anObject("a", 1), anObject("b", 2)], "5");
    const told = observed(store);
    store.replace([anObject("b", 2), anObject("c", 7)], "8");
    expect(told).toEqual(["deleted a 1 was 1", "added c 7"]);
    expect(store.hasSynced()).toBe(true);
    expect(store.version()).toBe("8");
  });

  test("in parts, a list of one namespace leaves the others alone, and all must have come", () => {
    const store = new Store<KubeObject>();
    store.expect("shop");
    store.expect("bank");
    store.replace([anObject("a", 3, "web", "shop")], "4", "shop");
    expect(store.hasSynced()).toBe(false);
    store.replace([anObject("b", 6, "web", "bank")], "9", "bank");
    expect(store.hasSynced()).toBe(true);
    expect(store.list("shop")).toHaveLength(1);
    store.replace([], "12", "bank");
    expect(store.list().map(({ metadata }) => metadata.namespace)).toEqual(["shop"]);
    expect([store.version("shop"), store.version("bank"), store.version()]).toEqual(["4", "12", "4"]);
  });

  test("waitFor() resolves when an event, a list or a bookmark has come so far", async () => {
    const store = new Store<KubeObject>();
    const steps: (() => void)[] = [
      () => store.set(anObject("a", 10)),
      () => store.replace([anObject("a", 10)], "20"),
      () => store.advance("30"),
    ];
    for (const [i, step] of steps.entries()) {
      let reached = false;
      const waiting = store.waitFor(String((i + 1) * 10)).then((value) => {
        reached = value;
      });
      await Promise.resolve();
      expect(reached).toBe(false);
      step();
      await waiting;
      expect(reached).toBe(true);
    }
    expect(await store.waitFor("30")).toBe(true);
    const stop = new AbortController();
    const late = store.waitFor("31", { signal: stop.signal });
    stop.abort();
    expect(await late).toBe(false);
  });
});
