import type { KubeObject } from "../api/kubernetes.ts";
import type { Plan } from "../core/plan.ts";
import type { Clock } from "../kube/clock.ts";
import { isKind } from "../kube/errors.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { Resources } from "../kube/resource.ts";
import type { Store } from "../kube/store.ts";
import type { Logger } from "../telemetry/log.ts";
import { Awaited, writtenAs } from "./awaited.ts";
import { deciding, Faults, type WithStatus } from "./faults.ts";
import { type Key, keyOf } from "./key.ts";
import { Passes } from "./passes.ts";
import { writeStatus } from "./write-status.ts";

const CATCH_UP_MS = 50;

export interface MirrorOptions<T extends KubeObject> {
  /** What the kind is called in the log and in metrics. */
  readonly name: string;
  readonly kind: string;
  readonly store: Store<T>;
  /** What status should say of an object as it is now. */
  readonly plan: (object: T, nowMs: number) => Plan<unknown>;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** Server time in milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
  readonly concurrency: number;
}

/** Tells in the status of each object of one kind what follows from others. Nothing rests on it: it is for people. */
export class Mirror<T extends WithStatus> {
  readonly #options: MirrorOptions<T>;
  readonly #passes: Passes<T>;
  readonly #awaited: Awaited;

  constructor(options: MirrorOptions<T>) {
    this.#options = options;
    const { name, kind, store } = options;
    this.#awaited = new Awaited((of) => (of === kind ? (store as unknown as Store<KubeObject>) : undefined));
    this.#passes = new Passes<T>({
      ...options,
      reconcile: (key) => this.#reconcile(key),
      find: (key) => this.#find(key),
      faults: new Faults<T>({ ...options, kind: name, standing: { denied: ["Ready"], kept: [] } }),
      awaited: this.#awaited,
    });
    store.subscribe((type, object) => {
      if (type === "deleted") this.#awaited.forget(keyOf(object));
      this.#passes.add(keyOf(object));
    });
  }

  /** Something that the status of these objects rests on has changed. */
  look(objects: readonly KubeObject[]): void {
    for (const object of objects) this.#passes.add(keyOf(object));
  }

  start(): void {
    this.look(this.#options.store.list());
    this.#passes.start();
  }

  async stop(): Promise<void> {
    await this.#passes.stop();
  }

  #find(key: Key): T | undefined {
    const [namespace = "", name = ""] = key.split("/");
    return this.#options.store.get(namespace, name);
  }

  async #reconcile(key: Key): Promise<number | undefined> {
    const { plan: planOf, resources, events, now, log, name } = this.#options;
    if (!this.#awaited.hasCaughtUp(key)) return CATCH_UP_MS;
    const object = this.#find(key);
    if (object === undefined) return undefined;
    const plan = deciding(() => planOf(object, now()));
    try {
      if (plan.status !== undefined)
        this.#awaited.await(key, writtenAs(await writeStatus(resources, object, plan.status)));
    } catch (error) {
      if (isKind(error, "notFound")) return undefined; // Deleted meanwhile; the cache will show it.
      throw error;
    }
    for (const { type, reason, message } of plan.notices) {
      log.info({ [name]: key, reason }, message);
      events.record(object, type, reason, message);
    }
    return plan.checkAgainInMs;
  }
}
