import type { KubeObject, ObjectRef } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { type Clock, systemClock } from "./clock.ts";
import { isKind } from "./errors.ts";
import { defineResource, type Resources } from "./resource.ts";

defineResource("events.k8s.io/v1", "Event", "events");

const MOST_WAITING = 1_000;
/** Nobody is helped by news that old, and the API server is spared them after an outage. */
const LATEST_MS = 300_000;
/** The same said again within this time is the same Event, seen once more. */
const SERIES_MS = 360_000;
/** A series is brought up to date no more often. */
const SERIES_EVERY_MS = 60_000;
const MOST_REMEMBERED = 4_096;
/** As client-go has it: so many at once about one object, and then one in so many milliseconds. */
const BURST = 25;
const REFILL_MS = 30_000;
const LONGEST_NOTE_BYTES = 1_024;

interface WaitingEvent {
  readonly regarding: KubeObject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly note: string;
  readonly atMs: number; // wall clock
  readonly recordedMs: number; // monotonic
  readonly series: Series;
}

/** One sentence about one object, as often as it was said. */
interface Series {
  /** The Event that tells it; undefined before it is written. */
  ref: ObjectRef | undefined;
  count: number;
  lastMs: number;
  writtenMs: number;
}

/** Writes Events in the background, one after the other: `record` neither waits nor throws. They are for people: what repeats
 * becomes a series, an object that has much to say is heard less often, a queue that is full drops the newest, and what
 * cannot be written is let go. */
export class EventRecorder {
  readonly #resources: Resources;
  readonly #clock: Clock;
  readonly #log: Logger | undefined;
  readonly #instance: string;
  readonly #waiting: WaitingEvent[] = [];
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, { left: number; atMs: number }>();
  #writing: Promise<void> | undefined;
  #count = 0;

  constructor(resources: Resources, instance: string, options: { clock?: Clock; log?: Logger } = {}) {
    this.#resources = resources;
    this.#instance = instance;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log;
  }

  record(regarding: KubeObject, type: "Normal" | "Warning", reason: string, note: string): void {
    const nowMs = this.#clock.monotonicMs();
    const series = this.#seriesOf([idOf(regarding), type, reason, note].join("\n"), nowMs);
    const isNew = series.count === 1;
    if (!isNew && nowMs - series.writtenMs < SERIES_EVERY_MS) return;
    if (this.#waiting.length >= MOST_WAITING || !this.#mayTell(idOf(regarding), nowMs)) return;
    series.writtenMs = nowMs;
    this.#waiting.push({ regarding, type, reason, note, atMs: this.#clock.now(), recordedMs: nowMs, series });
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when everything recorded so far was written or let go. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #seriesOf(key: string, nowMs: number): Series {
    const known = this.#series.get(key);
    this.#series.delete(key); // The one last heard of stands last.
    const goesOn = known !== undefined && nowMs - known.lastMs < SERIES_MS;
    const series = goesOn ? known : { ref: undefined, count: 0, lastMs: nowMs, writtenMs: nowMs };
    series.count++;
    series.lastMs = nowMs;
    this.#series.set(key, series);
    forgetFirst(this.#series);
    return series;
  }

  #mayTell(id: string, nowMs: number): boolean {
    const { left, atMs } = this.#budgets.get(id) ?? { left: BURST, atMs: nowMs };
    const now = Math.min(BURST, left + (nowMs - atMs) / REFILL_MS);
    this.#budgets.delete(id);
    this.#budgets.set(id, { left: now < 1 ? now : now - 1, atMs: nowMs });
    forgetFirst(this.#budgets);
    return now >= 1;
  }

  async #drain(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#clock.monotonicMs() - next.recordedMs > LATEST_MS) continue;
      try {
        await this.#write(next);
      } catch (error) {
        this.#log?.debug({ reason: next.reason, error: String(error) }, "an Event was not written");
      }
    }
  }

  async #write(event: WaitingEvent): Promise<void> {
    const { series } = event;
    if (series.ref !== undefined) {
      const lastObservedTime = microTime(event.atMs);
      try {
        await this.#resources.mergePatch(series.ref, { series: { count: series.count, lastObservedTime } });
        return;
      } catch (error) {
        if (!isKind(error, "notFound")) throw error; // Events live for an hour: this one is told anew.
      }
    }
    const object = this.#eventOf(event);
    const { namespace = "", name } = object.metadata;
    await this.#resources.create(object);
    series.ref = { apiVersion: object.apiVersion, kind: object.kind, namespace, name };
  }

  #eventOf({ regarding, type, reason, note, atMs }: WaitingEvent): KubeObject {
    const { namespace = "default", name, uid } = regarding.metadata;
    const id = `${atMs.toString(36)}${(this.#count++).toString(36)}`;
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
      metadata: { name: `${name.slice(0, 200).replace(/[-.]+$/, "")}.${id}`, namespace },
      eventTime: microTime(atMs),
      reportingController: "zenith.sh/operator",
      reportingInstance: this.#instance.slice(0, 128),
      action: reason,
      reason,
      regarding: ref,
      note: cut(note),
      type,
    };
    return event;
  }
}

function idOf({ metadata }: KubeObject): string {
  return metadata.uid ?? `${metadata.namespace ?? ""}/${metadata.name}`;
}

function forgetFirst(map: Map<string, unknown>): void {
  if (map.size <= MOST_REMEMBERED) return;
  const [first] = map.keys();
  if (first !== undefined) map.delete(first);
}

/** The API server counts bytes; a character is kept whole or not at all. */
function cut(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= LONGEST_NOTE_BYTES) return note;
  let end = LONGEST_NOTE_BYTES;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString();
}

/** MicroTimes want six digits; JavaScript has three. */
function microTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`;
}
