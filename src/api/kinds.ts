import type { z } from "zod";
import type { CrdOptions } from "./crd.ts";
import { featureFlagCrd, featureFlagSpec } from "./feature-flag.ts";
import { featureFlagStatus } from "./feature-flag-status.ts";
import { flagSegmentCrd, flagSegmentSpec, flagSegmentStatus } from "./flag-segment.ts";
import { killSwitchCrd, killSwitchSpec, killSwitchStatus } from "./kill-switch.ts";
import { rolloutCrd, rolloutSpec } from "./rollout.ts";
import { rolloutStatus } from "./rollout-status.ts";

/** Everything that a user may apply: what it is called, and its schemas. */
export interface Kind {
  readonly options: CrdOptions;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
}

export const KINDS = {
  Rollout: { options: rolloutCrd, spec: rolloutSpec, status: rolloutStatus },
  FeatureFlag: { options: featureFlagCrd, spec: featureFlagSpec, status: featureFlagStatus },
  FlagSegment: { options: flagSegmentCrd, spec: flagSegmentSpec, status: flagSegmentStatus },
  KillSwitch: { options: killSwitchCrd, spec: killSwitchSpec, status: killSwitchStatus },
} as const satisfies Readonly<Record<string, Kind>>;
