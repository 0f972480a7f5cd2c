import { type Delivery, type DeliveryPage, missingOf, sumDelivery } from "../../core/flags/delivery.ts";
import type { Clock } from "../../kube/clock.ts";
import type { DeliveryQuestion } from "../../metrics/flag-servers.ts";
import type { Key } from "../key.ts";

/** What is asked about: one version of a flag. */
export interface Awaited {
  readonly flagSet: string;
  readonly key: string;
  readonly version: string;
}

export interface ServerAddress {
  /** Host and port. */
  readonly address: string;
  /** Sends its clients to other servers and ends: where it is silent, it has. */
  readonly isGoing: boolean;
}

export interface FlagServers {
  /** Those that are there now. */
  addresses(): readonly ServerAddress[];
  /** @throws where it does not answer */
  ask(address: string, question: DeliveryQuestion, signal: AbortSignal): Promise<DeliveryPage>;
}

type Seen = Delivery & { readonly version: string };

interface Entry {
  readonly awaited: Awaited;
  readonly sinceMs: number;
  seen?: Seen;
  toldMs?: number;
}

interface Server {
  isGoing: boolean;
  isAsked: boolean;
  isSilent: boolean;
  /** Until when what it said counts as an answer about a flag: one that is newer was not asked about yet. */
  askedMs: number;
  /** Undefined where it did not answer. */
  page?: DeliveryPage | undefined;
}

/** A thousand flags that are killed together are asked about together. */
const FIRST_MS = 100;
/** How often, by how long the newest change is under way. */
const PACE = [
  { youngerThanMs: 5_000, everyMs: 250 },
  { youngerThanMs: 60_000, everyMs: 2_000 },
  { youngerThanMs: 600_000, everyMs: 10_000 },
];
const SLOWEST_MS = 60_000;
const ANSWERED_WITHIN_MS = 2_000;
/** Keys may be long, and addresses may not. */
const KEYS_OF_A_QUESTION = 40;
/** Counts alone are no news more often than this. */
const COUNTS_EVERY_MS = 10_000;

/**
 * Asks flag servers how far changes have come, for as long as one is under way: at rest nobody is asked. Each server is asked by
 * itself, so that one that hangs delays nothing that the others say.
 */
export class Deliveries {
  readonly #servers: FlagServers | undefined;
  readonly #clock: Clock;
  readonly #onNews: (key: Key) => void;
  readonly #entries = new Map<Key, Entry>();
  readonly #known = new Map<string, Server>();
  #round: { readonly atMs: number; cancel(): void } | undefined;

  /** @param onNews told of flags about which there is something new */
  constructor(servers: FlagServers | undefined, clock: Clock, onNews: (key: Key) => void) {
    this.#servers = servers;
    this.#clock = clock;
    this.#onNews = onNews;
  }

  /** What flag servers said last; undefined where nobody is asked at all. */
  of(key: Key): "unknown" | Seen | undefined {
    return this.#servers === undefined ? undefined : (this.#entries.get(key)?.seen ?? "unknown");
  }

  /** @param awaited what is asked from now on; undefined: nothing more */
  follow(key: Key, awaited: Awaited | undefined): void {
    if (this.#servers === undefined) return;
    const known = this.#entries.get(key)?.awaited;
    if (awaited === undefined) this.#entries.delete(key);
    else if (known === undefined || known.version !== awaited.version || placeOf(known) !== placeOf(awaited)) {
      this.#entries.set(key, { awaited, sinceMs: this.#clock.monotonicMs() });
      this.#schedule(FIRST_MS);
    }
  }

  forget(key: Key): void {
    this.#entries.delete(key);
  }

  stop(): void {
    this.#round?.cancel();
    this.#entries.clear();
  }

  #schedule(inMs: number): void {
    const atMs = this.#clock.monotonicMs() + inMs;
    if (this.#round !== undefined && this.#round.atMs <= atMs) return;
    this.#round?.cancel();
    const timer = this.#clock.after(inMs, () => {
      this.#round = undefined;
      this.#ask();
    });
    this.#round = { atMs, cancel: () => timer.cancel() };
  }

  #ask(): void {
    if (this.#entries.size === 0 || this.#servers === undefined) return;
    const addresses = this.#servers.addresses();
    for (const known of this.#known.keys())
      if (!addresses.some(({ address }) => address === known)) this.#known.delete(known);
    for (const address of addresses) void this.#askOne(this.#servers, address);
    if (addresses.length === 0) this.#sum();
    const youngestMs = this.#clock.monotonicMs() - Math.max(...[...this.#entries.values()].map((e) => e.sinceMs));
    this.#schedule(PACE.find(({ youngerThanMs }) => youngestMs < youngerThanMs)?.everyMs ?? SLOWEST_MS);
  }

  async #askOne(servers: FlagServers, { address, isGoing }: ServerAddress): Promise<void> {
    const server: Server = this.#known.get(address) ?? {
      isGoing,
      isAsked: false,
      isSilent: false,
      askedMs: Number.NEGATIVE_INFINITY,
    };
    this.#known.set(address, server);
    server.isGoing = isGoing;
    if (server.isAsked) return;
    server.isAsked = true;
    const askedMs = this.#clock.monotonicMs();
    try {
      server.page = await this.#pageOf(servers, address);
    } catch {
      server.page = undefined; // It is silent, which is all that can be said of it.
    }
    server.isSilent = server.page === undefined;
    server.askedMs = askedMs;
    server.isAsked = false;
    this.#sum();
  }

  /** All that is awaited, in as many questions as it takes. */
  async #pageOf(servers: FlagServers, address: string): Promise<DeliveryPage> {
    const flagSets: Record<string, DeliveryPage["flagSets"][string]> = {};
    const fetchers: Record<string, DeliveryPage["fetchers"][string]> = {};
    for (const question of questionsOf([...this.#entries.values()].map(({ awaited }) => awaited))) {
      const patience = new AbortController();
      const timer = this.#clock.after(ANSWERED_WITHIN_MS, () => patience.abort());
      try {
        const page = await servers.ask(address, question, patience.signal);
        flagSets[question.flagSet] = { ...flagSets[question.flagSet], ...page.flagSets[question.flagSet] };
        Object.assign(fetchers, page.fetchers);
      } finally {
        timer.cancel();
      }
    }
    return { server: address, flagSets, fetchers };
  }

  /** Puts together what the servers have said, and tells of what is new. */
  #sum(): void {
    const servers = [...this.#known.values()];
    for (const [key, entry] of this.#entries) {
      // Asked before the change was known, a server has said nothing about it. One that is silent is not waited for.
      if (servers.some(({ askedMs, isSilent }) => askedMs < entry.sinceMs && !isSilent)) continue;
      const { awaited } = entry;
      const pages = servers.filter(({ isGoing, isSilent }) => !isGoing || !isSilent).map(({ page }) => page);
      const seen: Seen = { ...sumDelivery(pages, awaited), version: awaited.version };
      if (!this.#isNews(entry, seen)) continue;
      entry.seen = seen;
      entry.toldMs = this.#clock.monotonicMs();
      this.#onNews(key);
    }
  }

  /** What is said in another word is news at once; what differs in its counts alone is, now and then. */
  #isNews({ seen: before, toldMs = 0 }: Entry, seen: Seen): boolean {
    if (before === undefined || missingOf(before)?.reason !== missingOf(seen)?.reason) return true;
    const isDue = this.#clock.monotonicMs() - toldMs >= COUNTS_EVERY_MS;
    return isDue && missingOf(before)?.message !== missingOf(seen)?.message;
  }
}

function placeOf({ flagSet, key }: Awaited): string {
  return `${flagSet} ${key}`;
}

function questionsOf(awaited: readonly Awaited[]): DeliveryQuestion[] {
  const sets = new Map<string, string[]>();
  for (const { flagSet, key } of awaited) sets.set(flagSet, [...(sets.get(flagSet) ?? []), key]);
  return [...sets].flatMap(([flagSet, keys]) =>
    Array.from({ length: Math.ceil(keys.length / KEYS_OF_A_QUESTION) }, (_, i) => ({
      flagSet,
      keys: keys.slice(i * KEYS_OF_A_QUESTION, (i + 1) * KEYS_OF_A_QUESTION),
    })),
  );
}
