import type { KubeObject, ObjectRef } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { type Clock, systemClock } from "./clock.ts";
import { defineResource, type Resources } from "./resource.ts";

defineResource("events.k8s.io/v1", "Event", "events");

const MOST_WAITING = 1_000;

interface WaitingEvent {
  readonly regarding: KubeObject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly note: string;
}

/** Writes Events in the background, one after the other. They are for people: a queue that is full drops the newest, and one
 * that cannot be written is let go. */
export class EventRecorder {
  readonly #resources: Resources;
  readonly #clock: Clock;
  readonly #log: Logger | undefined;
  readonly #instance: string;
  readonly #waiting: WaitingEvent[] = [];
  #writing: Promise<void> | undefined;
  #count = 0;

  constructor(resources: Resources, instance: string, options: { clock?: Clock; log?: Logger } = {}) {
    this.#resources = resources;
    this.#instance = instance;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log;
  }

  record(regarding: KubeObject, type: "Normal" | "Warning", reason: string, note: string): void {
    if (this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push({ regarding, type, reason, note });
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when everything recorded so far was written or let go. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #drain(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#resources.create(this.#eventOf(next));
      } catch (error) {
        this.#log?.debug({ reason: next.reason, error: String(error) }, "an Event was not written");
      }
    }
  }

  #eventOf({ regarding, type, reason, note }: WaitingEvent): KubeObject {
    const { namespace = "default", name, uid } = regarding.metadata;
    const id = `${this.#clock.now().toString(36)}${(this.#count++).toString(36)}`;
    const ref: ObjectRef & { uid?: string } = {
      apiVersion: regarding.apiVersion,
      kind: regarding.kind,
      namespace,
      name,
      ...(uid === undefined ? {} : { uid }),
    };
    const event = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: `${name.slice(0, 200)}.${id}`, namespace },
      eventTime: `${new Date(this.#clock.now()).toISOString().slice(0, -1)}000Z`,
      reportingController: "zenith.sh/operator",
      reportingInstance: this.#instance.slice(0, 128),
      action: reason,
      reason,
      regarding: ref,
      note: note.slice(0, 1024),
      type,
    };
    return event;
  }
}
