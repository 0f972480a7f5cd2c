import type { Visibility } from "../core/flags/definition.ts";
import type { Clock } from "../kube/clock.ts";
import type { DeliveryCounts } from "./delivery.ts";
import type { FlagStore } from "./store.ts";

/** An event of flagd's EventStream. */
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

/** What a client that asks flag by flag is told, so that it knows when its cache is out of date. */
export class Feed {
  readonly #store: FlagStore;
  readonly #delivery: DeliveryCounts;
  readonly #clock: Clock;

  constructor(store: FlagStore, delivery: DeliveryCounts, clock: Clock) {
    this.#store = store;
    this.#delivery = delivery;
    this.#clock = clock;
  }

  /** @param flagSet undefined for every set: the JavaScript provider sends its selector with questions, not with its stream,
   * and would never hear of a change
   * @returns what ends it */
  open(flagSet: string | undefined, viewer: Visibility, write: WriteEvent): () => void {
    const account = this.#delivery.open("events", flagSet);
    const unsubscribe = this.#store.subscribe((change) => {
      if (flagSet !== undefined && change.flagSet !== flagSet) return;
      const keys = viewer === "client" ? change.clientKeys : change.keys;
      if (keys.size === 0) return;
      const push = this.#delivery.last;
      write({ type: "configuration_change", data: { flags: this.#flagsOf(change.flagSet, keys) } }, () =>
        account.flushed(push),
      );
    });
    const beat = (): void => {
      write({ type: "keep_alive" }, () => undefined);
      alive = this.#clock.after(KEEP_ALIVE_MS, beat);
    };
    let alive = this.#clock.after(KEEP_ALIVE_MS, beat);
    write({ type: "provider_ready" }, () => undefined);
    for (const name of flagSet === undefined ? this.#store.names() : [flagSet]) this.#tellAll(name, viewer, write);
    return () => {
      alive.cancel();
      unsubscribe();
      account.close();
    };
  }

  /** Names every flag of a set. A client that comes back may hold answers of before it was gone: Python's provider keeps them,
   * and a kill that it missed would never reach it. */
  #tellAll(flagSet: string, viewer: Visibility, write: WriteEvent): void {
    const flags = [...this.#store.flagSet(flagSet).flags.values()];
    const keys = flags.filter((flag) => viewer === "server" || flag.isClientVisible).map(({ key }) => key);
    for (let i = 0; i < keys.length; i += KEYS_OF_A_MESSAGE) {
      const some = new Set(keys.slice(i, i + KEYS_OF_A_MESSAGE));
      write({ type: "configuration_change", data: { flags: this.#flagsOf(flagSet, some) } }, () => undefined);
    }
  }

  #flagsOf(flagSet: string, keys: ReadonlySet<string>) {
    const typeOf = (key: string) => (this.#store.find(flagSet, key) === undefined ? "delete" : "update");
    return Object.fromEntries([...keys].map((key) => [key, { type: typeOf(key), source: flagSet } as const]));
  }
}
