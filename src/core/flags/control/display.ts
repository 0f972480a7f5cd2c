import type { FeatureFlagStatus } from "../../../api/feature-flag.ts";
import { WHOLE } from "../settings.ts";
import { shownParts } from "./declared.ts";
import type { Delivered } from "./delivered.ts";
import type { FlagTarget } from "./target.ts";
import type { FlagWorld } from "./world.ts";

type Display = NonNullable<FeatureFlagStatus["display"]>;

/** Columns of `kubectl get`: strings, as columns cannot compute. */
export function displayOf(world: FlagWorld, target: FlagTarget, delivered: Delivered): Display {
  const { strategy } = world.flag.spec;
  const delivery = delivered.kind === "untold" ? undefined : delivered.delivery;
  return {
    serves: servesOf(world, target).slice(0, 128),
    strategy: Object.keys(strategy ?? {})[0] ?? "-",
    step: stepOf(world, target),
    delivered: delivery === undefined ? "-" : `${delivery.acked}/${delivery.clients}`,
  };
}

/** What users get now: `on 25%, off 75%`. */
function servesOf(world: FlagWorld, target: FlagTarget): string {
  const { settings, override, kills, problem } = world;
  if (kills.length > 0) return `${settings.safe} (killed)`;
  if (!settings.enabled) return "code default";
  if (target.override !== undefined || (override !== undefined && target.begins !== true))
    return `${settings.safe} (reverted)`;
  if (target.phase === "Failed" && problem?.reason !== "RolloutMissing") return "as before";
  const beside = settings.rules.length + settings.targets.length > 0 ? ", and rules" : "";
  return `${sharesOf(world, target)}${beside}`;
}

function sharesOf({ settings, nowMs }: FlagWorld, { weightBp }: FlagTarget): string {
  const { strategy, control } = settings;
  const between = (variant: string, parts: number) => {
    if (parts >= WHOLE) return variant;
    return parts <= 0 || variant === control
      ? control
      : `${variant} ${share(parts)}, ${control} ${share(WHOLE - parts)}`;
  };
  switch (strategy.kind) {
    case "none":
      return control;
    case "allAtOnce":
      return strategy.variant;
    case "percentage":
      return strategy.weights
        .filter(({ parts }) => parts > 0)
        .map(({ variant, parts }) => (parts === WHOLE ? variant : `${variant} ${share(parts)}`))
        .join(", ");
    case "progressive":
      return between(strategy.variant, shownParts(strategy, nowMs));
    case "driven":
      return between(strategy.variant, weightBp * 10);
    default:
      return strategy satisfies never;
  }
}

/** `25%`, `0.125%`. */
function share(parts: number): string {
  return `${(100 * parts) / WHOLE}%`;
}

function stepOf({ ramp }: FlagWorld, { stepIndex, override, promoted }: FlagTarget): string {
  if (ramp === undefined || override !== undefined) return "-";
  const total = ramp.kind === "steps" ? ramp.steps.length : ramp.rises;
  if (promoted === true) return `${total}/${total}`;
  return `${ramp.kind === "steps" ? stepIndex + 1 : stepIndex}/${total}`;
}
