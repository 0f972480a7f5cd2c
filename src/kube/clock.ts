import { performance } from "node:perf_hooks";

/** Time comes in here and nowhere else. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch: for what is shown and stored, never for how long something took. */
  now(): number;
  /** Milliseconds that never jump. */
  monotonicMs(): number;
  /** Calls `fn` once after `ms`, however long that is. */
  after(ms: number, fn: () => void): { cancel(): void };
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A number from 0 up to 1: chance comes in here and nowhere else. */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();

/** Timers beyond 2^31 − 1 ms fire at once: a longer wait is made of several. */
const LONGEST_TIMER_MS = 2_000_000_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (ms, fn) => startTimer(performance.now() + ms, fn),
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

function startTimer(dueMs: number, fn: () => void): { cancel(): void } {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = Math.max(0, dueMs - performance.now());
    timer = leftMs > LONGEST_TIMER_MS ? setTimeout(arm, LONGEST_TIMER_MS) : setTimeout(fn, leftMs);
  };
  arm();
  return { cancel: () => clearTimeout(timer) };
}

/** Resolves after `ms`, or at once when the signal is aborted: who sleeps looks at the signal afterwards. */
export function sleepOn(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal?.addEventListener("abort", done);
  });
}

/** A clock for tests: time passes when it is told to. */
export class FakeClock implements Clock {
  #nowMs: number;
  #wallOffsetMs = 0;
  #timers: { dueMs: number; order: number; fn: () => void }[] = [];
  #order = 0;

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(ms: number, fn: () => void): { cancel(): void } {
    const timer = { dueMs: this.#nowMs + ms, order: this.#order++, fn };
    this.#timers.push(timer);
    const cancel = (): void => {
      this.#timers = this.#timers.filter((t) => t !== timer);
    };
    return { cancel };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Sets the wall clock forward or back, as an administrator or NTP may: no timer and no duration moves with it. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Lets `ms` pass as for a process that is stopped: what falls due meanwhile fires late, with the next `advance`. */
  freeze(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets `ms` pass, firing what falls due in order; what a timer starts may fall due too. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.dueMs <= end).sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== due);
      this.#nowMs = Math.max(this.#nowMs, due.dueMs);
      due.fn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#nowMs = end;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
