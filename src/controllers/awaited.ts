import { describeRef, type KubeObject, type ObjectRef, refOf } from "../api/kubernetes.ts";
import { compareVersions, type Store } from "../kube/store.ts";
import type { Key } from "./key.ts";

/** What a pass wrote, or found newer than the cache: by object, the version that the cache must have reached before the next
 * decision. Of what was deleted, the cache must show that it goes. */
export type Written = Map<string, Change>;
interface Change {
  readonly ref: ObjectRef;
  readonly version: string;
  readonly deletedUid?: string;
}

/** Of an object as it was written, or read live. */
export function writtenAs(object: KubeObject): Written {
  const version = object.metadata.resourceVersion ?? "0";
  return new Map([[describeRef(refOf(object)), { ref: refOf(object), version }]]);
}

/** What the caches must show before anything more is decided: our own writes first of all. */
export class Awaited {
  readonly #storeOf: (kind: string) => Store<KubeObject> | undefined;
  readonly #awaited = new Map<Key, Written>();

  constructor(storeOf: (kind: string) => Store<KubeObject> | undefined) {
    this.#storeOf = storeOf;
  }

  /** Nothing is decided for this object before the caches show all of it. */
  await(key: Key, written: Written): void {
    if (written.size > 0) this.#awaited.set(key, written);
  }

  forget(key: Key): void {
    this.#awaited.delete(key);
  }

  /** Whether the caches show all that is awaited. */
  hasCaughtUp(key: Key): boolean {
    const awaited = this.#awaited.get(key);
    if (awaited === undefined) return true;
    for (const [name, change] of awaited) {
      const store = this.#storeOf(change.ref.kind);
      if (store === undefined || isShown(store, change)) awaited.delete(name);
    }
    if (awaited.size > 0) return false;
    this.#awaited.delete(key);
    return true;
  }
}

function isShown(store: Store<KubeObject>, { ref, version, deletedUid }: Change): boolean {
  const seen = store.get(ref.namespace, ref.name)?.metadata;
  if (deletedUid !== undefined) return seen?.uid !== deletedUid || seen.deletionTimestamp !== undefined;
  const known = store.version(ref.namespace) ?? version;
  return compareVersions(known, version) >= 0 || compareVersions(seen?.resourceVersion ?? "0", version) >= 0;
}
