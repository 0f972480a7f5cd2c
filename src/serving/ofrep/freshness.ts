import type { Clock } from "../../kube/clock.ts";
import type { FlagStore } from "../store.ts";
import type { Topic } from "./events.ts";

const ETAGS_KEPT = 32;
const LONGEST_WAIT_MS = 1_000;
const MOST_WAITING = 5_000;

/**
 * A client that one server told of a change may fetch it from another one, which hears of it a moment later. Answered at once,
 * it would get the old values with nobody to tell it again. So a fetch that names a configuration which is not known here waits
 * for it, though not for long: names can be made up, and servers do restart.
 */
export class Freshness {
  readonly #store: FlagStore;
  readonly #clock: Clock;
  readonly #seen = new Map<string, Set<string>>();
  readonly #waiting = new Set<{ readonly flagSet: string; look(): void }>();

  constructor(store: FlagStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    store.subscribe(({ flagSet }) => {
      this.#note(flagSet);
      for (const waiter of this.#waiting) if (waiter.flagSet === flagSet) waiter.look();
    });
  }

  /** Resolves once the configuration is, or was, served here; or after a second. */
  reach({ flagSet, viewer }: Topic, etag: string): Promise<void> {
    const isReached = (): boolean =>
      this.#store.flagSet(flagSet).etag(viewer) === etag || this.#seen.get(flagSet)?.has(etag) === true;
    if (isReached() || this.#waiting.size >= MOST_WAITING) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#waiting.delete(waiter);
        resolve();
      };
      const waiter = { flagSet, look: () => (isReached() ? end() : undefined) };
      const timer = this.#clock.after(LONGEST_WAIT_MS, end);
      this.#waiting.add(waiter);
    });
  }

  #note(flagSet: string): void {
    const seen = this.#seen.get(flagSet) ?? new Set<string>();
    this.#seen.set(flagSet, seen);
    const set = this.#store.flagSet(flagSet);
    for (const etag of [set.etag("server"), set.etag("client")]) seen.add(etag);
    for (const etag of seen) if (seen.size > ETAGS_KEPT) seen.delete(etag);
  }
}
