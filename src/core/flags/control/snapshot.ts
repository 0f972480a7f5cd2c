import type { FeatureFlag } from "../../../api/feature-flag.ts";
import type { FlagSegment } from "../../../api/flag-segment.ts";
import type { KillSwitch } from "../../../api/kill-switch.ts";
import type { Rollout } from "../../../api/rollout.ts";
import type { MetricsView } from "../../analysis/memory.ts";
import type { Lookup } from "../compile.ts";
import type { Delivery } from "../delivery.ts";

/** Everything that a decision about one FeatureFlag may rest on, as it was read. Plain data; nothing in it can act. */
export interface FlagSnapshot {
  /** Server time, in milliseconds since the epoch: the API server's clock, advanced by our monotonic one. */
  readonly nowMs: number;
  readonly flag: FeatureFlag;
  /** Of its namespace, by name. */
  readonly segments: Lookup<FlagSegment>;
  /** Of its flag set, by key. */
  readonly others: Lookup<FeatureFlag>;
  /** Of its namespace, whatever they select. */
  readonly kills: readonly KillSwitch[];
  /** An older flag that serves the same key in the same flag set. */
  readonly claimedBy?: string;
  /** The Rollout of `spec.rolloutRef`; undefined where it is missing or none is named. */
  readonly rollout?: Rollout;
  /** What flag servers said last, of whichever version; `unknown` before they have said anything. Undefined where nobody is
   * asked. */
  readonly delivery?: "unknown" | (Delivery & { readonly version: string });
  readonly metrics: MetricsView;
}
