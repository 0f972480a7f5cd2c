import type { KubeObject } from "../api/kubernetes.ts";
import type { Clock } from "../kube/clock.ts";
import { ApiError, isKind } from "../kube/errors.ts";
import { WorkQueue } from "../kube/workqueue.ts";
import type { Logger } from "../telemetry/log.ts";
import { activeWorkers, reconcileErrors, reconcileSeconds, reconciles } from "../telemetry/metrics.ts";
import { type Written, writtenAs } from "./awaited.ts";
import { type Faults, Undecidable } from "./faults.ts";
import type { Key } from "./key.ts";

export interface PassesOptions<T extends KubeObject> {
  /** What the kind is called in the log and in metrics. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly concurrency: number;
  /** One pass. @returns milliseconds until the next; undefined: when something changes */
  readonly reconcile: (key: Key) => Promise<number | undefined>;
  readonly find: (key: Key) => T | undefined;
  readonly faults: Faults<T>;
  /** Keeps passes from deciding before the cache shows what was written. */
  readonly awaited: { await(key: Key, written: Written): void };
  /** Errors that are part of the work, beside conflicts and what is gone: they are not logged. */
  readonly isExpected?: (error: unknown) => boolean;
}

/** Passes over objects of one kind: never two at once over one of them. Every error becomes another try, so that one broken
 * object never stops the queue. */
export class Passes<T extends KubeObject> {
  readonly #options: PassesOptions<T>;
  readonly #queue: WorkQueue;

  constructor(options: PassesOptions<T>) {
    const { name, concurrency, clock } = options;
    this.#options = options;
    this.#queue = new WorkQueue({ name, concurrency, clock }, (key) => this.#pass(key));
  }

  add(key: Key): void {
    this.#queue.add(key);
  }

  /** Adds after `ms`, however long the next try of a pass that failed would wait. */
  addAfter(key: Key, ms: number): void {
    this.#queue.addAfter(key, Math.max(1, ms));
  }

  start(): void {
    this.#queue.start();
  }

  async stop(): Promise<void> {
    await this.#queue.stop();
  }

  async #pass(key: Key): Promise<void> {
    const { clock, name: controller } = this.#options;
    const startMs = clock.monotonicMs();
    activeWorkers.inc({ controller });
    try {
      const againInMs = await this.#options.reconcile(key);
      this.#queue.forget(key);
      if (againInMs !== undefined) this.#queue.addAfter(key, Math.max(1, againInMs));
      reconciles.inc({ controller, result: againInMs === undefined ? "success" : "requeue_after" });
    } catch (error) {
      reconciles.inc({ controller, result: "error" });
      await this.#failed(key, error);
    } finally {
      activeWorkers.dec({ controller });
      reconcileSeconds.observe({ controller }, (clock.monotonicMs() - startMs) / 1_000);
    }
  }

  async #failed(key: Key, thrown: unknown): Promise<void> {
    const { name, log, isExpected } = this.#options;
    const error = thrown instanceof Undecidable ? await this.#tell(key, thrown) : thrown;
    const isForGood = thrown instanceof Undecidable && thrown.isForGood && error === undefined;
    if (isForGood) this.#queue.forget(key);
    else this.#queue.addRateLimited(key);
    if (error === undefined || isKind(error, "conflict", "exists", "notFound") || isExpected?.(error) === true) return;
    reconcileErrors.inc({ controller: name });
    log.error({ [name]: key, error: textOf(error) }, "a pass failed; it is tried again");
  }

  /** @returns what went wrong in telling; undefined where it is told */
  async #tell(key: Key, fault: Undecidable): Promise<unknown> {
    const { find, faults, awaited } = this.#options;
    const object = find(key);
    try {
      const written = object === undefined ? undefined : await faults.tell(object, fault);
      if (written !== undefined) awaited.await(key, writtenAs(written));
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

function textOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
