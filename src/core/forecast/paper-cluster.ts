import type {
  ControllerRevision,
  Deployment,
  EndpointSlice,
  KubeObject,
  ObjectRef,
  ReplicaSet,
  Route,
  Service,
} from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { sameJson } from "../json.ts";
import type { Write } from "../plan.ts";
import { settingsOf } from "../rollout/settings.ts";
import type { Snapshot } from "../rollout/snapshot.ts";
import { applyPatch } from "./json-patch.ts";

/** The objects of one Rollout on paper: what is written comes into being, with versions, generations and uids as an API server
 * gives them. What others then do about it is in others.ts. */
export class PaperCluster {
  readonly #start: Snapshot;
  readonly #objects = new Map<string, KubeObject>();
  #version: number;
  #uids = 0;

  /** @param snapshot the world as it is; nothing in it is changed */
  constructor(snapshot: Snapshot) {
    this.#start = snapshot;
    const { rollout, deployment, service, canaryService } = snapshot;
    const single = [rollout, deployment, service, canaryService].filter((object) => object !== undefined);
    const routes = snapshot.routes.flatMap(({ object }) => (object === undefined ? [] : [object]));
    for (const object of [...single, ...routes, ...snapshot.replicaSets, ...snapshot.revisions]) this.#put(object);
    for (const [name, slices] of [
      [service?.metadata.name, snapshot.serviceSlices],
      [canaryService?.metadata.name, snapshot.canarySlices],
    ] as const)
      if (name !== undefined) this.#put(joined(name, slices));
    this.#version = 1 + Math.max(0, ...[...this.#objects.values()].map(versionOf));
  }

  get rollout(): Rollout {
    return this.get<Rollout>("Rollout", this.#start.rollout.metadata.name) as Rollout;
  }

  get<T extends KubeObject>(kind: string, name: string): T | undefined {
    return this.#objects.get(`${kind}/${name}`) as T | undefined;
  }

  list<T extends KubeObject>(kind: string): T[] {
    return [...this.#objects.values()].filter((object) => object.kind === kind) as T[];
  }

  /** What the next decision rests on.
   * @param nowMs server time, milliseconds since the epoch */
  snapshot(nowMs: number, metrics: Snapshot["metrics"]): Snapshot {
    const { deployment: _deployment, service: _service, canaryService: _canary, ...constant } = this.#start;
    const { service = "", canaryService = "", workload = "", routes } = settingsOf(this.rollout);
    const named = <T extends KubeObject>(kind: string, name: string, key: string) => {
      const object = this.get<T>(kind, name);
      return object === undefined ? {} : { [key]: object };
    };
    const slices = (name: string) => {
      const slice = this.get<EndpointSlice>("EndpointSlice", name);
      return slice === undefined ? [] : [slice];
    };
    return {
      ...constant,
      nowMs,
      rollout: this.rollout,
      ...named<Deployment>("Deployment", workload, "deployment"),
      ...named<Service>("Service", service, "service"),
      ...named<Service>("Service", canaryService, "canaryService"),
      replicaSets: this.list<ReplicaSet>("ReplicaSet"),
      revisions: this.list<ControllerRevision>("ControllerRevision"),
      serviceSlices: slices(service),
      canarySlices: slices(canaryService),
      routes: routes.map((ref) => ({ ref, ...named<Route>(ref.kind, ref.name, "object") })),
      metrics,
    };
  }

  /** Carries one write out, as an API server would that has nothing against it. */
  write(write: Write, nowMs: number): void {
    switch (write.verb) {
      case "create":
        this.create(write.object, nowMs);
        return;
      case "delete":
        this.#objects.delete(keyOf(write.ref));
        return;
      case "jsonPatch":
        this.change({ kind: write.ref.kind, metadata: { name: write.ref.name } }, (before) =>
          applyPatch(before, write.operations),
        );
        return;
      case "mergePatch":
        throw new Error("The core of Rollouts sends no merge patches");
    }
  }

  create(object: KubeObject, nowMs: number): void {
    const metadata = {
      ...object.metadata,
      uid: `paper-${++this.#uids}`,
      resourceVersion: String(++this.#version),
      generation: 1,
      creationTimestamp: new Date(nowMs).toISOString(),
    };
    this.#put({ ...object, metadata });
  }

  /** @returns whether that made a difference */
  change<T extends KubeObject>(at: Pick<KubeObject, "kind" | "metadata">, edit: (object: T) => T): boolean {
    const { kind } = at;
    const { name } = at.metadata;
    const before = this.get<T>(kind, name);
    if (before === undefined) throw new Error(`${kind} "${name}" does not exist on paper`);
    const edited = edit(before);
    if (edited === before || sameJson(edited, before)) return false;
    const specs = [before, edited] as unknown as { spec?: unknown }[];
    const generation = (before.metadata.generation ?? 1) + (sameJson(specs[0]?.spec, specs[1]?.spec) ? 0 : 1);
    const metadata = { ...edited.metadata, generation, resourceVersion: String(++this.#version) };
    this.#put({ ...edited, metadata });
    return true;
  }

  #put(object: KubeObject): void {
    this.#objects.set(`${object.kind}/${object.metadata.name}`, object);
  }
}

function keyOf({ kind, name }: ObjectRef): string {
  return `${kind}/${name}`;
}

function versionOf({ metadata }: KubeObject): number {
  const version = Number(metadata.resourceVersion);
  return Number.isSafeInteger(version) ? version : 0;
}

/** The slices of a Service as one, named after it. */
function joined(name: string, slices: readonly EndpointSlice[]): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name },
    endpoints: slices.flatMap(({ endpoints = [] }) => endpoints),
  };
}
