import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { KillSwitch } from "../../api/kill-switch.ts";
import type { Rollout } from "../../api/rollout.ts";

/** What gates are answered by, as it was read. Plain data. */
export interface GateView {
  /** Undefined where the operator was not told to read ConfigMaps; see its flag --gates. */
  readonly configMaps?: ReadonlyMap<string, Results>;
  /** Other Rollouts by "namespace/name", as far as they are watched. */
  readonly rollouts: ReadonlyMap<string, Rollout>;
  /** Of the namespace. */
  readonly flags: readonly FeatureFlag[];
  readonly kills: readonly KillSwitch[];
  /** By the gate's name; a metric that was not answered yet is left out. */
  readonly metrics: ReadonlyMap<string, MetricAnswer>;
}

/** The ConfigMap that CI wrote. */
export interface Results {
  readonly data: Readonly<Record<string, string>>;
  /** What its annotation zenith.sh/image says: the image that the results are of. */
  readonly image?: string;
}

export type MetricAnswer =
  | { readonly kind: "value"; readonly value: number }
  | { readonly kind: "none"; readonly message: string };
