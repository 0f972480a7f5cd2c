import { beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/kube/clock.ts";
import { Freshness } from "../../../src/serving/ofrep/freshness.ts";
import { FlagStore } from "../../../src/serving/store.ts";
import { aFlag } from "../flags.ts";

let clock: FakeClock;
let store: FlagStore;
let freshness: Freshness;
beforeEach(() => {
  clock = new FakeClock();
  store = new FlagStore({ clock });
  freshness = new Freshness(store, clock);
});

/** Serves the flag as it is then, and tells of it.
 * @returns what clients that were told of it name */
async function serve(version: "killed" | "released"): Promise<string> {
  store.put(aFlag("a", { version }), true);
  await clock.advance(0);
  return store.flagSet("shop").etag("client");
}

/** Someone who fetches what another server told him of; `isAnswered` once he need not wait any more. */
function fetcher(etag: string): { isAnswered: boolean } {
  const fetched = { isAnswered: false };
  void freshness.reach({ flagSet: "shop", viewer: "client" }, etag).then(() => {
    fetched.isAnswered = true;
  });
  return fetched;
}

describe("Freshness.reach()", () => {
  test("of what another server told is not waited for longer than a second", async () => {
    await serve("released");
    const told = fetcher("of-another-server");
    await clock.advance(900);
    expect(told.isAnswered).toBe(false);
    await clock.advance(200);
    expect(told.isAnswered).toBe(true);
  });

  test("waits the moment until what is served is told of here, too: what is fetched is counted by what was told", async () => {
    store.put(aFlag("a", { version: "killed" }));
    const told = fetcher(store.flagSet("shop").etag("client"));
    await clock.advance(10);
    expect(told.isAnswered).toBe(false);
    await clock.advance(10);
    expect(told.isAnswered).toBe(true);
  });

  test("does not wait for what was replaced a moment ago", async () => {
    const killed = await serve("killed");
    await serve("released");
    await clock.advance(1_000);
    const late = fetcher(killed);
    await clock.advance(0);
    expect(late.isAnswered).toBe(true);
  });

  test("waits for a second kill, although the first was served here: both have one name", async () => {
    const killed = await serve("killed");
    await clock.advance(60_000);
    await serve("released");
    await clock.advance(10_000);
    const told = fetcher(killed);
    await clock.advance(500);
    expect(told.isAnswered).toBe(false);
    expect(await serve("killed")).toBe(killed);
    expect(told.isAnswered).toBe(true);
  });
});
