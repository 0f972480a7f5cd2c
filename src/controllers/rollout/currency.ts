import { type KubeObject, refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { isKind } from "../../kube/errors.ts";
import type { Resources } from "../../kube/resource.ts";
import { compareVersions, type Store } from "../../kube/store.ts";
import { Awaited, type Written, writtenAs } from "../awaited.ts";
import { type Key, keyOf } from "../key.ts";
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
  readonly #awaited: Awaited;
  /** By Rollout: the watch under which it was read live. */
  readonly #confirmed = new Map<Key, number>();

  constructor(options: CurrencyOptions) {
    this.#options = options;
    this.#awaited = new Awaited((kind) => storeOf(options.sources, kind));
  }

  /** Nothing is decided for this Rollout before the caches show all of it. */
  await(key: Key, written: Written): void {
    this.#awaited.await(key, written);
  }

  /** A conflict, or anything else that shows that a cache is behind: the Rollout is read live again. */
  doubt(key: Key): void {
    this.#confirmed.delete(key);
  }

  forget(key: Key): void {
    this.#awaited.forget(key);
    this.#confirmed.delete(key);
  }

  /** Whether the caches show all that is awaited. */
  hasCaughtUp(key: Key): boolean {
    return this.#awaited.hasCaughtUp(key);
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
    if (order > 0) this.#awaited.await(key, writtenAs(live));
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
}

/** The caches, by the kind that they hold. */
function storeOf(sources: Sources, kind: string): Store<KubeObject> | undefined {
  const stores: Readonly<Record<string, unknown>> = {
    Rollout: sources.rollouts,
    Deployment: sources.deployments,
    ReplicaSet: sources.replicaSets,
    ControllerRevision: sources.revisions,
    Service: sources.services,
  };
  return (stores[kind] ?? sources.routes.get(kind)) as Store<KubeObject> | undefined;
}
