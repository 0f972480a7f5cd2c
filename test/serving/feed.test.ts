import { beforeEach, describe, expect, test } from "vitest";
import type { Visibility } from "../../src/core/flags/definition.ts";
import { systemClock } from "../../src/kube/clock.ts";
import { DeliveryCounts } from "../../src/serving/delivery.ts";
import { Feed, type FeedEvent } from "../../src/serving/feed.ts";
import { FlagStore } from "../../src/serving/store.ts";
import { eventually } from "../kube/scripted-server.ts";
import { aFlag } from "./flags.ts";

let store: FlagStore;
let delivery: DeliveryCounts;
let feed: Feed;
beforeEach(() => {
  store = new FlagStore();
  delivery = new DeliveryCounts(store, systemClock);
  feed = new Feed(store, delivery, systemClock);
});

/** A client that has read what it was sent only once `read` is called. */
function client(flagSet = "shop", viewer: Visibility = "server") {
  const events: FeedEvent[] = [];
  let flushed: (() => void)[] = [];
  const close = feed.open(flagSet === "every" ? undefined : flagSet, viewer, (event, onFlushed) => {
    if (event.type === "configuration_change") events.push(event);
    flushed.push(onFlushed);
  });
  const read = (): void => {
    const all = flushed;
    flushed = [];
    for (const one of all) one();
  };
  return { events, read, close, keys: () => events.map(({ data }) => Object.keys(data?.flags ?? {})) };
}

async function change(...keys: string[]): Promise<void> {
  const push = delivery.last;
  for (const key of keys) store.put(aFlag(key, { version: `v${push + 2}` }), true);
  await eventually("it is told", () => delivery.last > push);
}

describe("Feed", () => {
  test("hands the same event to all who are told the same, so that it is encoded once", async () => {
    await change("a", "b");
    const [one, other] = [client(), client()];
    expect(one.keys()).toEqual([["a", "b"]]);
    expect(other.events[0]).toBe(one.events[0]);
    one.read();
    other.read();
    await change("b");
    expect(one.keys()[1]).toEqual(["b"]);
    expect(other.events[1]).toBe(one.events[1]);
    const late = client();
    expect(late.keys()).toEqual([["a", "b"]]);
    expect(late.events[0]).not.toBe(one.events[0]);
    for (const each of [one, other, late]) each.close();
  });

  test("tells who is behind of all that changed meanwhile at once", async () => {
    await change("a", "b", "c");
    const slow = client();
    slow.read();
    await change("a");
    await change("b");
    await change("c");
    await change("b");
    expect(slow.keys().slice(1)).toEqual([["a"]]);
    expect(delivery.page("pod").flagSets.shop?.b).toMatchObject({ clients: 1, acked: 0 });
    slow.read();
    expect(slow.keys().slice(1)).toEqual([["a"], ["b", "c"]]);
    expect(delivery.page("pod").flagSets.shop?.b).toMatchObject({ clients: 1, acked: 0 });
    slow.read();
    expect(delivery.page("pod").flagSets.shop?.b).toMatchObject({ clients: 1, acked: 1 });
    await change("a");
    expect(slow.keys().slice(1)).toEqual([["a"], ["b", "c"], ["a"]]);
    slow.close();
  });

  test("tells a client of every set what it missed of each", async () => {
    const slow = client("every");
    slow.read();
    await change("a");
    store.put(aFlag("p", { flagSet: "pay" }), true);
    await eventually("it is told", () => delivery.last === 2);
    await change("b");
    slow.read();
    expect(slow.events.map(({ data }) => data?.flags)).toEqual([
      { a: { type: "update", source: "shop" } },
      { p: { type: "update", source: "pay" }, b: { type: "update", source: "shop" } },
    ]);
    slow.close();
  });

  test("is not waited for with what a browser may not see", async () => {
    const browser = client("shop", "client");
    store.put(aFlag("secret", { visibility: "server" }), true);
    await eventually("it is told", () => delivery.last === 1);
    expect(browser.keys()).toEqual([]);
    expect(delivery.page("pod").flagSets.shop?.secret).toMatchObject({ clients: 0, acked: 0 });
    await change("a");
    browser.read();
    expect(delivery.page("pod").flagSets.shop?.a).toMatchObject({ clients: 1, acked: 1 });
    browser.close();
  });
});
