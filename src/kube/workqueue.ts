import { queueAdds, queueDepth, queueRetries, queueSeconds } from "../telemetry/metrics.ts";
import { type Clock, systemClock } from "./clock.ts";

export interface WorkQueueOptions {
  readonly name: string;
  readonly concurrency: number;
  readonly clock?: Clock;
}

const FIRST_RETRY_MS = 5;
const LONGEST_RETRY_MS = 300_000;

/**
 * Keys to be worked on: each at most once in the queue and never twice at once. A key that is added while it is worked on
 * comes again when that is done. Of several delays for one key the earliest counts.
 */
export class WorkQueue {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #work: (key: string) => Promise<void>;
  readonly #ready = new Map<string, number>(); // key → when it was added
  readonly #active = new Set<string>();
  readonly #dirty = new Set<string>();
  readonly #delayed = new Map<string, { dueMs: number; timer: { cancel(): void } }>();
  readonly #failures = new Map<string, number>();
  #running = false;
  #drained: (() => void) | undefined;

  constructor(options: WorkQueueOptions, work: (key: string) => Promise<void>) {
    this.#name = options.name;
    this.#clock = options.clock ?? systemClock;
    this.#concurrency = options.concurrency;
    this.#work = work;
  }

  add(key: string): void {
    queueAdds.inc({ name: this.#name });
    if (this.#active.has(key)) this.#dirty.add(key);
    else if (!this.#ready.has(key)) this.#ready.set(key, this.#clock.monotonicMs());
    this.#pump();
  }

  /** Adds after `ms`, unless the key is due earlier anyway. */
  addAfter(key: string, ms: number): void {
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const dueMs = this.#clock.monotonicMs() + ms;
    const known = this.#delayed.get(key);
    if (known !== undefined && known.dueMs <= dueMs) return;
    known?.timer.cancel();
    const timer = this.#clock.after(ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, timer });
  }

  /** Adds after a wait that doubles with each failure since `forget`. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    queueRetries.inc({ name: this.#name });
    this.addAfter(key, Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures));
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  start(): void {
    this.#running = true;
    this.#pump();
  }

  /** Takes nothing new; resolves when what is under way has ended. */
  stop(): Promise<void> {
    this.#running = false;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    if (this.#active.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  #pump(): void {
    queueDepth.set({ name: this.#name }, this.#ready.size);
    while (this.#running && this.#active.size < this.#concurrency) {
      const [next] = this.#ready;
      if (next === undefined) return;
      const [key, addedMs] = next;
      this.#ready.delete(key);
      queueSeconds.observe({ name: this.#name }, (this.#clock.monotonicMs() - addedMs) / 1_000);
      this.#active.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#work(key);
    } finally {
      this.#active.delete(key);
      if (this.#dirty.delete(key) && !this.#ready.has(key)) this.#ready.set(key, this.#clock.monotonicMs());
      if (this.#active.size === 0) this.#drained?.();
      this.#pump();
    }
  }
}
