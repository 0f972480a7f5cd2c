import { beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../src/kube/clock.ts";
import { DeliveryCounts, type Listener } from "../../src/serving/delivery.ts";
import { FlagStore } from "../../src/serving/store.ts";
import { aFlag } from "./flags.ts";

let clock: FakeClock;
let store: FlagStore;
let delivery: DeliveryCounts;
beforeEach(() => {
  clock = new FakeClock();
  store = new FlagStore({ clock });
  delivery = new DeliveryCounts(store, clock);
});

/** Serves a version of the flag, and tells of it. */
async function change(version: string, key = "a"): Promise<void> {
  store.put(aFlag(key, { version }), true);
  await clock.advance(0);
}

const browser = (name: string): Listener => ({ kind: "browser", flagSet: "shop", name });
const program = (name: string): Listener => ({ kind: "ofrep", flagSet: "shop", name });
/** Connects, and never was before. */
const listen = (listener: Listener) => delivery.listen(listener, true);
/** Fetches what is served now. */
const fetches = (listener: Listener) => delivery.fetched(listener, delivery.last);
const fetchersOf = (key = "a") => {
  const { flagSets, fetchers } = delivery.page("pod", "shop", [key]);
  return fetchers[flagSets.shop?.[key]?.fetchers ?? ""];
};
const delivered = (key = "a") => delivery.page("pod").flagSets.shop?.[key];
const counts = () => `${delivered()?.acked}/${delivered()?.clients}`;

describe("DeliveryCounts", () => {
  test("counts nobody for what is served and not told yet", async () => {
    await change("v1");
    const sync = delivery.open("sync", "shop", "server");
    expect(delivered()).toMatchObject({ version: "v1", clients: 1, acked: 1 });
    store.put(aFlag("a", { version: "v2" }));
    expect(delivered()).toMatchObject({ version: "v2", clients: 1, acked: 0 });
    // Nor for what changes under the same name.
    await clock.advance(15);
    sync.flushed(delivery.last);
    store.put(aFlag("a", { version: "v2", definition: { defaultVariant: "on" } }));
    expect(delivered()).toMatchObject({ version: "v2", clients: 1, acked: 0 });
    await clock.advance(15);
    expect(delivered()).toMatchObject({ version: "v2", clients: 1, acked: 0 });
    sync.flushed(delivery.last);
    expect(delivered()).toMatchObject({ version: "v2", clients: 1, acked: 1 });
  });

  test.each<[string, () => void | Promise<void>, string]>([
    ["nobody before he has fetched", () => {}, "0/2"],
    ["who has fetched", () => fetches(browser("ann")), "1/2"],
    ["nobody twice, however often he fetches", () => [1, 2, 3].map(() => fetches(browser("ann"))), "1/2"],
    [
      "one who came since, once, when he has fetched, and not for those who were there",
      () => {
        listen(browser("new"));
        fetches(browser("new"));
      },
      "1/3",
    ],
    ["nobody who came just now and has not fetched", () => void listen(browser("new")), "0/3"],
    [
      "whoever is new when all has settled: he got it with his first fetch",
      async () => {
        await clock.advance(2_001);
        listen(browser("new"));
      },
      "1/3",
    ],
    [
      "nobody who comes back then and has not fetched",
      async () => {
        await clock.advance(2_001);
        delivery.listen(browser("from-another-server"), false);
      },
      "0/3",
    ],
    [
      "once who comes back before his lost connection ends",
      () => {
        delivery.listen(browser("ann"), false);
        fetches(browser("ann"));
      },
      "1/2",
    ],
    [
      "him still when that ends at last, and once when he loses the next one",
      () => {
        const leave = listen(browser("new"));
        delivery.listen(browser("new"), false);
        leave();
        delivery.listen(browser("new"), false);
        fetches(browser("new"));
      },
      "1/3",
    ],
    [
      "nobody who has gone",
      () => {
        const leave = listen(browser("new"));
        fetches(browser("new"));
        leave();
      },
      "0/2",
    ],
    [
      "who came back with what he had fetched before he went",
      () => {
        listen(browser("new"))();
        fetches(browser("new"));
        delivery.listen(browser("new"), false);
      },
      "1/3",
    ],
    ["nobody for what another kind of client fetches", () => fetches(program("ann")), "0/2"],
    ["nobody for what is fetched of another set", () => fetches({ ...browser("ann"), flagSet: "pay" }), "0/2"],
    ["nobody for what was fetched before", () => delivery.fetched(browser("ann"), delivery.last - 1), "0/2"],
  ])("counts, of those who fetch, %s", async (_, happens, wanted) => {
    await change("v1");
    for (const name of ["ann", "ben"]) {
      listen(browser(name));
      fetches(browser(name));
    }
    await change("v2");
    await happens();
    expect(counts()).toBe(wanted);
  });

  test("names who waits, and who fetched here and listens elsewhere, of the kinds that see the flag", async () => {
    listen(browser("ann"));
    listen(program("cart"));
    store.put(aFlag("secret", { visibility: "server" }));
    await change("v1");
    expect(fetchersOf()).toEqual({ waiting: ["ann", "cart"], overdue: [], elsewhere: [] });
    fetches(browser("ann"));
    fetches(browser("of-another-server"));
    fetches({ ...browser("of-another-set"), flagSet: "pay" });
    delivery.fetched(browser("before"), delivery.last - 1);
    expect(fetchersOf()).toEqual({ waiting: ["cart"], overdue: [], elsewhere: ["of-another-server"] });
    expect(fetchersOf("secret")).toEqual({ waiting: ["cart"], overdue: [], elsewhere: [] });
    expect(delivered("secret")).toMatchObject({ clients: 1, acked: 0 });
  });

  test("names those who came back among who has fetched, for the server that they seem connected to, while it is of use", async () => {
    await change("v1");
    delivery.listen(browser("ann"), false);
    fetches(browser("ann"));
    listen(browser("ben"));
    fetches(browser("ben"));
    expect(fetchersOf()).toMatchObject({ elsewhere: ["ann"] });
    await clock.advance(120_001);
    expect(fetchersOf()).toMatchObject({ elsewhere: [] });
  });

  test("gives nobody up before his time, whatever else changes meanwhile, and whenever he came", async () => {
    listen(browser("ann"));
    await change("v1");
    for (let i = 0; i < 100; i++) await change(`v${i}`, "another");
    expect(fetchersOf()).toMatchObject({ waiting: ["ann"], overdue: [] });
    await clock.advance(29_000);
    delivery.listen(browser("ben"), false);
    await clock.advance(2_000);
    expect(fetchersOf()).toMatchObject({ waiting: ["ben"], overdue: ["ann"] });
    await clock.advance(30_000);
    expect(fetchersOf()).toMatchObject({ waiting: [], overdue: ["ann", "ben"] });
    expect(counts()).toBe("0/2");
  });

  test("tells how long it took those who were told of the change, and not who comes an hour later", async () => {
    await change("v1");
    await clock.advance(40);
    fetches(browser("ann"));
    await clock.advance(3_600_000);
    fetches(browser("late"));
    expect(delivered()?.p99Ms).toBe(40);
  });
});
