import { expect, test } from "vitest";
import { FakeClock } from "../../src/kube/clock.ts";
import { ServerTime } from "../../src/kube/server-time.ts";

const HOUR_MS = 3_600_000;

/** A server whose clock is so much ahead of ours at the beginning, and what we take it for. */
function server(aheadMs: number) {
  const clock = new FakeClock();
  const time = new ServerTime(clock);
  const originMs = clock.now() - clock.monotonicMs() + aheadMs;
  const truth = (): number => clock.monotonicMs() + originMs;
  /** One answer; the way there and back take 10 ms each. */
  const answer = async (date = (): string => new Date(truth()).toUTCString()): Promise<void> => {
    const sentMs = clock.monotonicMs();
    await clock.advance(10);
    const text = date();
    await clock.advance(10);
    time.note(text, sentMs, clock.monotonicMs());
  };
  return { clock, time, answer, offMs: () => time.now() - truth() };
}

test("is our own clock before the first answer, and while both may be the same", async () => {
  const { time, answer, offMs } = server(0);
  expect(offMs()).toBe(0);
  await answer();
  expect(offMs()).toBe(0);
  time.note("yesterday", 0, 0);
  expect(offMs()).toBe(0);
});

test.each([HOUR_MS, -HOUR_MS, 2_700])(
  "comes near to a clock that is %d ms ahead, the nearer the more answers",
  async (aheadMs) => {
    const { clock, answer, offMs } = server(aheadMs);
    await answer();
    expect(Math.abs(offMs())).toBeLessThan(520);
    for (let i = 0; i < 20; i++) {
      await clock.advance(1_130);
      await answer();
    }
    expect(Math.abs(offMs())).toBeLessThan(100);
  },
);

test("is not moved by a jump of our wall clock, before an answer or after one", async () => {
  for (const jumpMs of [2 * HOUR_MS, -2 * HOUR_MS]) {
    const { clock, time, answer } = server(0);
    await answer();
    const before = time.now();
    clock.jump(jumpMs);
    expect(time.now()).toBe(before);
    await answer();
    await clock.advance(5_000);
    expect(time.now() - before).toBe(5_020);
  }
});

test("follows the server's clock where that is set, and ours where the machine stood still", async () => {
  const { clock, time, answer } = server(0);
  await answer();
  const setMs = time.now() + HOUR_MS;
  await answer(() => new Date(setMs).toUTCString());
  expect(Math.abs(time.now() - setMs)).toBeLessThan(1_100);
  await clock.advance(60_000);
  expect(Math.abs(time.now() - setMs - 60_000)).toBeLessThan(1_100);
});
