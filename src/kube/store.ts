import type { KubeObject } from "../api/kubernetes.ts";

export type ChangeType = "added" | "modified" | "deleted";
export type Listener<T> = (type: ChangeType, object: T, old: T | undefined) => void;
export type IndexFunction<T> = (object: T) => readonly string[];

/** Resource versions are integers of any length (Kubernetes 1.35 and later promise so): negative where a is older. */
export function compareVersions(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** All objects of one kind as the API server last told, with indexes. Objects are shared and must not be changed. */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, { readonly of: IndexFunction<T>; readonly keys: Map<string, Set<string>> }>();
  readonly #listeners = new Set<Listener<T>>();
  #version = "0";
  #synced = false;

  constructor(indexes: Readonly<Record<string, IndexFunction<T>>> = {}) {
    for (const [name, of] of Object.entries(indexes)) this.#indexes.set(name, { of, keys: new Map() });
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Objects for which the index gives `value`. */
  byIndex(index: string, value: string): T[] {
    const found = this.#indexes.get(index);
    if (found === undefined)
      throw new Error(
        `Index "${index}" does not exist; the store was made with ${[...this.#indexes.keys()].join(", ")}`,
      );
    return [...(found.keys.get(value) ?? [])].map((key) => this.#objects.get(key) as T);
  }

  /** The version up to which everything is known. */
  version(): string {
    return this.#version;
  }

  hasSynced(): boolean {
    return this.#synced;
  }

  /** Tells of each change, in order, from now on. Listeners may only take note: no waiting, no throwing. */
  subscribe(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** One event of a watch. An older version of an object than the known one is passed over: a cache never goes back in time. */
  set(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    const version = object.metadata.resourceVersion ?? "0";
    if (
      old !== undefined &&
      old.metadata.uid === object.metadata.uid &&
      compareVersions(version, old.metadata.resourceVersion ?? "0") <= 0
    )
      return;
    this.#objects.set(key, object);
    this.#reindex(key, old, object);
    this.advance(version);
    this.#tell(old === undefined ? "added" : "modified", object, old);
  }

  remove(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    this.advance(object.metadata.resourceVersion ?? "0");
    if (
      old === undefined ||
      (old.metadata.uid !== undefined && object.metadata.uid !== undefined && old.metadata.uid !== object.metadata.uid)
    )
      return;
    this.#objects.delete(key);
    this.#reindex(key, old, undefined);
    this.#tell("deleted", object, old);
  }

  /** A whole list: what is not in it was deleted meanwhile. */
  replace(objects: readonly T[], version: string): void {
    const present = new Set(objects.map(keyOf));
    for (const old of this.list()) if (!present.has(keyOf(old))) this.remove(old);
    for (const object of objects) this.set(object);
    this.advance(version);
    this.#synced = true;
  }

  advance(version: string): void {
    if (compareVersions(version, this.#version) > 0) this.#version = version;
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

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
