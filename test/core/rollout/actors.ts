import type {
  Condition,
  Deployment,
  EndpointSlice,
  KubeObject,
  PodTemplate,
  ReplicaSet,
  Route,
  Service,
} from "../../../src/api/kubernetes.ts";
import { templateHash } from "../../../src/core/rollout/names.ts";
import type { Objects } from "./objects.ts";

/** How the rest of the cluster behaves; tests change it as they go. */
export interface Manners {
  /** How many pods of a revision become ready, of those that exist; all unless said. By image tag. */
  readonly ready: Map<string, number>;
  gateway: "accepts" | "silent" | "refuses";
  /** Whether the Service's slices follow its selector. */
  slices: "follow" | "stand";
  /** Whether the status of ReplicaSets tells of their pods; else it tells what it told before. */
  sets: "follow" | "stand";
}

interface Pod {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The other controllers of a cluster take in what was written. Each does all that it has to do.
 * @returns whether anything changed */
export function letOthersAct(objects: Objects, manners: Manners): boolean {
  const changes = [
    ...(manners.sets === "stand"
      ? []
      : objects.list<ReplicaSet>("ReplicaSet").map((set) => runPods(objects, set, manners))),
    ...objects.list<Deployment>("Deployment").map((deployment) => rollOut(objects, deployment, manners)),
    ...(manners.slices === "stand"
      ? []
      : objects.list<Service>("Service").map((service) => follow(objects, service, manners))),
    ...objects.list<Route>("HTTPRoute").map((route) => takeIn(objects, route, manners)),
  ];
  return changes.includes(true);
}

/** `v2` of `app:v2`: how tests call a revision. */
export function tagOf(template: PodTemplate | undefined): string {
  const containers = template?.spec.containers as readonly { image?: string }[] | undefined;
  return containers?.[0]?.image?.split(":")[1] ?? "?";
}

export function readyOf(set: ReplicaSet, { ready }: Manners): number {
  const size = set.spec.replicas ?? 0;
  return Math.min(size, ready.get(tagOf(set.spec.template)) ?? size);
}

function runPods(objects: Objects, set: ReplicaSet, manners: Manners): boolean {
  const ready = readyOf(set, manners);
  return objects.change<ReplicaSet>("ReplicaSet", set.metadata.name, (before) => ({
    ...before,
    status: {
      observedGeneration: set.metadata.generation ?? 1,
      replicas: set.spec.replicas ?? 0,
      readyReplicas: ready,
      availableReplicas: ready,
    },
  }));
}

/** A Deployment's pods are of the template that it rolled out last: paused, it only scales. */
export const RUNNING = "test/running";

function rollOut(objects: Objects, { metadata }: Deployment, manners: Manners): boolean {
  return objects.change<Deployment>("Deployment", metadata.name, (before) => {
    const running = before.metadata.annotations?.[RUNNING];
    const wanted = JSON.stringify(before.spec.template);
    const now = before.spec.paused === true && running !== undefined ? running : wanted;
    const size = before.spec.replicas ?? 1;
    const ready = Math.min(size, manners.ready.get(`deployment ${tagOf(JSON.parse(now))}`) ?? size);
    return {
      ...before,
      metadata: { ...before.metadata, annotations: { ...before.metadata.annotations, [RUNNING]: now } },
      status: {
        observedGeneration: before.metadata.generation ?? 1,
        replicas: size,
        updatedReplicas: now === wanted ? size : 0,
        readyReplicas: ready,
        availableReplicas: ready,
      },
    };
  });
}

function follow(objects: Objects, { metadata, spec }: Service, manners: Manners): boolean {
  const wanted = Object.entries(spec.selector ?? {});
  const endpoints = podsOf(objects, manners)
    .filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value))
    .map(({ name }) => ({ addresses: ["10.0.0.1"], conditions: { ready: true }, targetRef: { kind: "Pod", name } }));
  if (objects.get("EndpointSlice", metadata.name) === undefined) {
    const slice: KubeObject = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: metadata.name, namespace: metadata.namespace ?? "" },
    };
    objects.create(slice, 0);
  }
  return objects.change<EndpointSlice>("EndpointSlice", metadata.name, (before) => ({ ...before, endpoints }));
}

/** Ready pods, named as their ReplicaSets name them. */
export function podsOf(objects: Objects, manners: Manners): Pod[] {
  const numbered = (count: number, prefix: string, labels: Pod["labels"]) =>
    Array.from({ length: count }, (_, i) => ({ name: `${prefix}-${String(i).padStart(5, "x")}`, labels }));
  const ours = objects
    .list<ReplicaSet>("ReplicaSet")
    .flatMap((set) => numbered(readyOf(set, manners), set.metadata.name, set.spec.template.metadata?.labels ?? {}));
  const theirs = objects.list<Deployment>("Deployment").flatMap(({ metadata, status }) => {
    const running = metadata.annotations?.[RUNNING];
    if (running === undefined) return [];
    const template: PodTemplate = JSON.parse(running);
    const hash = `d${templateHash(template).slice(0, 8)}`; // A Deployment has another way to hash.
    const labels = { ...template.metadata?.labels, "pod-template-hash": hash };
    return numbered(status?.availableReplicas ?? 0, `${metadata.name}-${hash}`, labels);
  });
  return [...ours, ...theirs];
}

function takeIn(objects: Objects, { metadata }: Route, { gateway }: Manners): boolean {
  if (gateway === "silent") return false;
  const generation = metadata.generation ?? 1;
  const say = (type: string, status: "True" | "False"): Condition => ({
    type,
    status,
    reason: status === "True" ? type : "BackendNotFound",
    message: "",
    lastTransitionTime: "2026-01-01T00:00:00Z",
    observedGeneration: generation,
  });
  const conditions = [say("Accepted", "True"), say("ResolvedRefs", gateway === "accepts" ? "True" : "False")];
  return objects.change<Route>("HTTPRoute", metadata.name, (before) => ({
    ...before,
    status: { parents: [{ parentRef: { name: "gateway" }, conditions }] },
  }));
}
