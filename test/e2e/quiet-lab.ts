import type { KubeObject, Service } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import { fleetMember, templateOf } from "../bench/lab.ts";
import { type AuditEvent, type Cluster, type ClusterOptions, startCluster } from "../cluster/cluster.ts";
import { type Gateway, startGateway } from "../cluster/gateway.ts";
import { applyCrds } from "../cluster/playground.ts";
import { Access } from "../cluster/watch.ts";

const ROLLOUTS = defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts");
const AGENT = "zenith-operator";

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What operators wrote in a release, in order, as the audit log tells it: a watch may miss what came and went. */
export interface Release {
  /** Each weight that the route gave the canary; undefined where it stands as its author wrote it. */
  readonly weights: readonly (number | undefined)[];
  /** When each weight was written, in milliseconds since the epoch. */
  readonly writtenMs: readonly number[];
  /** Each revision that the Service was pinned to. */
  readonly selected: readonly string[];
}

/** A control plane whose every request is in its audit log, kwok's pods, and a stand-in gateway that only says that it has
 * taken routes in. Rollouts are named "name", in the namespace default, or "namespace/name". */
export class QuietLab {
  readonly cluster: Cluster;
  readonly access: Access;
  readonly rollouts: Store<Rollout>;
  #gateway: Gateway | undefined;

  private constructor(cluster: Cluster, access: Access, rollouts: Store<Rollout>) {
    this.cluster = cluster;
    this.access = access;
    this.rollouts = rollouts;
  }

  static async open(options: Pick<ClusterOptions, "apiServer"> = {}): Promise<QuietLab> {
    const cluster = await startCluster({ audit: true, ...options });
    try {
      await applyCrds(cluster);
      const access = new Access(cluster.kubeconfig, "quiet-lab");
      return new QuietLab(cluster, access, await access.watch<Rollout>(ROLLOUTS));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.access.close();
    await this.#gateway?.stop();
    await this.cluster.stop();
  }

  async installGateway(): Promise<void> {
    await this.cluster.applyGatewayApi();
    this.#gateway = await startGateway({ kubeconfig: this.cluster.kubeconfig });
  }

  /** Makes a Rollout, with a Service and a route where it is `routed`; see bench/lab.ts. */
  async make(name: string, spec: Record<string, unknown>, routed: boolean): Promise<void> {
    const at = placeOf(name);
    for (const { metadata, ...rest } of fleetMember(at.name, spec, routed))
      await this.access.resources.create<KubeObject>({ ...rest, metadata: { ...metadata, namespace: at.namespace } });
  }

  /** Gives the Rollout a new template.
   * @returns what tells, whenever it is called, what has become of it */
  async release(name: string, version: string): Promise<() => Release> {
    const at = placeOf(name);
    const before = this.audited();
    const ref = { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", ...at };
    await this.access.resources.mergePatch(ref, { spec: { template: templateOf(at.name, version) } });
    return () => releaseOf(this.cluster.auditEvents().slice(before), at);
  }

  status(name: string): NonNullable<Rollout["status"]> {
    const at = placeOf(name);
    return this.rollouts.get(at.namespace, at.name)?.status ?? {};
  }

  /** Whether its second revision is promoted, and all that was done for it is cleared away. */
  isPromoted(name: string): boolean {
    const { phase, history, progress } = this.status(name);
    return phase === "Healthy" && progress?.canary === undefined && (history ?? []).length >= 2;
  }

  /** @throws Error with what the Rollouts say instead */
  async until(what: string, isThere: () => boolean, patienceMs = 90_000): Promise<void> {
    for (const end = performance.now() + patienceMs; !isThere(); await sleep(50))
      if (performance.now() > end) throw new Error(`Waited ${patienceMs / 1000} s for ${what}; ${this.#told()}`);
  }

  /** How many requests the audit log has by now. */
  audited(): number {
    return this.cluster.auditEvents().length;
  }

  /** What operators asked for since: the Lease, and all else but watches. */
  askedSince(count: number): { lease: number; rest: string[] } {
    const ours = this.cluster
      .auditEvents()
      .slice(count)
      .filter(({ userAgent }) => userAgent === AGENT);
    const rest = ours.filter((event) => !isLease(event) && event.verb !== "watch");
    return { lease: ours.filter(isLease).length, rest: rest.map(({ verb, requestURI }) => `${verb} ${requestURI}`) };
  }

  #told(): string {
    const all = this.rollouts.list().slice(-5);
    return all
      .map(({ metadata, status }) => `${metadata.namespace}/${metadata.name} is ${status?.phase}: ${status?.message}`)
      .join("; ");
  }
}

function isLease({ objectRef }: AuditEvent): boolean {
  return objectRef?.resource === "leases";
}

export interface Place {
  readonly namespace: string;
  readonly name: string;
}

function placeOf(key: string): Place {
  const [name = "", namespace = "default"] = key.split("/").reverse();
  return { namespace, name };
}

/** What the requests did for a Rollout, its route and its Service; these have its name. */
export function releaseOf(events: readonly AuditEvent[], { namespace, name }: Place): Release {
  const weights: (number | undefined)[] = [];
  const writtenMs: number[] = [];
  const selected: string[] = [];
  for (const { userAgent, verb, objectRef, responseStatus, responseObject, requestReceivedTimestamp } of events) {
    if (userAgent !== AGENT || verb !== "patch" || responseStatus?.code !== 200) continue;
    if (objectRef?.namespace !== namespace || objectRef.name !== name) continue;
    if (objectRef.resource === "httproutes") {
      const weight = canaryWeight(responseObject as RouteLike, name);
      if (weights.length > 0 && weights.at(-1) === weight) continue;
      weights.push(weight);
      writtenMs.push(Date.parse(requestReceivedTimestamp));
    }
    if (objectRef.resource === "services") {
      const revision = (responseObject as Service).spec.selector?.["zenith.sh/revision"] ?? "";
      if (selected.at(-1) !== revision) selected.push(revision);
    }
  }
  return { weights, writtenMs, selected };
}

interface RouteLike {
  readonly spec: { readonly rules: readonly { readonly backendRefs: readonly { name: string; weight?: number }[] }[] };
}

/** In percent. */
function canaryWeight({ spec }: RouteLike, name: string): number | undefined {
  const refs = spec.rules[0]?.backendRefs ?? [];
  const canary = refs.find((ref) => ref.name === `${name}-canary`)?.weight;
  const total = refs.reduce((sum, { weight = 1 }) => sum + weight, 0);
  return canary === undefined ? undefined : (100 * canary) / total;
}
