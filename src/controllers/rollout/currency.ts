import { describeRef, type KubeObject, refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { isKind } from "../../kube/errors.ts";
import type { Resources } from "../../kube/resource.ts";
import { compareVersions, type Store } from "../../kube/store.ts";
import { type Key, keyOf } from "../key.ts";
import type { Written } from "./act.ts";
import type { Sources } from "./sources.ts";

export interface CurrencyOptions {
  readonly sources: Sources;
  readonly resources: Resources;
  /** Which watch keeps the Rollouts of a namespace current; undefined while none does. */
  readonly watchOfRollouts: (namespace: string) => number | undefined;
  /** Called where the API server has an older Rollout than the cache: it was restored from a backup. */
  readonly onRestoredServer: (kind: string) => void;
}

/**
 * Whether what the caches say may be acted on. They must show what we wrote ourselves; and the Rollout, which says what is
 * wanted, must have been read live since the watch that keeps it began: with a fresh route and a stale Rollout, a canary
 * that was aborted meanwhile would get its traffic back.
 */
export class Currency {
  readonly #options: CurrencyOptions;
  /** By Rollout: what the caches must show before the next decision. */
  readonly #awaited = new Map<Key, Written>();
  /** By Rollout: the watch under which it was read live. */
  readonly #confirmed = new Map<Key, number>();

  constructor(options: CurrencyOptions) {
    this.#options = options;
  }

  /** Nothing is decided for this Rollout before the caches show all of it. */
  await(key: Key, written: Written): void {
    if (written.size > 0) this.#awaited.set(key, written);
  }

  /** A conflict, or anything else that shows that a cache is behind: the Rollout is read live again. */
  doubt(key: Key): void {
    this.#confirmed.delete(key);
  }

  forget(key: Key): void {
    this.#awaited.delete(key);
    this.#confirmed.delete(key);
  }

  /** Whether the caches show all that is awaited. */
  hasCaughtUp(key: Key): boolean {
    const awaited = this.#awaited.get(key);
    if (awaited === undefined) return true;
    for (const [name, { ref, version }] of awaited) {
      const store = this.#storeOf(ref.kind);
      const seen = store?.get(ref.namespace, ref.name)?.metadata.resourceVersion ?? "0";
      const known = store?.version(ref.namespace) ?? version;
      if (compareVersions(known, version) >= 0 || compareVersions(seen, version) >= 0) awaited.delete(name);
    }
    if (awaited.size > 0) return false;
    this.#awaited.delete(key);
    return true;
  }

  /** Whether this is the Rollout as it is now. Where it is not, the newer one is awaited.
   * @throws ApiError */
  async isCurrent(rollout: Rollout): Promise<boolean> {
    const key = keyOf(rollout);
    const watch = this.#options.watchOfRollouts(rollout.metadata.namespace ?? "");
    if (watch !== undefined && this.#confirmed.get(key) === watch) return true;
    const live = await this.#read(rollout);
    if (live === undefined) return false;
    const version = live.metadata.resourceVersion ?? "0";
    const order = compareVersions(version, rollout.metadata.resourceVersion ?? "0");
    if (order < 0) this.#options.onRestoredServer("Rollout");
    if (order > 0) this.#awaited.set(key, new Map([[describeRef(refOf(live)), { ref: refOf(live), version }]]));
    if (order !== 0) return false;
    if (watch !== undefined) this.#confirmed.set(key, watch);
    return true;
  }

  async #read(rollout: Rollout): Promise<Rollout | undefined> {
    try {
      return await this.#options.resources.get<Rollout>(refOf(rollout));
    } catch (error) {
      if (isKind(error, "notFound")) return undefined; // The cache will show it.
      throw error;
    }
  }

  #storeOf(kind: string): Store<KubeObject> | undefined {
    const { sources } = this.#options;
    const stores: Readonly<Record<string, unknown>> = {
      Rollout: sources.rollouts,
      Deployment: sources.deployments,
      ReplicaSet: sources.replicaSets,
      ControllerRevision: sources.revisions,
      Service: sources.services,
    };
    return (stores[kind] ?? sources.routes.get(kind)) as Store<KubeObject> | undefined;
  }
}
