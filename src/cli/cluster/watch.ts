import type { ControllerRevision, KubeObject, Pod, ReplicaSet } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { systemClock } from "../../kube/clock.ts";
import { Reflector, type ReflectorOptions } from "../../kube/reflector.ts";
import type { ResourceType } from "../../kube/resource.ts";
import { Store } from "../../kube/store.ts";
import type { Logger } from "../../telemetry/log.ts";
import { CliError } from "../errors.ts";
import { type Cluster, KINDS } from "./cluster.ts";
import { labelOf, type RolloutTree } from "./rollouts.ts";

/** Keeps objects of the cluster current while a command looks on. Whoever begins one has read the objects once, so that what
 * a person may not see was told then. */
export class Watch {
  readonly #cluster: Cluster;
  readonly #signal: AbortSignal;
  readonly #tell: (sentence: string) => void;
  readonly #stores = new Set<Store<KubeObject>>();
  #wake: () => void = () => undefined;
  #isDirty = true;
  /** Who may get an object need not have the right to watch it; nothing would ever come. */
  #forbidden: string | undefined;

  /** @param tell is told, once each time, that the watch broke, and that it goes on */
  constructor(cluster: Cluster, signal: AbortSignal, tell: (sentence: string) => void) {
    this.#cluster = cluster;
    this.#signal = signal;
    this.#tell = tell;
  }

  #logOf(forbid: (error: string) => void): Logger {
    return {
      debug: () => undefined,
      info: (_fields: unknown, message: string) => this.#tell(message),
      warn: ({ error = "", reason }: { error?: string; reason?: string }, message: string) => {
        if (reason === "forbidden") forbid(error);
        else this.#tell(`${message}: ${error}`);
      },
    } as unknown as Logger;
  }

  /** @param onForbidden is told that its person may not watch these; without it that ends the watch */
  store<T extends KubeObject>(
    type: ResourceType,
    options: Pick<ReflectorOptions, "namespace" | "labelSelector" | "fieldSelector">,
    onForbidden?: () => void,
  ): Store<T> {
    const store = new Store<T>();
    this.#stores.add(store as unknown as Store<KubeObject>);
    store.subscribe(() => this.#changed());
    const log = this.#logOf((error) => {
      if (onForbidden === undefined) this.#forbidden = error;
      else {
        this.#stores.delete(store as unknown as Store<KubeObject>);
        onForbidden();
      }
    });
    const reflector = new Reflector<T>(this.#cluster.client, type, store, { ...options, log });
    void reflector.run(this.#signal);
    return store;
  }

  /** Whether its stores are full: before, what is missing in them may be there all the same. */
  hasSynced(): boolean {
    return [...this.#stores].every((store) => store.hasSynced());
  }

  /** Resolves when something changed since the last call, or after `mostMs`, full or not: then ages are to be told anew.
   * Changes that come together are told together.
   * @returns false once the signal is aborted
   * @throws CliError where the person may not watch */
  async next(mostMs: number): Promise<boolean> {
    const due = systemClock.monotonicMs() + mostMs;
    while (!this.#signal.aborted) {
      if (this.#forbidden !== undefined)
        throw new CliError(this.#forbidden.replace(/^Cannot [A-Z]+ \S+: /, ""), "ask for the right to watch");
      const leftMs = due - systemClock.monotonicMs();
      const synced = this.hasSynced();
      if (leftMs <= 0 || (synced && this.#isDirty)) break;
      // A store that becomes full without an object in it tells nobody.
      await this.#sleep(synced ? leftMs : Math.min(50, leftMs));
    }
    await this.#sleepOn(TOGETHER_MS);
    this.#isDirty = false;
    return !this.#signal.aborted;
  }

  #changed(): void {
    this.#isDirty = true;
    this.#wake();
  }

  async #sleep(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    if (!this.#isDirty) await systemClock.sleep(ms, AbortSignal.any([woken.signal, this.#signal]));
    else await systemClock.sleep(Math.min(ms, 50), this.#signal);
  }

  async #sleepOn(ms: number): Promise<void> {
    await systemClock.sleep(ms, this.#signal);
  }
}

/** What changes within so short a time is shown at once. */
const TOGETHER_MS = 50;

/** A Rollout and what belongs to it, kept current. */
export class TreeWatch {
  readonly watch: Watch;
  readonly #name: string;
  readonly #namespace: string;
  readonly #rollouts: Store<Rollout>;
  readonly #replicaSets: Store<ReplicaSet>;
  readonly #revisions: Store<ControllerRevision>;
  readonly #pods: Store<Pod>;

  constructor(cluster: Cluster, name: string, watch: Watch) {
    const { namespace } = cluster;
    const owned = { namespace, labelSelector: labelOf(name) };
    this.watch = watch;
    this.#name = name;
    this.#namespace = namespace;
    this.#rollouts = watch.store(KINDS.rollouts, { namespace, fieldSelector: `metadata.name=${name}` });
    this.#replicaSets = watch.store(KINDS.replicaSets, owned);
    this.#revisions = watch.store(KINDS.revisions, owned);
    this.#pods = watch.store(KINDS.pods, owned);
  }

  /** Undefined once it was deleted. */
  read(): RolloutTree | undefined {
    const rollout = this.#rollouts.get(this.#namespace, this.#name);
    if (rollout === undefined) return undefined;
    return {
      rollout,
      replicaSets: this.#replicaSets.list(),
      revisions: this.#revisions.list(),
      pods: this.#pods.list(),
    };
  }
}
