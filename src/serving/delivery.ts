import type { Visibility } from "../core/flags/definition.ts";
import type { DeliveryPage, Fetchers, FlagDelivery } from "../core/flags/delivery.ts";
import type { Clock } from "../kube/clock.ts";
import { deliverySeconds } from "./metrics.ts";
import type { ServedFlag } from "./served-flag.ts";
import type { FlagSet, FlagStore, SetChange } from "./store.ts";

/** How a client hears of changes: the whole set for evaluation in process, an event by RPC, a hint to fetch again by OFREP (a
 * browser hears of what browsers may see). */
export type StreamKind = "sync" | "events" | "ofrep" | "browser";

/** Those who are told and then fetch, and those to whom all is sent. */
export type FetchingKind = "ofrep" | "browser";
type SentKind = Exclude<StreamKind, FetchingKind>;

/** One connected client, and the last push that it has. Pushes are numbered through all flag sets. */
export interface StreamAccount {
  /** What was pushed up to and with this number has left for the client. */
  flushed(push: number): void;
  close(): void;
}

/** One client that is told and fetches, here or from another server; what it fetches names its stream. */
export interface Listener {
  readonly kind: FetchingKind;
  readonly flagSet: string;
  /** The same for as long as it comes back. */
  readonly name: string;
}

interface SentStream {
  readonly kind: SentKind;
  /** Undefined for a client that hears of every set. */
  readonly flagSet: string | undefined;
  /** Whose flags it hears of. */
  readonly viewer: Visibility;
  has: number;
}

interface FetchingStream extends Listener {
  readonly openedMs: number;
  /** Of somebody who was not connected before, to any server. */
  readonly isNew: boolean;
}

type Stream = SentStream | FetchingStream;

/** The last push that is in what a listener, of this server or of another one, has fetched here. */
interface Fetched extends Listener {
  readonly has: number;
  readonly fetchedMs: number;
}

/** All that is known of who fetches one set. */
interface Known {
  readonly here: readonly (FetchingStream & { readonly has: number })[];
  readonly elsewhere: readonly Fetched[];
}

/** One change of one set, told to all its clients. */
interface Push {
  readonly flagSet: string;
  readonly sinceMs: number;
  readonly isForBrowsers: boolean;
  readonly tookMs: number[];
}

/** The store serves a change at once and tells of it a moment later: until then another flag stands here than is served. */
interface Told {
  readonly flag: ServedFlag;
  readonly push: number;
  readonly atMs: number;
}

/** A client that was told of a change and has not fetched by then has been put away by its user, say. */
const FETCHED_WITHIN_MS = 30_000;
/** Who is new so long after a change got it with the first fetch, which was before the stream, or gets it any moment. */
const SETTLED_MS = 2_000;
/** Twice as long as the operator waits at most before it asks anew. */
const ASKED_WITHIN_MS = 120_000;
/** Of each: what is older has been delivered long since, or never will be. */
const PUSHES_KEPT = 64;
const TIMES_KEPT = 10_000;
/** Of whom it is known what they fetched last. Who is forgotten counts as one who has not fetched. */
const FETCHES_KEPT = 50_000;

/** Counts what has reached whom, and how fast, so that "the kill is everywhere" is a number and not a hope. */
export class DeliveryCounts {
  readonly #store: FlagStore;
  readonly #clock: Clock;
  readonly #streams = new Set<Stream>();
  /** Those of them who fetch. */
  readonly #listening = new Map<string, FetchingStream>();
  readonly #pushes = new Map<number, Push>();
  /** By set and key: what was told last of a flag, and by which push. */
  readonly #told = new Map<string, Map<string, Told>>();
  readonly #fetches = new Map<string, Fetched>();
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
   * @param flagSet undefined for every set
   * @param viewer whose flags it hears of
   * @param isCurrent whether it has everything up to now: one that keeps nothing has */
  open(kind: SentKind, flagSet: string | undefined, viewer: Visibility, isCurrent = true): StreamAccount {
    const stream: SentStream = { kind, flagSet, viewer, has: isCurrent ? this.#last : -1 };
    this.#streams.add(stream);
    return {
      flushed: (number) => {
        stream.has = Math.max(stream.has, number);
        this.#took(number, kind);
      },
      close: () => void this.#streams.delete(stream),
    };
  }

  /** Counts a client from now on that has what it fetches. One who comes back is not counted twice, though the connection that he
   * lost may seem open for minutes.
   * @param isNew whether he was not connected before, to any server
   * @returns what ends it */
  listen(listener: Listener, isNew: boolean): () => void {
    const stream: FetchingStream = { ...listener, isNew, openedMs: this.#clock.monotonicMs() };
    const id = idOf(listener);
    const lost = this.#listening.get(id);
    if (lost !== undefined) this.#streams.delete(lost);
    this.#streams.add(stream);
    this.#listening.set(id, stream);
    return () => {
      this.#streams.delete(stream);
      if (this.#listening.get(id) === stream) this.#listening.delete(id);
    };
  }

  /** A listener of this server, or of another one, has fetched.
   * @param number of the last push that is in what it got */
  fetched(listener: Listener, number: number): void {
    const id = idOf(listener);
    const before = this.#fetches.get(id)?.has ?? -1;
    this.#fetches.delete(id); // What is set anew is forgotten last.
    this.#fetches.set(id, { ...listener, has: Math.max(before, number), fetchedMs: this.#clock.monotonicMs() });
    for (const oldest of this.#fetches.keys())
      if (this.#fetches.size > FETCHES_KEPT) this.#fetches.delete(oldest);
      else break;
    const { kind, flagSet } = listener;
    const newest = [...this.#pushes].findLast(
      ([push, of]) => push <= number && of.flagSet === flagSet && (of.isForBrowsers || kind === "ofrep"),
    );
    // Who fetches later than he is waited for, was not there when it was told.
    if (newest === undefined || newest[0] <= before || this.#isLong(newest[1].sinceMs)) return;
    this.#took(newest[0], kind);
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
   * @param keys only these flags, and who has not fetched them by name; all flags where none is given */
  page(server: string, flagSet?: string, keys: readonly string[] = []): DeliveryPage {
    const names = flagSet === undefined ? this.#store.names() : [flagSet];
    const fetchers: Record<string, Fetchers> = {};
    const sets = names.map((name) => [name, this.#pageOf(this.#store.flagSet(name), keys, fetchers)] as const);
    return { server, flagSets: Object.fromEntries(sets), fetchers: keys.length === 0 ? {} : fetchers };
  }

  #pageOf(set: FlagSet, keys: readonly string[], fetchers: Record<string, Fetchers>): Record<string, FlagDelivery> {
    const streams = [...this.#streams].filter(({ flagSet }) => flagSet === undefined || flagSet === set.name);
    const flags = keys.length === 0 ? [...set.flags.values()] : keys.flatMap((key) => set.flags.get(key) ?? []);
    const known = this.#knownOf(set.name, streams.filter(fetches));
    return Object.fromEntries(flags.map((flag) => [flag.key, this.#ofFlag(flag, streams, known, fetchers)]));
  }

  #knownOf(flagSet: string, streams: readonly FetchingStream[]): Known {
    const here = streams.map((stream) => ({ ...stream, has: this.#fetches.get(idOf(stream))?.has ?? -1 }));
    // Who came back may seem connected still to the server that he left.
    const settled = new Set(here.filter(({ isNew }) => isNew).map(idOf));
    const sinceMs = this.#clock.monotonicMs() - ASKED_WITHIN_MS;
    const elsewhere = [...this.#fetches].filter(
      ([id, of]) => of.flagSet === flagSet && of.fetchedMs >= sinceMs && !settled.has(id),
    );
    return { here, elsewhere: elsewhere.map(([, of]) => of) };
  }

  #ofFlag(flag: ServedFlag, all: readonly Stream[], known: Known, fetchers: Record<string, Fetchers>): FlagDelivery {
    const told = this.#told.get(flag.flagSet)?.get(flag.key);
    const streams = all.filter((stream) => flag.isClientVisible || viewerOf(stream) === "server");
    const evaluations = Object.fromEntries(this.#evaluations.get(flag) ?? []);
    const counts = { version: flag.version, clients: streams.length, evaluations };
    // Of what nobody was told yet, nobody has anything.
    if (told?.flag !== flag) return { ...counts, acked: 0 };
    const group = `${told.push} ${flag.isClientVisible ? "client" : "server"}`;
    fetchers[group] ??= this.#fetchersOf(flag, told, known);
    const { waiting, overdue } = fetchers[group];
    const behind = streams.filter((stream) => !fetches(stream) && stream.has < told.push);
    const tookMs = this.#pushes.get(told.push)?.tookMs ?? [];
    return {
      ...counts,
      acked: streams.length - behind.length - waiting.length - overdue.length,
      ...(tookMs.length === 0 ? {} : { p99Ms: Math.round(p99(tookMs)) }),
      fetchers: group,
    };
  }

  #fetchersOf({ isClientVisible }: ServedFlag, { push, atMs }: Told, { here, elsewhere }: Known): Fetchers {
    const sees = ({ kind }: Listener): boolean => isClientVisible || kind === "ofrep";
    const isOverdue = ({ openedMs }: FetchingStream): boolean => this.#isLong(Math.max(atMs, openedMs));
    const isLate = ({ isNew, openedMs }: FetchingStream): boolean => isNew && openedMs > atMs + SETTLED_MS;
    const missing = here.filter((one) => one.has < push && sees(one) && !isLate(one));
    return {
      waiting: namesOf(missing.filter((one) => !isOverdue(one))),
      overdue: namesOf(missing.filter(isOverdue)),
      elsewhere: namesOf(elsewhere.filter((one) => one.has >= push && sees(one))),
    };
  }

  #isLong(sinceMs: number): boolean {
    return this.#clock.monotonicMs() - sinceMs > FETCHED_WITHIN_MS;
  }

  #pushed({ flagSet, keys, clientKeys, sinceMs }: SetChange): void {
    this.#last++;
    const set = this.#store.flagSet(flagSet);
    this.#pushes.set(this.#last, { flagSet, sinceMs, isForBrowsers: clientKeys.size > 0, tookMs: [] });
    if (this.#pushes.size > PUSHES_KEPT) this.#pushes.delete(this.#last - PUSHES_KEPT);
    const atMs = this.#clock.monotonicMs();
    const told = this.#told.get(flagSet) ?? new Map<string, Told>();
    this.#told.set(flagSet, told);
    for (const key of keys) {
      const flag = set.flags.get(key);
      if (flag === undefined) told.delete(key);
      else told.set(key, { flag, push: this.#last, atMs });
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

function fetches(stream: Stream): stream is FetchingStream {
  return "name" in stream;
}

function viewerOf(stream: Stream): Visibility {
  if (fetches(stream)) return stream.kind === "browser" ? "client" : "server";
  return stream.viewer;
}

function idOf({ kind, flagSet, name }: Listener): string {
  return `${kind} ${flagSet} ${name}`;
}

function namesOf(listeners: readonly Listener[]): string[] {
  return listeners.map(({ name }) => name);
}

function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] as number;
}
