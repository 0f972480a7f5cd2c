import type { Deployment, KubeObject, ObjectRef, PodTemplate, ReplicaSet } from "../../../src/api/kubernetes.ts";
import { templateHash } from "../../../src/core/rollout/names.ts";
import type { Agenda } from "../agenda.ts";
import type { Rng } from "../rng.ts";
import type { ApiServer } from "./api-server.ts";
import type { Pods } from "./pods.ts";

/** The Deployment and ReplicaSet controllers. */
export class Workloads {
  readonly #agenda: Agenda;
  readonly #api: ApiServer;
  readonly #pods: Pods;
  readonly #rng: Rng;
  readonly #due = new Set<string>();

  constructor(agenda: Agenda, api: ApiServer, pods: Pods, rng: Rng) {
    this.#agenda = agenda;
    this.#api = api;
    this.#pods = pods;
    this.#rng = rng;
    api.onCommit(({ object, actor }) => {
      if (object.kind === "ReplicaSet" && actor !== SETS)
        this.#later(object.metadata.name, () => this.#syncSet(object));
      if (object.kind === "ReplicaSet") this.#ownerChanged(object);
      if (object.kind === "Deployment" && actor !== DEPLOYMENTS)
        this.#later(object.metadata.name, () => this.#syncDeployment(object.metadata.name));
    });
    pods.onChange(({ set }) => {
      const object = this.#api.find<ReplicaSet>("ReplicaSet", set);
      if (object !== undefined) this.#later(set, () => this.#syncSet(object));
    });
  }

  #later(name: string, run: () => void): void {
    if (this.#due.has(name)) return;
    this.#due.add(name);
    const sync = () => {
      this.#due.delete(name);
      run();
    };
    this.#agenda.after(this.#rng.int(10, 250), () => this.#api.whenUp(sync, () => this.#api.managerLateMs));
  }

  #ownerChanged(object: KubeObject): void {
    const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
    if (owner?.kind === "Deployment") this.#later(owner.name, () => this.#syncDeployment(owner.name));
  }

  /** As many pods as asked for, those that are not ready going first; then status. */
  #syncSet({ metadata: { name } }: KubeObject): void {
    const set = this.#api.find<ReplicaSet>("ReplicaSet", name);
    const pods = this.#pods.of(name);
    if (set === undefined) {
      for (const pod of pods) this.#pods.remove(pod);
      return;
    }
    const wanted = set.spec.replicas ?? 1;
    const going = pods
      .toSorted((a, b) => Number(a.ready) - Number(b.ready))
      .slice(0, Math.max(0, pods.length - wanted));
    for (const pod of going) this.#pods.remove(pod);
    const { template } = set.spec;
    for (let i = pods.length; i < wanted; i++)
      this.#pods.make(name, template.metadata?.labels ?? {}, imageOf(template));
    const left = this.#pods.of(name);
    const ready = left.filter((pod) => pod.ready).length;
    const status = {
      replicas: left.length,
      readyReplicas: ready,
      availableReplicas: ready,
      observedGeneration: set.metadata.generation ?? 1,
    };
    this.#api.change(SETS, set, { ...set, status }, "status");
  }

  /** A rolling update, all at once: the new set up, and the old ones down once it is ready. While paused, only sizes. */
  #syncDeployment(name: string): void {
    const deployment = this.#api.find<Deployment>("Deployment", name);
    if (deployment === undefined) return;
    const { spec, metadata } = deployment;
    const sets = this.#api.list<ReplicaSet>("ReplicaSet").filter((set) => isControlledBy(set, metadata.uid ?? ""));
    const hash = templateHash(spec.template, 1); // Another name than the operator gives it.
    const wanted = spec.replicas ?? 1;
    let current = sets.find((set) => set.metadata.name === `${name}-${hash}`);
    if (current === undefined && spec.paused !== true) {
      current = this.#api.create(DEPLOYMENTS, setOf(deployment, hash, wanted)) as ReplicaSet;
      sets.push(current);
    }
    const newest = current ?? sets.at(-1);
    for (const set of sets) {
      const up = (newest?.status?.availableReplicas ?? 0) >= wanted;
      const size = set === newest ? wanted : spec.paused === true || !up ? set.spec.replicas : 0;
      if (set.spec.replicas !== size && this.#api.find("ReplicaSet", set.metadata.name) !== undefined)
        this.#api.change(DEPLOYMENTS, set, { ...set, spec: { ...set.spec, replicas: size ?? 0 } });
    }
    const sum = (count: (set: ReplicaSet) => number) => sets.reduce((total, set) => total + count(set), 0);
    const status = {
      observedGeneration: metadata.generation ?? 1,
      replicas: sum((set) => set.status?.replicas ?? 0),
      updatedReplicas: current?.status?.replicas ?? 0,
      readyReplicas: sum((set) => set.status?.readyReplicas ?? 0),
      availableReplicas: sum((set) => set.status?.availableReplicas ?? 0),
    };
    const now = this.#api.find<Deployment>("Deployment", name);
    if (now !== undefined) this.#api.change(DEPLOYMENTS, now, { ...now, status }, "status");
  }
}

const SETS = "replicaset-controller";
const DEPLOYMENTS = "deployment-controller";

export function imageOf({ spec }: PodTemplate): string {
  return (spec.containers as { image: string }[] | undefined)?.[0]?.image ?? "";
}

export function refTo(object: KubeObject): ObjectRef {
  const { apiVersion, kind, metadata } = object;
  return { apiVersion, kind, namespace: metadata.namespace ?? "", name: metadata.name };
}

function isControlledBy({ metadata }: KubeObject, uid: string): boolean {
  return metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.controller === true) === true;
}

function setOf(deployment: Deployment, hash: string, replicas: number): ReplicaSet {
  const { metadata, spec } = deployment;
  const labels = { ...spec.template.metadata?.labels, "pod-template-hash": hash };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace ?? "",
      labels,
      ownerReferences: [
        {
          apiVersion: deployment.apiVersion,
          kind: deployment.kind,
          name: metadata.name,
          uid: metadata.uid ?? "",
          controller: true,
        },
      ],
    },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  };
}
