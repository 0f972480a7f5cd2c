import type { DeliveryPage, FlagDelivery } from "../core/flags/delivery.ts";
import type { Clock } from "../kube/clock.ts";
import { deliverySeconds } from "./metrics.ts";
import type { ServedFlag } from "./served-flag.ts";
import type { FlagSet, FlagStore, SetChange } from "./store.ts";

/** How a client hears of changes: the whole set for evaluation in process, an event by RPC, a hint to fetch again by OFREP (a
 * browser hears of what browsers may see). */
export type StreamKind = "sync" | "events" | "ofrep" | "browser";

/** One connected client, and the last push that it has. Pushes are numbered through all flag sets. */
export interface StreamAccount {
  /** What was pushed up to and with this number has left for the client. */
  flushed(push: number): void;
  close(): void;
}

interface Stream {
  readonly kind: StreamKind;
  /** Undefined for a client that hears of every set. */
  readonly flagSet: string | undefined;
  readonly openedAt: number;
  has: number;
}

/** One change of one set, told to all its clients. */
interface Push {
  readonly flagSet: string;
  readonly sinceMs: number;
  /** What those were told who fetch: servers and browsers. */
  readonly etags: readonly string[];
  readonly tookMs: number[];
  refetched: number;
}

/** The store serves a change at once and tells of it a moment later: until then another flag stands here than is served. */
interface Told {
  readonly flag: ServedFlag;
  readonly push: number;
}

/** A client that was told of a change and has not fetched by then has been put away by its user, say. */
const FETCHED_WITHIN_MS = 30_000;
/** Of each: what is older has been delivered long since, or never will be. */
const PUSHES_KEPT = 64;
const TIMES_KEPT = 10_000;

/** Counts what has reached whom, and how fast, so that "the kill is everywhere" is a number and not a hope. */
export class DeliveryCounts {
  readonly #store: FlagStore;
  readonly #clock: Clock;
  readonly #streams = new Set<Stream>();
  readonly #pushes = new Map<number, Push>();
  /** By set and key: what was told last of a flag, and by which push. */
  readonly #told = new Map<string, Map<string, Told>>();
  readonly #evaluations = new WeakMap<ServedFlag, Map<string, number>>();
  #last = 0;

  /** Made before anything else that listens to the store: it numbers what the others push. */
  constructor(store: FlagStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    store.subscribe((change) => this.#pushed(change));
  }

  /** The number of the push that is under way, or was last. */
  get last(): number {
    return this.#last;
  }

  /** Counts a client from now on.
   * @param isCurrent whether it has everything up to now: one that keeps nothing has */
  open(kind: StreamKind, flagSet: string | undefined, isCurrent = true): StreamAccount {
    const stream = { kind, flagSet, openedAt: this.#last, has: isCurrent ? this.#last : -1 };
    this.#streams.add(stream);
    return {
      flushed: (number) => {
        stream.has = Math.max(stream.has, number);
        if (!fetches(kind)) this.#took(number, kind);
      },
      close: () => void this.#streams.delete(stream),
    };
  }

  /** Someone fetched what he was told of. */
  refetched(flagSet: string, etag: string): void {
    for (const [number, push] of [...this.#pushes].reverse()) {
      if (push.flagSet !== flagSet || !push.etags.includes(etag)) continue;
      push.refetched++;
      this.#took(number, "browser");
      return;
    }
  }

  /** @param variant undefined where the code's own default was left to hold */
  evaluated(flag: ServedFlag, variant: string | undefined): void {
    const counts = this.#evaluations.get(flag) ?? new Map<string, number>();
    this.#evaluations.set(flag, counts.set(variant ?? "", (counts.get(variant ?? "") ?? 0) + 1));
  }

  /** Streams that are connected, by kind. */
  connected(): Record<StreamKind, number> {
    const counts = { sync: 0, events: 0, ofrep: 0, browser: 0 };
    for (const { kind } of this.#streams) counts[kind]++;
    return counts;
  }

  /** What `GET /delivery` answers.
   * @param flagSet only this one; all where it is not given
   * @param keys only these flags; all where none is given */
  page(server: string, flagSet?: string, keys: readonly string[] = []): DeliveryPage {
    const names = flagSet === undefined ? this.#store.names() : [flagSet];
    const sets = names.map((name) => [name, this.#pageOf(this.#store.flagSet(name), keys)] as const);
    return { server, flagSets: Object.fromEntries(sets) };
  }

  #pageOf(set: FlagSet, keys: readonly string[]): Readonly<Record<string, FlagDelivery>> {
    const streams = [...this.#streams].filter(({ flagSet }) => flagSet === undefined || flagSet === set.name);
    const pushes = [...this.#pushes].filter(([, { flagSet }]) => flagSet === set.name);
    const flags = keys.length === 0 ? [...set.flags.values()] : keys.flatMap((key) => set.flags.get(key) ?? []);
    return Object.fromEntries(flags.map((flag) => [flag.key, this.#ofFlag(flag, streams, pushes)]));
  }

  #ofFlag(flag: ServedFlag, streams: readonly Stream[], pushes: readonly [number, Push][]): FlagDelivery {
    const told = this.#told.get(flag.flagSet)?.get(flag.key);
    // Of what nobody was told yet, nobody has anything.
    const since = told?.flag === flag ? told.push : Number.POSITIVE_INFINITY;
    const listeners = streams.filter(({ kind }) => kind !== "browser" || flag.isClientVisible);
    const fetching = listeners.filter(({ kind }) => fetches(kind));
    // Who connected after the change has it; of the others it is known how many fetched, not which.
    const late = fetching.filter(({ openedAt }) => openedAt >= since).length;
    const refetched = pushes.reduce((sum, [number, push]) => sum + (number >= since ? push.refetched : 0), 0);
    const flushed = listeners.filter(({ kind, has }) => !fetches(kind) && has >= since).length;
    const fetched = late + refetched;
    const push = this.#pushes.get(since);
    const tookMs = push?.tookMs ?? [];
    return {
      version: flag.version,
      clients: listeners.length,
      acked: flushed + Math.min(fetching.length, fetched),
      fetching: fetching.length,
      fetched,
      isOverdue:
        since <= this.#last && (push === undefined || this.#clock.monotonicMs() - push.sinceMs > FETCHED_WITHIN_MS),
      ...(tookMs.length === 0 ? {} : { p99Ms: Math.round(p99(tookMs)) }),
      evaluations: Object.fromEntries(this.#evaluations.get(flag) ?? []),
    };
  }

  #pushed({ flagSet, keys, sinceMs }: SetChange): void {
    this.#last++;
    const set = this.#store.flagSet(flagSet);
    const etags = [set.etag("server"), set.etag("client")];
    this.#pushes.set(this.#last, { flagSet, sinceMs, etags, tookMs: [], refetched: 0 });
    if (this.#pushes.size > PUSHES_KEPT) this.#pushes.delete(this.#last - PUSHES_KEPT);
    const told = this.#told.get(flagSet) ?? new Map<string, Told>();
    this.#told.set(flagSet, told);
    for (const key of keys) {
      const flag = set.flags.get(key);
      if (flag === undefined) told.delete(key);
      else told.set(key, { flag, push: this.#last });
    }
  }

  #took(number: number, kind: StreamKind): void {
    const push = this.#pushes.get(number);
    if (push === undefined) return;
    const tookMs = this.#clock.monotonicMs() - push.sinceMs;
    deliverySeconds.observe({ kind }, tookMs / 1_000);
    if (push.tookMs.length < TIMES_KEPT) push.tookMs.push(tookMs);
  }
}

function fetches(kind: StreamKind): boolean {
  return kind === "ofrep" || kind === "browser";
}

function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] as number;
}
