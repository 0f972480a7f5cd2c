import { beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../src/kube/clock.ts";
import { DeliveryCounts } from "../../src/serving/delivery.ts";
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

const delivered = (key = "a") => delivery.page("pod").flagSets.shop?.[key];

describe("DeliveryCounts", () => {
  test("counts nobody for what is served and not told yet", async () => {
    await change("v1");
    const sync = delivery.open("sync", "shop");
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
});
