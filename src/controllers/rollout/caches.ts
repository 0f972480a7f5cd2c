import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import type { KillSwitch } from "../../api/kill-switch.ts";
import type {
  ConfigMap,
  ControllerRevision,
  Deployment,
  EndpointSlice,
  HorizontalPodAutoscaler,
  KubeObject,
  Pod,
  ReplicaSet,
  Route,
  Service,
} from "../../api/kubernetes.ts";
import { GROUP } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { writers } from "../../core/flags/control/writers.ts";
import { LABEL_ROLLOUT } from "../../core/rollout/names.ts";
import { Reflector, type ReflectorOptions } from "../../kube/reflector.ts";
import { defineResource, type ResourceType } from "../../kube/resource.ts";
import { type IndexFunction, Store } from "../../kube/store.ts";
import type { ApiClient } from "../../kube/transport.ts";
import { byNamespace, FLAG_INDEXES } from "../feature-flag/sources.ts";
import { byLabel, byScaleTarget, bySelector, byService, INDEXES, type Sources } from "./sources.ts";

const GATEWAY = "gateway.networking.k8s.io/v1";
const TYPES = {
  rollouts: defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts"),
  deployments: defineResource("apps/v1", "Deployment", "deployments"),
  replicaSets: defineResource("apps/v1", "ReplicaSet", "replicasets"),
  revisions: defineResource("apps/v1", "ControllerRevision", "controllerrevisions"),
  pods: defineResource("v1", "Pod", "pods"),
  services: defineResource("v1", "Service", "services"),
  slices: defineResource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
  flags: defineResource("zenith.sh/v1alpha1", "FeatureFlag", "featureflags"),
  segments: defineResource("zenith.sh/v1alpha1", "FlagSegment", "flagsegments"),
  kills: defineResource("zenith.sh/v1alpha1", "KillSwitch", "killswitches"),
  configMaps: defineResource("v1", "ConfigMap", "configmaps"),
  autoscalers: defineResource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
};
const ROUTES = [defineResource(GATEWAY, "HTTPRoute", "httproutes"), defineResource(GATEWAY, "GRPCRoute", "grpcroutes")];

export interface Caches {
  readonly sources: Sources;
  readonly reflectors: readonly Reflector<KubeObject>[];
  /** Which watch keeps the Rollouts of a namespace current; see `Reflector.watch`. */
  watchOfRollouts(namespace: string): number | undefined;
  /** Since when they are told without a gap of note; see `Reflector.toldSinceMs`. */
  toldSinceMs(namespace: string): number;
}

/** One kind that controllers read, and where it is kept. */
export interface Part {
  readonly type: ResourceType;
  readonly store: Store<KubeObject>;
  /** Only objects with this label; whether the cluster may lack the kind, as it may that of routes today; and what is kept of
   * managedFields. */
  readonly options: Pick<ReflectorOptions, "labelSelector" | "optional" | "managers">;
}

/** The label of ConfigMaps that gates read: no others are watched. */
const LABEL_GATE = `${GROUP}/gate`;

export interface Extent {
  /** Whether ConfigMaps are read too. */
  readonly gates: boolean;
}

/** All that controllers read: an empty store a kind, and what is to fill it. */
export function makeStores({ gates }: Extent): { readonly sources: Sources; readonly parts: readonly Part[] } {
  const parts: Part[] = [];
  const cache = <T extends KubeObject>(
    type: ResourceType,
    indexes: Record<string, IndexFunction<T>>,
    options: Part["options"] = {},
  ): Store<T> => {
    const store = new Store<T>(indexes);
    parts.push({ type, store: store as unknown as Store<KubeObject>, options });
    return store;
  };
  const ours = { labelSelector: LABEL_ROLLOUT };
  const label = { rollout: byLabel(LABEL_ROLLOUT) };
  const sources: Sources = {
    rollouts: cache<Rollout>(TYPES.rollouts, INDEXES),
    deployments: cache<Deployment>(TYPES.deployments, { selector: bySelector }),
    replicaSets: cache<ReplicaSet>(TYPES.replicaSets, label, ours),
    revisions: cache<ControllerRevision>(TYPES.revisions, label, ours),
    pods: cache<Pod>(TYPES.pods, label, ours),
    services: cache<Service>(TYPES.services, {}, { managers: writers }),
    slices: cache<EndpointSlice>(TYPES.slices, { service: byService }),
    autoscalers: cache<HorizontalPodAutoscaler>(TYPES.autoscalers, { target: byScaleTarget }),
    // A cluster that is upgraded may get their definitions after the operator.
    flags: cache<FeatureFlag>(TYPES.flags, FLAG_INDEXES, { optional: true, managers: writers }),
    segments: cache<FlagSegment>(TYPES.segments, { segment: FLAG_INDEXES.segment }, { optional: true }),
    kills: cache<KillSwitch>(TYPES.kills, { namespace: byNamespace }, { optional: true }),
    ...(gates ? { configMaps: cache<ConfigMap>(TYPES.configMaps, {}, { labelSelector: LABEL_GATE }) } : {}),
    routes: new Map(ROUTES.map((type) => [type.kind, cache<Route>(type, {}, { optional: true, managers: writers })])),
  };
  return { sources, parts };
}

/** Every store filled by a watch, or by one a namespace.
 * @param namespaces those that are watched; empty: all */
export function makeCaches(
  client: ApiClient,
  namespaces: readonly string[],
  options: Omit<ReflectorOptions, "namespace" | "labelSelector" | "fieldSelector" | "optional">,
  extent: Extent = { gates: false },
): Caches {
  const { sources, parts } = makeStores(extent);
  const scopes = namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }));
  const reflectors = parts.flatMap(({ type, store, options: own }) =>
    scopes.map((scope) => new Reflector<KubeObject>(client, type, store, { ...options, ...own, ...scope })),
  );
  const ofRollouts = reflectors.filter(({ type }) => type === TYPES.rollouts);
  const of = (namespace: string) => ofRollouts[namespaces.indexOf(namespace)] ?? ofRollouts[0];
  return {
    sources,
    reflectors,
    watchOfRollouts: (namespace) => of(namespace)?.watch(),
    toldSinceMs: (namespace) => of(namespace)?.toldSinceMs() ?? 0,
  };
}
