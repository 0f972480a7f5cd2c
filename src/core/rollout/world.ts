import type { Condition, PodTemplate } from "../../api/kubernetes.ts";
import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import { optional } from "../optional.ts";
import type { TrafficRouter } from "../routing.ts";
import { deploymentPodsOf, type EndpointsView, endpointsOf } from "./endpoints.ts";
import { ANNOTATION_REJECTED } from "./names.ts";
import { pinOf } from "./objects.ts";
import { type Problem, serviceOfOthers } from "./problems.ts";
import { type Revision, recoveredStable, revisionsOf, wantedRevision } from "./revisions.ts";
import { type RoutesView, routesOf } from "./routes-view.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { askedReplicas, replicasOf } from "./size.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Rejection } from "./target.ts";

export type { EndpointsView, Revision, RoutesView };

/** The snapshot, understood: what a rule asks for is here under one name. */
export interface World {
  readonly nowMs: number;
  readonly snapshot: Snapshot;
  readonly rollout: Rollout;
  readonly name: string;
  readonly namespace: string;
  readonly settings: Settings;
  readonly status: RolloutStatus;
  readonly revisions: ReadonlyMap<string, Revision>;
  /** What the spec asks for now; undefined where the referenced Deployment is missing. */
  readonly wanted?: Revision;
  readonly stable?: Revision;
  readonly canary?: Revision;
  readonly previous?: Revision;
  /** The size that is kept up, and what is asked for: an autoscaler's peak may stand between. */
  readonly replicas: number;
  readonly askedReplicas: number;
  readonly routes: RoutesView;
  /** The revision that a Service is pinned to: a hash, "all" (ours, any revision) or "author" (not pinned). */
  readonly selects: string;
  readonly canarySelects: string;
  readonly serviceEndpoints: EndpointsView;
  readonly canaryEndpoints: EndpointsView;
  /** "deployment:<hash>", as a Service is narrowed to the pods of the referenced Deployment; undefined while unknown. */
  readonly deploymentPods?: string;
  /** Why the Service that the spec names is not ours to lead: until that is mended the world is one without traffic. */
  readonly serviceOfOthers?: Problem;
  /** A rejection that reached objects before it reached status. */
  readonly unrecordedRejection?: Rejection;
}

export type Routers = ReadonlyMap<string, TrafficRouter>;

/** Understands a snapshot. Pure; the same snapshot gives the same world. */
export function observe(snapshot: Snapshot, routers: Routers): World {
  const { rollout } = snapshot;
  const settings = settingsOf(rollout);
  const status: RolloutStatus = rollout.status ?? {};
  const revisions = revisionsOf(snapshot);
  const template = wantedTemplate(snapshot);
  const wanted = template === undefined ? undefined : wantedRevision(template, revisions, status.collisionCount ?? 0);
  // A status that was never lost says itself that there is no stable yet.
  const recovered = status.progress === undefined ? recoveredStable(snapshot, revisions) : undefined;
  const stableHash = status.stable?.revision ?? recovered;
  const asked = askedReplicas(snapshot, settings, status);
  const serviceEndpoints = endpointsOf(snapshot.serviceSlices, snapshot.replicaSets);
  const selects = pinOf(snapshot.service, rollout.metadata.name);
  const canaryHash = status.progress?.canary;
  const previousHash = status.progress?.previous;
  const stable = stableHash === undefined ? undefined : revisions.get(stableHash);
  const world: World = {
    nowMs: snapshot.nowMs,
    snapshot,
    rollout,
    name: rollout.metadata.name,
    namespace: rollout.metadata.namespace ?? "",
    settings,
    status,
    revisions,
    ...(wanted === undefined ? {} : { wanted }),
    ...(stable === undefined ? {} : { stable }),
    ...optional("canary", canaryHash === undefined ? undefined : revisions.get(canaryHash)),
    ...optional("previous", previousHash === undefined ? undefined : revisions.get(previousHash)),
    replicas: replicasOf(snapshot, asked, status),
    askedReplicas: asked,
    routes: routesOf(snapshot, settings, routers),
    selects,
    canarySelects: pinOf(snapshot.canaryService, rollout.metadata.name),
    serviceEndpoints,
    ...optional("deploymentPods", deploymentPodsOf(serviceEndpoints, settings.workload)),
    canaryEndpoints: endpointsOf(snapshot.canarySlices, snapshot.replicaSets),
    ...optional("unrecordedRejection", rejectionOnObjects(snapshot, status)),
  };
  const problem = serviceOfOthers(world);
  return problem === undefined ? world : { ...withoutTraffic(world, routers), serviceOfOthers: problem };
}

/** As if spec.traffic were not there. */
function withoutTraffic(world: World, routers: Routers): World {
  const { service: _theirs, canaryService: _other, ...settings } = { ...world.settings, routes: [] };
  const { service: _service, canaryService: _canary, ...rest } = world.snapshot;
  const snapshot: Snapshot = { ...rest, routes: [], serviceSlices: [], canarySlices: [] };
  const none = endpointsOf([], []);
  return {
    ...world,
    settings,
    snapshot,
    routes: routesOf(snapshot, settings, routers),
    selects: pinOf(undefined, world.name),
    canarySelects: pinOf(undefined, world.name),
    serviceEndpoints: none,
    canaryEndpoints: none,
  };
}

function wantedTemplate({ rollout, deployment }: Snapshot): PodTemplate | undefined {
  if (rollout.spec.workloadRef !== undefined) return deployment?.spec.template;
  return rollout.spec.template as PodTemplate | undefined;
}

/** Every switch of a breach leaves the rejection on its object, so that no crash or lost status raises it again. */
function rejectionOnObjects(snapshot: Snapshot, status: RolloutStatus): Rejection | undefined {
  return [snapshot.service, snapshot.canaryService, ...snapshot.routes.map((route) => route.object)]
    .flatMap((object) => rejectionNoted(object?.metadata.annotations?.[ANNOTATION_REJECTED]) ?? [])
    .find(({ revision }) => revision !== status.rejected?.revision);
}

/** What `rejectionNote` wrote: revision, reason and message, a space between each. */
function rejectionNoted(note: string | undefined): Rejection | undefined {
  const match = /^(\S+)(?: ([A-Z][A-Za-z]+))?(?: (.*))?$/s.exec(note ?? "");
  if (match === null) return undefined;
  const [, revision = "", reason = "AnalysisFailed", message = "rejected"] = match;
  return { revision, reason, message };
}

/** A condition by type, where status has it. */
export function conditionOf(status: RolloutStatus, type: string): Condition | undefined {
  return status.conditions?.find((condition) => condition.type === type) as Condition | undefined;
}
