import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../../src/kube/clock.ts";
import { WorkQueue } from "../../src/kube/workqueue.ts";

/** A queue whose work ends when the test says so. */
function aQueue(concurrency = 2) {
  const clock = new FakeClock();
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const queue: WorkQueue = new WorkQueue({ name: "test", concurrency, clock }, (key) => {
    begun.push(key);
    if (ends.has(key)) throw new Error(`${key} twice at once`);
    return new Promise<void>((resolve) => {
      ends.set(key, () => {
        ends.delete(key);
        resolve();
      });
    });
  });
  const end = async (key: string): Promise<void> => {
    ends.get(key)?.();
    await clock.advance(0);
  };
  return { queue, clock, begun, end, ends };
}

describe("WorkQueue", () => {
  test("works on a key once for many adds, and again for an add while it is worked on", async () => {
    const { queue, begun, end } = aQueue();
    queue.add("a");
    queue.add("a");
    queue.start();
    expect(begun).toEqual(["a"]);
    queue.add("a");
    queue.add("a");
    expect(begun).toEqual(["a"]);
    await end("a");
    expect(begun).toEqual(["a", "a"]);
    await end("a");
    expect(begun).toEqual(["a", "a"]);
  });

  test("works on no more keys at once than allowed, first come first served", async () => {
    const { queue, begun, end } = aQueue(2);
    queue.start();
    for (const key of ["a", "b", "c", "d"]) queue.add(key);
    expect(begun).toEqual(["a", "b"]);
    await end("b");
    expect(begun).toEqual(["a", "b", "c"]);
  });

  test("of two delays the earlier counts, whichever came first", async () => {
    for (const delays of [
      [100, 50],
      [50, 100],
    ]) {
      const { queue, clock, begun } = aQueue();
      queue.start();
      for (const ms of delays) queue.addAfter("a", ms);
      await clock.advance(49);
      expect(begun).toEqual([]);
      await clock.advance(1);
      expect(begun).toEqual(["a"]);
    }
  });

  test("waits twice as long after each failure, at most five minutes, until it is forgotten", async () => {
    const { queue, clock, begun, end } = aQueue();
    queue.start();
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      if (i === 18) queue.forget("a");
      const [startMs, before] = [clock.monotonicMs(), begun.length];
      queue.addRateLimited("a");
      while (begun.length === before) await clock.advance(1_000);
      waits.push(Math.ceil((clock.monotonicMs() - startMs) / 1_000));
      await end("a");
    }
    expect(waits.slice(0, 3)).toEqual([1, 1, 1]);
    expect(waits.slice(14, 18)).toEqual([82, 164, 300, 300]);
    expect(waits[18]).toBe(1);
  });

  test("stop() takes nothing new, and resolves when what is under way has ended", async () => {
    const { queue, clock, begun, end } = aQueue();
    queue.start();
    queue.add("a");
    queue.addAfter("b", 10);
    let stopped = false;
    const stopping = queue.stop().then(() => {
      stopped = true;
    });
    queue.add("c");
    queue.add("a");
    await clock.advance(100);
    expect([begun, stopped]).toEqual([["a"], false]);
    await end("a");
    await stopping;
    expect(begun).toEqual(["a"]);
  });

  test("loses no key and never works on one twice at once, whatever happens", async () => {
    const key = fc.constantFrom("a", "b", "c", "d");
    const step = fc.oneof(
      fc.record({ do: fc.constant("add" as const), key }),
      fc.record({ do: fc.constant("addAfter" as const), key, ms: fc.integer({ min: 0, max: 500 }) }),
      fc.record({ do: fc.constant("addRateLimited" as const), key }),
      fc.record({ do: fc.constant("forget" as const), key }),
      fc.record({ do: fc.constant("end" as const), key }),
      fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 200 }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, concurrency) => {
          const { queue, clock, begun, end, ends } = aQueue(concurrency);
          const owed = new Set<string>(); // Added, and not begun since.
          let seen = 0;
          const settle = (): void => {
            expect(ends.size).toBeLessThanOrEqual(concurrency);
            for (const one of begun.slice(seen)) owed.delete(one);
            seen = begun.length;
          };
          queue.start();
          for (const one of steps) {
            if (one.do === "end") await end(one.key);
            else if (one.do === "advance") await clock.advance(one.ms);
            else if (one.do === "forget") queue.forget(one.key);
            else {
              settle();
              owed.add(one.key);
              if (one.do === "addAfter") queue.addAfter(one.key, one.ms);
              else queue[one.do](one.key);
            }
            settle();
          }
          for (let i = 0; i < 20 && (owed.size > 0 || ends.size > 0); i++) {
            await clock.advance(300_000);
            settle();
            for (const one of [...ends.keys()]) await end(one);
            settle();
          }
          expect([...owed]).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });
});
