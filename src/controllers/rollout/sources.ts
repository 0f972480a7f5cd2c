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
import type { Rollout } from "../../api/rollout.ts";
import { labelValue } from "../../core/rollout/names.ts";
import { trafficOf } from "../../core/rollout/traffic-names.ts";
import type { Store } from "../../kube/store.ts";

/** The caches that controllers read, one a kind. */
export interface Sources {
  readonly rollouts: Store<Rollout>;
  readonly deployments: Store<Deployment>;
  readonly replicaSets: Store<ReplicaSet>;
  readonly revisions: Store<ControllerRevision>;
  readonly pods: Store<Pod>;
  readonly services: Store<Service>;
  readonly slices: Store<EndpointSlice>;
  /** By kind; one whose definition is not installed is empty until it is. */
  readonly routes: ReadonlyMap<string, Store<Route>>;
  readonly autoscalers: Store<HorizontalPodAutoscaler>;
  readonly flags: Store<FeatureFlag>;
  readonly segments: Store<FlagSegment>;
  readonly kills: Store<KillSwitch>;
  /** Those with the label zenith.sh/gate; absent where the operator was not told to read them. */
  readonly configMaps?: Store<ConfigMap>;
}

/** What Rollouts are found by: each index maps an object of the cluster to the Rollouts that must look at it. */
export const INDEXES = {
  workload: (rollout: Rollout): string[] =>
    rollout.spec.workloadRef === undefined ? [] : [within(rollout, rollout.spec.workloadRef.name)],
  service: (rollout: Rollout): string[] => {
    const { service, canaryService } = trafficOf(rollout);
    return [service, canaryService].filter((name) => name !== undefined).map((name) => within(rollout, name));
  },
  route: (rollout: Rollout): string[] =>
    trafficOf(rollout).routes.map(({ kind, name }) => `${kind}/${within(rollout, name)}`),
  selector: bySelector,
  gate: byGate,
  rollingBack: (rollout: Rollout): string[] =>
    rollout.status?.progress?.stage === "RollingBack" ? [rollout.metadata.namespace ?? ""] : [],
  label: (rollout: Rollout): string[] => [within(rollout, labelValue(rollout.metadata.name))],
} as const;

/** What a Rollout's gates look at: `ConfigMap/shop/ci`, `Rollout/staging/web`, and `FeatureFlag/shop` for the flags of its
 * namespace. */
function byGate(rollout: Rollout): string[] {
  const { namespace = "" } = rollout.metadata;
  return (rollout.spec.gates ?? []).flatMap(({ tests, coverage, rollout: other, flags }) => {
    const map = (tests ?? coverage)?.configMap?.name;
    return [
      ...(map === undefined ? [] : [`ConfigMap/${namespace}/${map}`]),
      ...(other === undefined ? [] : [`Rollout/${other.namespace ?? namespace}/${other.name}`]),
      ...(flags === undefined ? [] : [`FeatureFlag/${namespace}`]),
    ];
  });
}

/** What a workload is found by from its pods: each label that its selector asks for. */
export function bySelector(object: Deployment | Rollout): string[] {
  const labels = Object.entries(object.spec.selector?.matchLabels ?? {});
  return labels.map(([key, value]) => within(object, `${key}=${value}`));
}

/** By what objects are found from a Rollout. */
export function byService(slice: EndpointSlice): string[] {
  const service = slice.metadata.labels?.["kubernetes.io/service-name"];
  return service === undefined ? [] : [within(slice, service)];
}

export function byLabel(label: string): (object: KubeObject) => string[] {
  return (object) => {
    const value = object.metadata.labels?.[label];
    return value === undefined ? [] : [within(object, value)];
  };
}

const SCALED: readonly string[] = ["Deployment", "ReplicaSet", "Rollout"];

export function byScaleTarget(autoscaler: HorizontalPodAutoscaler): string[] {
  const { kind, name } = autoscaler.spec.scaleTargetRef;
  return SCALED.includes(kind) ? [`${kind}/${within(autoscaler, name)}`] : [];
}

function within(object: KubeObject, name: string): string {
  return `${object.metadata.namespace ?? ""}/${name}`;
}
