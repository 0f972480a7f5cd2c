import type { KubeObject } from "../api/kubernetes.ts";

export type ChangeType = "added" | "modified" | "deleted";
export type Listener<T> = (type: ChangeType, object: T, old: T | undefined) => void;
export type IndexFunction<T> = (object: T) => readonly string[];

/** Resource versions are integers of any length (Kubernetes 1.35 and later promise so): negative where a is older. */
export function compareVersions(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** What one list and its watch fill: a namespace, or all of them. */
interface Part {
  version: string;
  synced: boolean;
}

interface Waiter {
  readonly version: string;
  readonly done: () => void;
}

/** All objects of one kind as the API server last told, with indexes. Objects are shared and must not be changed. It is
 * filled as a whole, or in parts, one a namespace; a part is named by its namespace, and the whole by "". */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, { readonly of: IndexFunction<T>; readonly keys: Map<string, Set<string>> }>();
  readonly #listeners = new Set<Listener<T>>();
  readonly #parts = new Map<string, Part>();
  readonly #waiters = new Set<Waiter & { readonly namespace: string }>();

  /** @param indexes by name, what an object is found by: none, one or several values */
  constructor(indexes: Readonly<Record<string, IndexFunction<T>>> = {}) {
    for (const [name, of] of Object.entries(indexes)) this.#indexes.set(name, { of, keys: new Map() });
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  list(namespace?: string): T[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter(({ metadata }) => (metadata.namespace ?? "") === namespace);
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Objects for which the index gives `value`.
   * @throws Error where the store was made without that index */
  byIndex(index: string, value: string): T[] {
    const found = this.#indexes.get(index);
    if (found === undefined) {
      const names = [...this.#indexes.keys()].join(", ");
      throw new Error(`Index "${index}" does not exist; the store was made with ${names === "" ? "none" : names}`);
    }
    return [...(found.keys.get(value) ?? [])].map((key) => this.#objects.get(key) as T);
  }

  /** The version up to which everything is known: of a namespace, or of all of them. */
  version(namespace = ""): string {
    const part = this.#parts.get(namespace) ?? this.#parts.get("");
    if (part !== undefined) return part.version;
    const versions = [...this.#parts.values()].map(({ version }) => version);
    return versions.sort(compareVersions)[0] ?? "0";
  }

  /** Whether every part has seen a whole list. */
  hasSynced(): boolean {
    const parts = [...this.#parts.values()];
    return parts.length > 0 && parts.every(({ synced }) => synced);
  }

  /** Resolves true once everything up to `version` is known: then the store shows what we wrote ourselves. False where the
   * signal is aborted before. */
  waitFor(
    version: string,
    options: { readonly namespace?: string; readonly signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const { namespace = "", signal } = options;
    if (compareVersions(this.version(namespace), version) >= 0) return Promise.resolve(true);
    if (signal?.aborted === true) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (reached: boolean): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", onAbort);
        resolve(reached);
      };
      const onAbort = (): void => end(false);
      const waiter = { version, namespace, done: () => end(true) };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort);
    });
  }

  /** Tells of each change, in order, from now on. Listeners may only take note: no waiting, no throwing. An object that was
   * deleted and made again while nobody watched is told as modified, with another uid. */
  subscribe(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Says that a part is going to be filled: until it is, the store has not synced. */
  expect(part = ""): void {
    this.#partNamed(part);
  }

  /** One event of a watch. A version older than the known one is passed over: a cache never goes back in time. */
  set(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    const version = versionOf(object);
    if (old !== undefined && compareVersions(version, versionOf(old)) <= 0) return;
    this.#objects.set(key, object);
    this.#reindex(key, old, object);
    this.#advance(this.#partOf(object.metadata.namespace ?? ""), version);
    this.#tell(old === undefined ? "added" : "modified", object, old);
  }

  /** The deletion of an object; one that is older than the known object was of one before it. */
  remove(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    this.#advance(this.#partOf(object.metadata.namespace ?? ""), versionOf(object));
    if (old === undefined || compareVersions(versionOf(object), versionOf(old)) < 0) return;
    this.#objects.delete(key);
    this.#reindex(key, old, undefined);
    this.#tell("deleted", object, old);
  }

  /** A whole list of one part: what is not in it was deleted meanwhile, and what is as known is not told. */
  replace(objects: readonly T[], version: string, part = ""): void {
    const state = this.#partNamed(part);
    const present = new Set(objects.map(keyOf));
    const known = part === "" ? this.list() : this.list(part);
    for (const old of known) if (!present.has(keyOf(old))) this.remove(old);
    for (const object of objects) this.set(object);
    state.synced = true;
    this.#advance(state, version);
  }

  /** Everything of a part is known up to `version`: what a bookmark says. */
  advance(version: string, part = ""): void {
    this.#advance(this.#partNamed(part), version);
  }

  /** The part that an object of this namespace belongs to. */
  #partOf(namespace: string): Part {
    return this.#parts.get(namespace) ?? this.#partNamed("");
  }

  #partNamed(name: string): Part {
    const part = this.#parts.get(name) ?? { version: "0", synced: false };
    this.#parts.set(name, part);
    return part;
  }

  #advance(part: Part, version: string): void {
    if (compareVersions(version, part.version) <= 0) return;
    part.version = version;
    for (const waiter of this.#waiters)
      if (compareVersions(this.version(waiter.namespace), waiter.version) >= 0) waiter.done();
  }

  #reindex(key: string, old: T | undefined, object: T | undefined): void {
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of old === undefined ? [] : of(old)) {
        const set = keys.get(value);
        set?.delete(key);
        if (set?.size === 0) keys.delete(value);
      }
      for (const value of object === undefined ? [] : of(object)) {
        const set = keys.get(value) ?? new Set();
        keys.set(value, set.add(key));
      }
    }
  }

  #tell(type: ChangeType, object: T, old: T | undefined): void {
    for (const listener of this.#listeners) listener(type, object, old);
  }
}

function versionOf({ metadata }: KubeObject): string {
  return metadata.resourceVersion ?? "0";
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
