import type { Clock } from "../../kube/clock.ts";
import type { FlagStore } from "../store.ts";
import type { Topic } from "./events.ts";

/** Who was told of what has been replaced since gets what replaced it. Later the name may be one that came again, as that of a
 * kill does with the second kill, and is not here yet. */
const REPLACED_FOR_MS = 2_000;
const ETAGS_KEPT = 64;
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
  /** By set: when each configuration that was told of here was replaced; Infinity for those that hold. */
  readonly #told = new Map<string, Map<string, number>>();
  readonly #waiting = new Set<{ readonly flagSet: string; look(): void }>();

  constructor(store: FlagStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    store.subscribe(({ flagSet }) => {
      this.#note(flagSet);
      for (const waiter of this.#waiting) if (waiter.flagSet === flagSet) waiter.look();
    });
  }

  /** Resolves once the configuration is served and told of here, or was a moment ago; or after a second. Before it is told of,
   * nobody could say which change it was that was fetched. */
  reach({ flagSet, viewer }: Topic, etag: string): Promise<void> {
    const isServed = (): boolean => this.#store.flagSet(flagSet).etag(viewer) === etag && this.#store.isTold(flagSet);
    const isReached = (): boolean => isServed() || this.#wasReplacedNow(flagSet, etag);
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

  #wasReplacedNow(flagSet: string, etag: string): boolean {
    const replacedMs = this.#told.get(flagSet)?.get(etag);
    return replacedMs !== undefined && this.#clock.monotonicMs() - replacedMs < REPLACED_FOR_MS;
  }

  #note(flagSet: string): void {
    const nowMs = this.#clock.monotonicMs();
    const before = this.#told.get(flagSet) ?? [];
    const replaced = [...before].map(([etag, atMs]) => [etag, Math.min(atMs, nowMs)] as const);
    const set = this.#store.flagSet(flagSet);
    const held = [set.etag("server"), set.etag("client")].map((etag) => [etag, Number.POSITIVE_INFINITY] as const);
    const recent = replaced.filter(([, atMs]) => nowMs - atMs < REPLACED_FOR_MS);
    this.#told.set(flagSet, new Map([...recent.slice(-ETAGS_KEPT), ...held]));
  }
}
