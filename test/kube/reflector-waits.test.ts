import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/kube/clock.ts";
import { aPod, FACTOR, line, list, meaning, ReflectorLab, whole } from "./reflector-lab.ts";
import { eventually, fastClock, hangUp, kubeConfigOf, refusal, stream } from "./scripted-server.ts";

const lab = ReflectorLab.open();

/** A fast clock, and how long it was slept on each time. */
function notingClock(): { clock: Clock; pauses: number[] } {
  const pauses: number[] = [];
  const fast = fastClock(FACTOR);
  const sleep = (ms: number, signal?: AbortSignal) => {
    pauses.push(ms);
    return fast.sleep(ms, signal);
  };
  return { clock: { ...fast, sleep }, pauses };
}

describe("Reflector, where there is nothing to watch", () => {
  test("waits as long as Retry-After says", async () => {
    lab.server.play(refusal(429, "TooManyRequests", { "retry-after": "20" }), stream(whole(10, [])));
    const clock = fastClock(FACTOR);
    const startMs = clock.monotonicMs();
    const { store } = lab.run({ clock });
    await eventually("synced", () => store.hasSynced());
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(20_000);
    expect(lab.server.seen).toHaveLength(2);
  });

  test("waits as ever where Retry-After asks for no wait at all", async () => {
    const { clock, pauses } = notingClock();
    lab.server.play(refusal(429, "TooManyRequests", { "retry-after": "0" }));
    lab.run({ clock });
    await eventually("three refusals", () => pauses.length >= 3);
    expect(pauses.slice(0, 3)).toEqual([800, 1_600, 3_200]);
  });

  test("slows down where the server closes every watch at once, however long its other answers take", async () => {
    // In real time, but for the pauses: a watch that lives for a second on a busy machine would be a long one.
    const pauses: number[] = [];
    const sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(pauses.push(ms), signal);
    lab.server.play(stream(whole(10, []), "close"), (response, seen) => {
      if (meaning(seen) !== "how old?") stream([], "close")(response, seen);
      else void systemClock.sleep(1_100).then(() => list(10, [])(response, seen));
    });
    lab.run({ clock: { ...systemClock, sleep } });
    await eventually("three sessions", () => pauses.length >= 3);
    expect(pauses.slice(0, 3)).toEqual([800, 1_600, 3_200]);
  });

  test("reads a rotated token after 401 and goes on", async () => {
    const folder = mkdtempSync(join(tmpdir(), "zenith-token-"));
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "old\n");
    const config = () => kubeConfigOf(lab.server.url, undefined, { name: "tokenFile", config: { tokenFile } });
    lab.server.play((response, seen) => {
      const known = seen.headers.authorization === "Bearer new";
      (known ? stream(whole(10, [aPod("a", 5)])) : refusal(401, "Unauthorized"))(response, seen);
    });
    const { store } = lab.run({}, lab.server.client({ config }));
    await eventually("refused", () => lab.server.seen.length >= 2);
    expect(store.hasSynced()).toBe(false);
    writeFileSync(tokenFile, "new\n");
    await eventually("synced", () => store.hasSynced());
    rmSync(folder, { recursive: true });
  });

  test("is back within seconds after a server that was away for long", async () => {
    lab.server.play(stream(whole(10, [aPod("a", 5)])));
    const { clock, pauses } = notingClock();
    const { store, told } = lab.run({ clock }, lab.server.client({ clock: fastClock(FACTOR) }));
    await eventually("synced", () => store.hasSynced());
    lab.server.play(hangUp);
    lab.server.reset();
    const outageMs = () => pauses.reduce((sum, ms) => sum + ms, 0);
    await eventually("a minute and a half of pauses", () => outageMs() >= 90_000, 25_000);
    lab.server.play(list(11, []), stream([line("MODIFIED", aPod("a", 11))]));
    await eventually("the event", () => told.includes("modified a 11"));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(4_000); // What is back is seen after one of them.
  });

  test("knows since when it is told without a gap: a server that was away begins it anew, a watch that was cut does not", async () => {
    let nowMs = 1_000;
    lab.server.play(stream(whole(10, [])));
    const { reflector } = lab.run({ clock: { ...fastClock(FACTOR), monotonicMs: () => nowMs } });
    await eventually("the first watch", () => reflector.watch() === 1);
    const cutFor = async (ms: number) => {
      lab.server.play(hangUp);
      lab.server.reset();
      await eventually("the end of the watch", () => reflector.watch() === undefined);
      nowMs += ms;
      const meanwhile = reflector.toldSinceMs();
      lab.server.play(list(10, []), stream([]));
      await eventually("the next watch", () => reflector.watch() !== undefined);
      nowMs += 1_000;
      return { meanwhile, afterwards: reflector.toldSinceMs() };
    };
    expect(await cutFor(9_000)).toEqual({ meanwhile: 1_000, afterwards: 1_000 });
    expect(await cutFor(60_000)).toEqual({ meanwhile: 71_000, afterwards: 71_000 });
  });

  test("begins its waits anew where a server that was away for long refuses at first", async () => {
    lab.server.play(hangUp);
    const { clock, pauses } = notingClock();
    lab.run({ clock });
    await eventually("long waits", () => pauses.filter((ms) => ms === 4_000).length >= 4);
    lab.server.play(refusal(503, "ServiceUnavailable"));
    const refused = () => pauses.slice(pauses.lastIndexOf(4_000) + 1);
    await eventually("waits after refusals", () => refused().length >= 3);
    expect(refused().slice(0, 3)).toEqual([800, 1_600, 3_200]);
  });

  test("has one line for an outage, however often it tries, and one for its end", async () => {
    const lines: string[] = [];
    const log = pino({ level: "info" }, { write: (text: string) => void lines.push(JSON.parse(text).msg) });
    lab.server.play(stream(whole(10, []), "reset"), refusal(500, "InternalError"));
    const { reflector } = lab.run({ log });
    await eventually("several tries", () => lab.server.seen.length >= 4);
    lab.server.play(list(10, []), stream([]));
    await eventually("the next watch", () => reflector.watch() === 2);
    expect(lines).toEqual(["a watch ended; it begins again", "the watch goes on"]);
  });

  test("says once more, and once, that the right to watch is missing where the server was away before", async () => {
    const reasons: string[] = [];
    const log = pino({ level: "info" }, { write: (text: string) => void reasons.push(JSON.parse(text).reason) });
    lab.server.play(hangUp, hangUp, refusal(403, "Forbidden"));
    lab.run({ log });
    await eventually("several tries", () => lab.server.seen.length >= 6);
    expect(reasons).toEqual(["network", "forbidden"]);
  });

  describe("of a kind that the cluster may lack", () => {
    const notFound = refusal(404, "NotFound");

    test("counts as full and empty until its definition comes, and then follows it", async () => {
      lab.server.play(notFound);
      const { store, told } = lab.run({ optional: true });
      await eventually("synced", () => store.hasSynced());
      expect(store.size).toBe(0);
      lab.server.play(stream(whole(10, [aPod("a", 5)], line("MODIFIED", aPod("a", 11)))));
      await eventually("the object and its change", () => told.length === 2);
      expect(told).toEqual(["added a 5", "modified a 11"]);
    });

    test("asks again after half a minute to a minute, however long it was missing", async () => {
      lab.server.play(notFound);
      const { clock, pauses } = notingClock();
      lab.run({ optional: true, clock });
      await eventually("pauses", () => pauses.length >= 9);
      const [late, early] = [pauses.slice(6), pauses.slice(0, 4)];
      expect(Math.min(...late)).toBeGreaterThanOrEqual(30_000);
      expect(Math.max(...late)).toBeLessThanOrEqual(60_000);
      expect(Math.max(...early)).toBeLessThan(30_000);
    });

    test("is emptied where the definition is taken away, and filled when it comes back", async () => {
      lab.server.play(stream(whole(10, [aPod("a", 5)]), "close"), notFound);
      const { told } = lab.run({ optional: true });
      await eventually("emptied", () => told.length === 2);
      lab.server.play(stream(whole(30, [aPod("a", 25)])));
      await eventually("filled", () => told.length === 3);
      expect(told).toEqual(["added a 5", "deleted a 5", "added a 25"]);
    });

    test("a kind that must be there is waited for instead", async () => {
      lab.server.play(notFound, notFound, stream(whole(10, [])));
      const { store } = lab.run();
      await eventually("asked", () => lab.server.seen.length >= 1);
      expect(store.hasSynced()).toBe(false);
      await eventually("synced", () => store.hasSynced());
    });
  });
});
