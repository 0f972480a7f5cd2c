import { beforeEach, describe, expect, test } from "vitest";
import { type Awaited, Deliveries } from "../../../src/controllers/feature-flag/deliveries.ts";
import { addressesOf } from "../../../src/controllers/feature-flag/flag-servers.ts";
import type { DeliveryPage, FlagDelivery } from "../../../src/core/flags/delivery.ts";
import { FakeClock } from "../../../src/kube/clock.ts";
import type { DeliveryQuestion } from "../../../src/metrics/flag-servers.ts";

let clock: FakeClock;
let news: string[];
let asked: string[];
/** What each server says of every flag; "hangs" never answers, "fails" answers with nonsense. */
let servers: Map<string, Partial<FlagDelivery> | "hangs" | "fails">;
/** Of those, who is on his way out. */
let going: Set<string>;
let deliveries: Deliveries;

const SERVED: FlagDelivery = {
  version: "v1",
  clients: 3,
  acked: 3,
  evaluations: {},
};

beforeEach(() => {
  clock = new FakeClock();
  news = [];
  asked = [];
  servers = new Map([
    ["a:8014", {}],
    ["b:8014", {}],
  ]);
  going = new Set();
  const addresses = () => [...servers.keys()].map((address) => ({ address, isGoing: going.has(address) }));
  deliveries = new Deliveries({ addresses, ask }, clock, (key) => void news.push(key));
});

function ask(address: string, { flagSet, keys }: DeliveryQuestion, signal: AbortSignal): Promise<DeliveryPage> {
  asked.push(`${address} ${flagSet} ${keys.length}`);
  const said = servers.get(address) ?? "fails";
  if (said === "hangs")
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("too late"))));
  if (said === "fails") return Promise.reject(new Error("no JSON"));
  const flags = Object.fromEntries(keys.map((key) => [key, { ...SERVED, ...said }]));
  return Promise.resolve({ server: address, flagSets: { [flagSet]: flags }, fetchers: {} });
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    await clock.advance(Math.min(50, left));
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

const checkout = (version = "v1"): Awaited => ({ flagSet: "shop", key: "checkout", version });

describe("Deliveries", () => {
  test("asks every server, and tells what all of them say", async () => {
    deliveries.follow("shop/checkout", checkout());
    expect(deliveries.of("shop/checkout")).toBe("unknown");
    await pass(150);
    expect(asked).toEqual(["a:8014 shop 1", "b:8014 shop 1"]);
    expect(news).toEqual(["shop/checkout"]);
    expect(deliveries.of("shop/checkout")).toMatchObject({ version: "v1", asked: 2, servers: 2, clients: 6, acked: 6 });
  });

  test("asks nobody at rest", async () => {
    deliveries.follow("shop/checkout", checkout());
    await pass(150);
    deliveries.follow("shop/checkout", undefined);
    asked = [];
    await pass(600_000);
    expect(asked).toEqual([]);
  });

  test("asks about many flags together, in questions of a bounded length", async () => {
    for (let i = 0; i < 100; i++) deliveries.follow(`shop/f${i}`, { flagSet: "shop", key: `f${i}`, version: "v1" });
    await pass(150);
    expect(asked.filter((question) => question.startsWith("a:"))).toEqual([
      "a:8014 shop 40",
      "a:8014 shop 40",
      "a:8014 shop 20",
    ]);
    expect(new Set(news).size).toBe(100);
  });

  test("is not delayed by a server that hangs, and says that it is silent", async () => {
    servers.set("b:8014", "hangs");
    deliveries.follow("shop/checkout", checkout());
    await pass(2_200);
    expect(deliveries.of("shop/checkout")).toMatchObject({ asked: 2, silent: 1, servers: 1, acked: 3 });
    deliveries.follow("shop/cart", { flagSet: "shop", key: "cart", version: "v1" });
    await pass(150);
    expect(deliveries.of("shop/cart")).toMatchObject({ asked: 2, silent: 1, servers: 1 });
  });

  test("takes what makes no sense for silence, and asks again", async () => {
    servers.set("b:8014", "fails");
    deliveries.follow("shop/checkout", checkout());
    await pass(150);
    expect(deliveries.of("shop/checkout")).toMatchObject({ silent: 1 });
    servers.set("b:8014", {});
    await pass(300);
    expect(deliveries.of("shop/checkout")).toMatchObject({ silent: 0, servers: 2 });
  });

  test("waits for the clients of a server that goes, as long as it says something", async () => {
    going.add("b:8014");
    servers.set("b:8014", { version: "v0", acked: 0 });
    deliveries.follow("shop/checkout", checkout());
    await pass(150);
    expect(deliveries.of("shop/checkout")).toMatchObject({ asked: 2, servers: 1, clients: 6, acked: 3 });
    servers.set("b:8014", "fails");
    await pass(300);
    expect(deliveries.of("shop/checkout")).toMatchObject({ asked: 1, silent: 0, servers: 1, clients: 3, acked: 3 });
  });

  test("tells at once of another word, and of counts now and then", async () => {
    servers.set("a:8014", { acked: 1 });
    deliveries.follow("shop/checkout", checkout());
    await pass(150);
    expect(news).toHaveLength(1);
    servers.set("a:8014", { acked: 2 });
    await pass(5_000);
    expect(news).toHaveLength(1);
    await pass(10_000);
    expect(news).toHaveLength(2);
    expect(deliveries.of("shop/checkout")).toMatchObject({ acked: 5 });
    servers.set("a:8014", {});
    await pass(2_100);
    expect(news).toHaveLength(3);
  });

  test("says nothing of a change from what was asked before it", async () => {
    deliveries.follow("shop/checkout", checkout());
    await pass(150);
    deliveries.follow("shop/checkout", checkout("v2"));
    expect(deliveries.of("shop/checkout")).toBe("unknown");
    await pass(150);
    expect(deliveries.of("shop/checkout")).toMatchObject({ version: "v2", servers: 0, clients: 6, acked: 0 });
  });

  test("says that there is no server", async () => {
    servers.clear();
    deliveries.follow("shop/checkout", checkout());
    await pass(150);
    expect(deliveries.of("shop/checkout")).toMatchObject({ asked: 0, servers: 0 });
  });

  test("asks less and less often about what does not arrive", async () => {
    servers.set("a:8014", { acked: 1 });
    deliveries.follow("shop/checkout", checkout());
    await pass(3_600_000);
    expect(asked.length).toBeLessThan(2 * (20 + 30 + 60 + 60));
    expect(asked.length).toBeGreaterThan(2 * 100);
  });

  test("is silent where it is not known where the servers are", () => {
    const none = new Deliveries(undefined, clock, () => undefined);
    none.follow("shop/checkout", checkout());
    expect(none.of("shop/checkout")).toBeUndefined();
  });
});

test("addressesOf() names those that are ready, and those that go, by the port of the Service", () => {
  const slice = (endpoints: object[], ports = [{ name: "metrics", port: 8014 }]) =>
    ({ apiVersion: "v1", kind: "EndpointSlice", metadata: { name: "a" }, endpoints, ports }) as never;
  const slices = [
    slice([
      { addresses: ["10.0.0.1"], conditions: { ready: true } },
      { addresses: ["10.0.0.2"], conditions: { ready: false } },
      { addresses: ["10.0.0.3"] },
      { addresses: ["10.0.0.4"], conditions: { ready: false, terminating: true } },
    ]),
    slice([{ addresses: ["10.0.0.1"], conditions: { ready: false, terminating: true } }, { addresses: ["fd00::1"] }]),
    slice([{ addresses: ["10.0.0.9"] }], []),
  ];
  expect(addressesOf(slices)).toEqual([
    { address: "10.0.0.1:8014", isGoing: false },
    { address: "10.0.0.3:8014", isGoing: false },
    { address: "10.0.0.4:8014", isGoing: true },
    { address: "[fd00::1]:8014", isGoing: false },
  ]);
});
