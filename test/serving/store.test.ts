import { describe, expect, test } from "vitest";
import { FakeClock } from "../../src/kube/clock.ts";
import { FlagStore, type SetChange } from "../../src/serving/store.ts";
import { aFlag, forPros } from "./flags.ts";

function aStore() {
  const clock = new FakeClock();
  const store = new FlagStore({ clock });
  const changes: SetChange[] = [];
  store.subscribe((change) => void changes.push(change));
  return { clock, store, changes };
}

describe("FlagStore", () => {
  test("serves a change at once, and tells of a hundred that come together once a set", async () => {
    const { clock, store, changes } = aStore();
    for (let i = 0; i < 100; i++) store.put(aFlag(`flag-${i}`));
    store.put(aFlag("other", { flagSet: "pay" }));
    expect(store.find("shop", "flag-7")?.evaluate({})).toMatchObject({ kind: "value", value: false });
    expect(changes).toEqual([]);
    await clock.advance(20);
    expect(changes.map(({ flagSet, keys }) => [flagSet, keys.size])).toEqual([
      ["shop", 100],
      ["pay", 1],
    ]);
  });

  test("tells of what is urgent without waiting, with what waits", async () => {
    const { clock, store, changes } = aStore();
    store.put(aFlag("a"));
    store.put(aFlag("b"), true);
    await clock.advance(0);
    expect(changes.map(({ keys }) => [...keys])).toEqual([["a", "b"]]);
    await clock.advance(100);
    expect(changes).toHaveLength(1);
  });

  test("tells nothing of what stays as it is", async () => {
    const { clock, store, changes } = aStore();
    const first = store.put(aFlag("a"));
    await clock.advance(20);
    expect(store.put(aFlag("a"))).toBe(first);
    await clock.advance(20);
    expect(changes).toHaveLength(1);
  });

  test("keeps what it serves where the next one cannot be evaluated", () => {
    const { store } = aStore();
    store.put(aFlag("a", { definition: { targeting: forPros } }));
    for (const definition of [
      { targeting: { "no-such-operator": [1] } },
      { defaultVariant: "not-there" },
      { state: "BROKEN" as "ENABLED" },
    ])
      expect(() => store.put(aFlag("a", { version: "v2", definition }))).toThrow();
    expect(store.find("shop", "a")?.version).toBe("v1");
    expect(store.find("shop", "a")?.evaluate({ plan: "pro" })).toMatchObject({ value: true });
  });

  test("rebuilds the one flag that changed, and no other", () => {
    const { store } = aStore();
    const others = Array.from({ length: 20 }, (_, i) => store.put(aFlag(`flag-${i}`)));
    store.put(aFlag("flag-7", { version: "v2" }));
    const same = others.filter((flag) => store.find("shop", flag.key) === flag);
    expect(same).toHaveLength(19);
  });

  test("tells whether a browser could see the change, also of a flag that it no longer sees", async () => {
    const { clock, store, changes } = aStore();
    store.put(aFlag("a", { visibility: "server" }));
    await clock.advance(20);
    store.put(aFlag("a", { visibility: "client" }));
    await clock.advance(20);
    store.put(aFlag("a", { visibility: "server" }));
    await clock.advance(20);
    store.remove("shop", "a");
    await clock.advance(20);
    expect(changes.map(({ clientKeys }) => clientKeys.size)).toEqual([0, 1, 1, 0]);
  });

  test("keeps nothing of the sets that clients make up", () => {
    const { store } = aStore();
    expect(store.flagSet("made-up").flags.size).toBe(0);
    expect(store.names()).toEqual([]);
    expect(store.flagSet("made-up")).not.toBe(store.flagSet("made-up"));
  });
});

describe("FlagSet", () => {
  test("trap 7: is a map by key for clients in process, not a list", () => {
    const { store } = aStore();
    store.put(aFlag("a"));
    store.put(aFlag('a "quoted" key'));
    const document = JSON.parse(store.flagSet("shop").json());
    expect(Object.keys(document.flags)).toEqual(["a", 'a "quoted" key']);
    expect(document.flags.a).toEqual(aFlag("a").definition);
    expect(document.metadata).toEqual({ flagSetId: "shop" });
  });

  test("has the same tag wherever the same is served, whatever the order in which it came", () => {
    const [one, two] = [aStore().store, aStore().store];
    for (const key of ["a", "b", "c"]) one.put(aFlag(key));
    for (const key of ["c", "a", "x", "b"]) two.put(aFlag(key));
    two.remove("shop", "x");
    expect(one.flagSet("shop").etag("server")).toBe(two.flagSet("shop").etag("server"));
    two.put(aFlag("b", { version: "v2" }));
    expect(one.flagSet("shop").etag("server")).not.toBe(two.flagSet("shop").etag("server"));
  });

  test("has another tag for browsers, which no change moves that they cannot see", () => {
    const { store } = aStore();
    store.put(aFlag("a"));
    const before = store.flagSet("shop").etag("client");
    store.put(aFlag("secret", { visibility: "server" }));
    expect(store.flagSet("shop").etag("client")).toBe(before);
  });
});
