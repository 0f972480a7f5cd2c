import type {
  ControllerRevision,
  Deployment,
  EndpointSlice,
  HorizontalPodAutoscaler,
  KubeObject,
  ObjectRef,
  ReplicaSet,
  Service,
} from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import type { MetricsView } from "../analysis/memory.ts";
import type { GateView } from "../gates/view.ts";

/** Everything that a decision about one Rollout may rest on, as it was read. Plain data; nothing in it can act. */
export interface Snapshot {
  /** Server time, in milliseconds since the epoch: the API server's clock, advanced by our monotonic one. */
  readonly nowMs: number;
  /** Since when this process decides and is told of what changes, without a gap of note, by the same clock: what the one before
   * wrote last, its status need not say; and what had a deadline before, nobody could see. */
  readonly decidingSinceMs?: number;
  readonly rollout: Rollout;
  /** The referenced Deployment; undefined where it is missing or none is referenced. */
  readonly deployment?: Deployment;
  /** ReplicaSets that carry our label for this Rollout, owner or not. */
  readonly replicaSets: readonly ReplicaSet[];
  readonly revisions: readonly ControllerRevision[];
  readonly service?: Service;
  readonly canaryService?: Service;
  readonly serviceSlices: readonly EndpointSlice[];
  readonly canarySlices: readonly EndpointSlice[];
  /** In the order of the spec; `object` is undefined where the route is missing. */
  readonly routes: readonly { readonly ref: ObjectRef; readonly object?: KubeObject }[];
  readonly autoscalers: readonly HorizontalPodAutoscaler[];
  /** Set where an older Rollout claims the same Deployment, Service or route. */
  readonly claimedBy?: { readonly rollout: string; readonly what: string };
  /** A route or Service that someone resets again and again, and the field manager that does. */
  readonly contested?: { readonly what: string; readonly by: string };
  /** A Rollout of the same namespace that is being rolled back from a bake that began after ours: how it stands, and since when. */
  readonly rollingBackLater?: { readonly rollout: string; readonly sinceMs: number };
  /** The KillSwitch that stops it: of several one that aborts, and of those the first by name. */
  readonly kill?: {
    readonly name: string;
    readonly reason: string;
    readonly aborts: boolean;
    /** When it ends by itself. */
    readonly untilMs?: number;
  };
  /** The FeatureFlag that follows it, takes it along when it is reverted, and was reverted last. */
  readonly revertedFlag?: { readonly name: string; readonly message: string; readonly atMs: number };
  /** Another workload whose selector matches the template's labels: `Deployment "web"`. */
  readonly overlap?: string;
  /** Why the API server would not take the wanted template, as a dry run told. */
  readonly templateProblem?: string;
  /** Why the pods of a revision do not come up, in the words of the API server or the kubelet, by revision. */
  readonly podTrouble: Readonly<Record<string, string>>;
  /** What gates are answered by; absent where the spec has none. */
  readonly gates?: GateView;
  readonly metrics: MetricsView;
}
