import type { Visibility } from "../core/flags/definition.ts";
import type { Clock } from "../kube/clock.ts";
import type { DeliveryCounts } from "./delivery.ts";
import type { FlagStore, SetChange } from "./store.ts";

/** An event of flagd's EventStream. The same object goes to all who are told the same, so that it is encoded once for them. */
export interface FeedEvent {
  readonly type: "provider_ready" | "configuration_change" | "keep_alive";
  readonly data?: {
    readonly flags: Readonly<Record<string, { readonly type: "update" | "delete"; readonly source: string }>>;
  };
}

/** What writes events to a client; calls back once they have left. */
export type WriteEvent = (event: FeedEvent, onFlushed: () => void) => void;

const KEEP_ALIVE_MS = 20_000;
const KEYS_OF_A_MESSAGE = 1_000;
const READY: FeedEvent = { type: "provider_ready" };
const ALIVE: FeedEvent = { type: "keep_alive" };

/** What a client that asks flag by flag is told, so that it knows when its cache is out of date. */
export class Feed {
  readonly #store: FlagStore;
  readonly #delivery: DeliveryCounts;
  readonly #clock: Clock;
  /** By what is told: who hears of the same change, hears of it in the same words. */
  readonly #ofChange = new WeakMap<ReadonlySet<string>, FeedEvent>();
  /** What a client that connects is told of each set that holds flags, until one of them changes. */
  readonly #ofAll = new Map<string, Partial<Record<Visibility, readonly FeedEvent[]>>>();

  constructor(store: FlagStore, delivery: DeliveryCounts, clock: Clock) {
    this.#store = store;
    this.#delivery = delivery;
    this.#clock = clock;
    store.subscribe(({ flagSet }) => this.#ofAll.delete(flagSet));
  }

  /** @param flagSet undefined for every set: the JavaScript provider sends its selector with questions, not with its stream,
   * and would never hear of a change
   * @returns what ends it */
  open(flagSet: string | undefined, viewer: Visibility, write: WriteEvent): () => void {
    const account = this.#delivery.open("events", flagSet, viewer);
    /** What changed since the last event that has not left yet: who reads slowly hears of all of it at once. */
    const behind = new Map<string, string>();
    let isWriting = false;
    const send = (event: FeedEvent): void => {
      isWriting = true;
      const push = this.#delivery.last;
      write(event, () => {
        isWriting = false;
        account.flushed(push);
        if (behind.size === 0) return;
        const next = this.#eventOf(behind);
        behind.clear();
        send(next);
      });
    };
    const unsubscribe = this.#store.subscribe((change) => {
      if (flagSet !== undefined && change.flagSet !== flagSet) return;
      const keys = keysFor(viewer, change);
      if (keys.size === 0) return;
      if (!isWriting) send(this.#changeOf(change.flagSet, keys));
      else for (const key of keys) behind.set(key, change.flagSet);
    });
    const beat = (): void => {
      write(ALIVE, () => undefined);
      alive = this.#clock.after(KEEP_ALIVE_MS, beat);
    };
    let alive = this.#clock.after(KEEP_ALIVE_MS, beat);
    write(READY, () => undefined);
    for (const name of flagSet === undefined ? this.#store.names() : [flagSet])
      for (const event of this.#allOf(name, viewer)) write(event, () => undefined);
    return () => {
      alive.cancel();
      unsubscribe();
      account.close();
    };
  }

  /** Names every flag of a set. A client that comes back may hold answers of before it was gone: Python's provider keeps them,
   * and a kill that it missed would never reach it. */
  #allOf(flagSet: string, viewer: Visibility): readonly FeedEvent[] {
    const known = this.#ofAll.get(flagSet);
    const events = known?.[viewer] ?? this.#madeOfAll(flagSet, viewer);
    // Of sets that clients make up, nothing is kept.
    if (events.length > 0) this.#ofAll.set(flagSet, { ...known, [viewer]: events });
    return events;
  }

  #madeOfAll(flagSet: string, viewer: Visibility): FeedEvent[] {
    const flags = [...this.#store.flagSet(flagSet).flags.values()];
    const keys = flags.filter((flag) => viewer === "server" || flag.isClientVisible).map(({ key }) => key);
    const count = Math.ceil(keys.length / KEYS_OF_A_MESSAGE);
    return Array.from({ length: count }, (_, i) => {
      const some = keys.slice(i * KEYS_OF_A_MESSAGE, (i + 1) * KEYS_OF_A_MESSAGE);
      return this.#eventOf(some.map((key) => [key, flagSet]));
    });
  }

  #changeOf(flagSet: string, keys: ReadonlySet<string>): FeedEvent {
    const event = this.#ofChange.get(keys) ?? this.#eventOf([...keys].map((key) => [key, flagSet]));
    this.#ofChange.set(keys, event);
    return event;
  }

  /** @param flags keys, each with its flag set. Clients forget what they keep of a key, of whichever set: where two sets have the
   * same one, naming it once is enough */
  #eventOf(flags: Iterable<readonly [key: string, flagSet: string]>): FeedEvent {
    const named = [...flags].map(([key, source]) => {
      const type = this.#store.find(source, key) === undefined ? "delete" : "update";
      return [key, { type, source } as const] as const;
    });
    return { type: "configuration_change", data: { flags: Object.fromEntries(named) } };
  }
}

function keysFor(viewer: Visibility, { keys, clientKeys }: SetChange): ReadonlySet<string> {
  return viewer === "client" ? clientKeys : keys;
}
