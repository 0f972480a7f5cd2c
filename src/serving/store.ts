import { createHash } from "node:crypto";
import type { Visibility } from "../core/flags/definition.ts";
import { type Clock, systemClock } from "../kube/clock.ts";
import { type CompiledFlag, ServedFlag } from "./served-flag.ts";

/** What has changed in one flag set since its subscribers were told last. */
export interface SetChange {
  readonly flagSet: string;
  /** Keys that were added, changed or removed. */
  readonly keys: ReadonlySet<string>;
  /** Those of them that browsers can, or could, see. */
  readonly clientKeys: ReadonlySet<string>;
  /** Monotonic, when the earliest of it came in. */
  readonly sinceMs: number;
}

/** Changes that come together are told together; one that is urgent, a kill say, takes the others along at once. */
const COALESCE_MS = 15;

/**
 * All flags that are served, by flag set and key. An evaluation sees a change at once; subscribers are told of it a moment
 * later, so that a hundred flags that are applied together are one message to each client.
 */
export class FlagStore {
  readonly #sets = new Map<string, FlagSet>();
  readonly #listeners = new Set<(change: SetChange) => void>();
  readonly #pending = new Map<string, { keys: Set<string>; clientKeys: Set<string>; sinceMs: number }>();
  readonly #clock: Clock;
  #timer: { cancel(): void } | undefined;

  constructor(options: { readonly clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  /** Serves a flag from now on, in place of the one that it replaces. Costs what one flag costs, however many there are.
   * @param urgent told to clients at once
   * @throws Error where it cannot be evaluated; then nothing has changed */
  put(flag: CompiledFlag, urgent = false): ServedFlag {
    const old = this.find(flag.flagSet, flag.key);
    const served = new ServedFlag(flag);
    const isSame = old?.json === served.json && old.isClientVisible === served.isClientVisible;
    if (isSame && old.version === served.version) return old;
    const set = this.#sets.get(flag.flagSet) ?? new FlagSet(flag.flagSet);
    this.#sets.set(set.name, set);
    set.put(served);
    this.#note(served, served.isClientVisible || old?.isClientVisible === true, urgent);
    return served;
  }

  remove(flagSet: string, key: string): void {
    const old = this.#sets.get(flagSet)?.remove(key);
    if (old !== undefined) this.#note(old, old.isClientVisible, false);
  }

  find(flagSet: string, key: string): ServedFlag | undefined {
    return this.#sets.get(flagSet)?.flags.get(key);
  }

  /** The set of that name; one without flags is an empty one, and clients may wait on it. Names that clients make up leave
   * nothing behind. */
  flagSet(name: string): FlagSet {
    return this.#sets.get(name) ?? new FlagSet(name);
  }

  /** Names of sets that hold flags. */
  names(): string[] {
    return [...this.#sets.values()].filter(({ flags }) => flags.size > 0).map(({ name }) => name);
  }

  get size(): number {
    return [...this.#sets.values()].reduce((sum, { flags }) => sum + flags.size, 0);
  }

  /** Whether all that is served of the set was told of: changes are, a moment after they are served. */
  isTold(flagSet: string): boolean {
    return !this.#pending.has(flagSet);
  }

  /** @returns what ends it */
  subscribe(listener: (change: SetChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #note({ flagSet, key }: ServedFlag, isClientVisible: boolean, urgent: boolean): void {
    const sinceMs = this.#clock.monotonicMs();
    const pending = this.#pending.get(flagSet) ?? { keys: new Set(), clientKeys: new Set(), sinceMs };
    this.#pending.set(flagSet, pending);
    pending.keys.add(key);
    if (isClientVisible) pending.clientKeys.add(key);
    if (urgent) this.#timer?.cancel();
    if (urgent || this.#timer === undefined)
      this.#timer = this.#clock.after(urgent ? 0 : COALESCE_MS, () => this.#tell());
  }

  #tell(): void {
    this.#timer = undefined;
    const changes = [...this.#pending].map(([flagSet, change]) => ({ flagSet, ...change }));
    this.#pending.clear();
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }
}

/** The flags of one set, and what is made of all of them together: made when it is asked for, kept until a flag changes. */
export class FlagSet {
  readonly name: string;
  readonly #flags = new Map<string, ServedFlag>();
  readonly #etags: Partial<Record<Visibility, string>> = {};
  #json: string | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get flags(): ReadonlyMap<string, ServedFlag> {
    return this.#flags;
  }

  /** Whether what `viewer` sees answers otherwise as time passes. */
  isByClock(viewer: Visibility): boolean {
    return [...this.#flags.values()].some((flag) => flag.isByClock && (viewer === "server" || flag.isClientVisible));
  }

  put(flag: ServedFlag): void {
    this.#flags.set(flag.key, flag);
    this.#forget();
  }

  remove(key: string): ServedFlag | undefined {
    const old = this.#flags.get(key);
    this.#flags.delete(key);
    this.#forget();
    return old;
  }

  /** Names the definitions that `viewer` may see: equal on every server that serves the same. */
  etag(viewer: Visibility): string {
    this.#etags[viewer] ??= this.#hash(viewer);
    return this.#etags[viewer];
  }

  /** The whole set as one flagd document, a map by key: JS clients read an array's indexes as keys. Parts are joined as they
   * are; nothing is parsed or written anew. */
  json(): string {
    this.#json ??= `{"flags":{${[...this.#flags.values()]
      .map(({ key, json }) => `${JSON.stringify(key)}:${json}`)
      .join(",")}},"metadata":${JSON.stringify({ flagSetId: this.name })}}`;
    return this.#json;
  }

  #hash(viewer: Visibility): string {
    const hash = createHash("sha256");
    const seen = [...this.#flags.values()].filter((flag) => viewer === "server" || flag.isClientVisible);
    for (const { key, version, json } of seen.sort((a, b) => (a.key < b.key ? -1 : 1)))
      hash.update(JSON.stringify([key, version])).update(json);
    return hash.digest("base64url").slice(0, 22);
  }

  #forget(): void {
    this.#json = undefined;
    delete this.#etags.server;
    delete this.#etags.client;
  }
}
