import type { FeatureFlag, FlagAnalysis } from "../../../api/feature-flag.ts";
import { parseDurationMs, readAt } from "../../../api/units.ts";
import type { AnalysisSettings } from "../../analysis/model.ts";
import { OF_BEFORE_AFTER, OF_VARIANTS } from "../../analysis/sentences.ts";
import { analysisSettings } from "../../analysis/settings.ts";
import { completeSteps, type Step, stepsOf } from "../../steps.ts";
import type { FlagSettings, Growth } from "../settings.ts";

/** What the controller drives: who is treated is what status says, and nobody else can make it more. */
export type Ramp = StepRamp | GrowthRamp;

/** In steps, judged: strategy canary. */
export interface StepRamp {
  readonly kind: "steps";
  readonly variant: string;
  readonly steps: readonly Step[]; // complete: ends at 100 %
  /** Absent where analysis is turned off. */
  readonly analysis?: RampAnalysis;
  readonly onFailure: "revert" | "gracefulRevert" | "pause" | "notify";
  readonly bakeMs: number;
}

export interface RampAnalysis extends AnalysisSettings {
  /** Users with the variant against those with the control; or all requests since the ramp began against those before. */
  readonly compare: "variants" | "beforeAfter";
}

/** By time, within a schedule or beside a Rollout: strategy progressive. */
export interface GrowthRamp {
  readonly kind: "growth";
  readonly variant: string;
  readonly fromBp: number;
  readonly toBp: number;
  readonly startMs: number;
  /** Rises in all, evenly in size and time. */
  readonly rises: number;
  readonly everyMs: number;
}

const MOST_RISES = 100;
/** A rise takes a write of status: not oftener than so. */
const SHORTEST_RISE_MS = 10_000;

/** Undefined where the strategy needs nobody to drive it.
 * @throws UnitError for what the API server refuses too */
export function rampOf({ spec }: FeatureFlag, { strategy }: FlagSettings): Ramp | undefined {
  if (strategy.kind !== "driven") return undefined;
  if (strategy.growth !== undefined) return growthRamp(strategy.growth);
  const canary = spec.strategy?.canary ?? { variant: strategy.variant };
  const path = "spec.strategy.canary";
  const analysis = analysisOf(canary.analysis, `${path}.analysis`);
  return {
    kind: "steps",
    variant: strategy.variant,
    steps: completeSteps(stepsOf(canary, path)),
    ...(analysis === undefined ? {} : { analysis }),
    onFailure: canary.onFailure ?? "revert",
    bakeMs: readAt(`${path}.bake`, parseDurationMs, canary.bake ?? "10m"),
  };
}

/** Before and after are hours of another day's traffic: their difference proves nothing, so that a limit must do. And no
 * process is new because a flag is: none of it warms up. */
function analysisOf(given: FlagAnalysis | undefined, path: string): RampAnalysis | undefined {
  const analysis = analysisSettings(given, path);
  if (analysis === undefined) return undefined;
  const compare = given?.compare ?? "variants";
  const own: Pick<AnalysisSettings, "judge" | "words"> =
    compare === "variants" ? { judge: "evidence", words: OF_VARIANTS } : { judge: "threshold", words: OF_BEFORE_AFTER };
  return { ...analysis, compare, ...own, warmupMs: 0 };
}

function growthRamp({ variant, fromParts, toParts, startMs, endMs }: Growth): GrowthRamp {
  const [fromBp, toBp] = [Math.floor(fromParts / 10), Math.floor(toParts / 10)];
  const most = Math.min(MOST_RISES, toBp - fromBp, Math.floor((endMs - startMs) / SHORTEST_RISE_MS));
  const rises = Math.max(1, most);
  return { kind: "growth", variant, fromBp, toBp, startMs, rises, everyMs: (endMs - startMs) / rises };
}

/** The share after so many rises, in basis points. */
export function grownBp({ fromBp, toBp, rises }: GrowthRamp, risen: number): number {
  return fromBp + Math.floor(((toBp - fromBp) * Math.min(risen, rises)) / rises);
}
