import type {
  Condition,
  Deployment,
  EndpointSlice,
  PodTemplate,
  ReplicaSet,
  Route,
  Service,
} from "../../api/kubernetes.ts";
import { sameJson, shortHash } from "../json.ts";
import { LABEL_REVISION } from "../rollout/names.ts";
import type { PaperCluster } from "./paper-cluster.ts";

/** How the rest of the cluster is assumed to behave. */
export interface Assumptions {
  /** From when a pod is asked for to when it is ready, `minReadySeconds` left out. */
  readonly podsReadyMs: number;
  /** From when a route is written to when its Gateways say that they have taken it in. */
  readonly takeInMs: number;
  /** Revisions whose pods are in trouble now: they do not get ready. */
  readonly troubled: readonly string[];
}

/** Kubernetes' own controllers and the Gateways, on paper: each does its part once it is due, and nothing else ever happens. */
export class Others {
  readonly #paper: PaperCluster;
  readonly #assumed: Assumptions;
  /** When what is waited for comes true, by what it is. */
  readonly #dueMs = new Map<string, number>();
  /** Deployments' templates that run: one that is paused only scales. */
  readonly #running = new Map<string, PodTemplate>();

  constructor(paper: PaperCluster, assumed: Assumptions) {
    this.#paper = paper;
    this.#assumed = assumed;
  }

  /** Does what is due.
   * @returns whether anything changed */
  act(nowMs: number): boolean {
    const paper = this.#paper;
    const routes = ["HTTPRoute", "GRPCRoute"].flatMap((kind) => paper.list<Route>(kind));
    const changes = [
      ...paper.list<ReplicaSet>("ReplicaSet").map((set) => this.#runPods(set, nowMs)),
      ...paper.list<Deployment>("Deployment").map((deployment) => this.#rollOut(deployment)),
      ...paper.list<Service>("Service").map((service) => this.#follow(service)),
      ...routes.map((route) => this.#takeIn(route, nowMs)),
    ];
    return changes.includes(true);
  }

  /** When something is due next; undefined where nothing is. */
  get nextMs(): number | undefined {
    return this.#dueMs.size === 0 ? undefined : Math.min(...this.#dueMs.values());
  }

  /** Names of ready pods of a ReplicaSet. */
  podsOf({ metadata, status }: ReplicaSet): string[] {
    return numbered(metadata.name, status?.availableReplicas ?? 0);
  }

  /** Whether what was first waited for `afterMs` ago or earlier comes true now. */
  #isDue(what: string, nowMs: number, afterMs: number): boolean {
    const dueMs = this.#dueMs.get(what) ?? nowMs + afterMs;
    if (dueMs > nowMs) this.#dueMs.set(what, dueMs);
    else this.#dueMs.delete(what);
    return dueMs <= nowMs;
  }

  #runPods(set: ReplicaSet, nowMs: number): boolean {
    const { name, labels = {} } = set.metadata;
    const size = set.spec.replicas ?? 0;
    const before = Math.min(set.status?.availableReplicas ?? 0, size);
    const comes = size > before && !this.#assumed.troubled.includes(labels[LABEL_REVISION] ?? "");
    const afterMs = this.#assumed.podsReadyMs + (set.spec.minReadySeconds ?? 0) * 1000;
    const ready = comes && this.#isDue(`pods of ${name}`, nowMs, afterMs) ? size : before;
    if (!comes) this.#dueMs.delete(`pods of ${name}`);
    const status = { replicas: size, readyReplicas: ready, availableReplicas: ready };
    return this.#paper.change<ReplicaSet>(set, (old) => ({ ...old, status: { ...old.status, ...status } }));
  }

  #rollOut(deployment: Deployment): boolean {
    const { metadata, spec } = deployment;
    const running = spec.paused === true ? (this.#running.get(metadata.name) ?? spec.template) : spec.template;
    this.#running.set(metadata.name, running);
    const size = spec.replicas ?? 1;
    const status = {
      observedGeneration: metadata.generation ?? 1,
      replicas: size,
      updatedReplicas: sameJson(running, spec.template) ? size : 0,
      readyReplicas: size,
      availableReplicas: size,
    };
    return this.#paper.change<Deployment>(deployment, (old) => ({ ...old, status }));
  }

  /** Endpoints follow the selector at once. */
  #follow({ metadata, spec }: Service): boolean {
    const { name } = metadata;
    const wanted = Object.entries(spec.selector ?? {});
    const endpoints = this.#pods()
      .filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value))
      .map((pod) => ({
        addresses: ["10.0.0.1"],
        conditions: { ready: true },
        targetRef: { kind: "Pod", name: pod.name },
      }));
    const slice: EndpointSlice = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata: { name } };
    if (this.#paper.get("EndpointSlice", name) === undefined) this.#paper.create(slice, 0);
    return this.#paper.change<EndpointSlice>(slice, (old) => ({ ...old, endpoints }));
  }

  #pods(): { name: string; labels: Readonly<Record<string, string>> }[] {
    const ours = this.#paper.list<ReplicaSet>("ReplicaSet").flatMap((set) => {
      const { labels = {} } = set.spec.template.metadata ?? {};
      return this.podsOf(set).map((name) => ({ name, labels }));
    });
    const theirs = this.#paper.list<Deployment>("Deployment").flatMap(({ metadata, status }) => {
      const template = this.#running.get(metadata.name);
      const hash = shortHash(JSON.stringify(template ?? "")); // A Deployment has a way of its own.
      const labels = { ...template?.metadata?.labels, "pod-template-hash": hash };
      return numbered(`${metadata.name}-${hash}`, status?.availableReplicas ?? 0).map((name) => ({ name, labels }));
    });
    return [...ours, ...theirs];
  }

  /** What was said of the route as it is now stands; what is written on paper is accepted. */
  #takeIn(route: Route, nowMs: number): boolean {
    const { kind, metadata } = route;
    const generation = metadata.generation ?? 1;
    const parents = (route.spec.parentRefs ?? []).map((parentRef) => ({
      parentRef,
      conditions: [said("Accepted", generation), said("ResolvedRefs", generation)],
    }));
    const what = `${kind} ${metadata.name}`;
    if (!this.#isWritten(route)) return false;
    if (!this.#isDue(what, nowMs, this.#assumed.takeInMs)) return false;
    return this.#paper.change<Route>(route, (old) => ({ ...old, status: { parents } }));
  }

  #isWritten({ status, metadata }: Route): boolean {
    const conditions = (status?.parents ?? []).flatMap((parent) => parent.conditions ?? []);
    return conditions.every(({ observedGeneration }) => (observedGeneration ?? 0) < (metadata.generation ?? 1));
  }
}

/** As a ReplicaSet names its pods: five letters behind its own name. */
function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${String(i).padStart(5, "x")}`);
}

function said(type: string, observedGeneration: number): Condition {
  const lastTransitionTime = "1970-01-01T00:00:00Z";
  return { type, status: "True", reason: type, message: "", lastTransitionTime, observedGeneration };
}
