import type { FeatureFlag, FeatureFlagStatus } from "../../api/feature-flag.ts";
import type { KillSwitch } from "../../api/kill-switch.ts";
import { type Assignment, assignmentOf, type Retreat } from "./assignment.ts";
import { servedHash } from "./hashes.ts";
import { activeKills, expiryMs } from "./kills.ts";
import { type FlagSettings, flagSettingsOf, type SafeSettings, safeSettingsOf } from "./settings.ts";
import { canLeave } from "./shares.ts";

/** What a flag serves once KillSwitches and `status.override` have had their say, in this order: a kill, the spec's own
 * `enabled`, an override, the spec. */
export type Effective =
  /** One variant for everyone, whatever the rules say. `killed` and `reverted` name why. */
  | { readonly kind: "fixed"; readonly why: "killed" | "reverted"; readonly settings: SafeSettings }
  | { readonly kind: "disabled"; readonly settings: FlagSettings }
  | {
      readonly kind: "assigned";
      readonly settings: FlagSettings;
      readonly assignment: Assignment;
      readonly leaving: boolean;
    };

export interface EffectiveNow {
  readonly effective: Effective;
  /** When time alone will change it; several may be given. */
  readonly changesAtMs: readonly number[];
}

/** @throws FlagInvalid; never for a flag that is killed while its variants can be read */
export function effectiveOf(flag: FeatureFlag, kills: readonly KillSwitch[], nowMs: number): EffectiveNow {
  const active = activeKills(flag, kills, nowMs).filter(({ spec }) => spec.flags !== undefined);
  if (active.length > 0) {
    // Released by time only once the last of them has expired.
    const until = Math.max(...active.map(({ spec }) => expiryMs(spec.until)));
    const effective: Effective = { kind: "fixed", why: "killed", settings: safeSettingsOf(flag) };
    return { effective, changesAtMs: Number.isFinite(until) ? [until] : [] };
  }
  const settings = flagSettingsOf(flag);
  if (!settings.enabled) return { effective: { kind: "disabled", settings }, changesAtMs: [] };
  const override = overrideOf(settings, flag.status);
  if (override !== undefined) return overridden(settings, override, nowMs);
  const { assignment, changesAtMs } = assignmentOf(settings, flag.status, nowMs);
  return {
    effective: { kind: "assigned", settings, assignment, leaving: false },
    changesAtMs: changesAtMs === undefined ? [] : [changesAtMs],
  };
}

type Override = NonNullable<FeatureFlagStatus["override"]>;

/** The override that stands, if one does: bound to what it took back, so gone once something else is wanted. */
export function overrideOf(settings: FlagSettings, status: FeatureFlagStatus | undefined): Override | undefined {
  const override = status?.override;
  return override !== undefined && override.servedHash === servedHash(settings) ? override : undefined;
}

function overridden(settings: FlagSettings, override: Override, nowMs: number): EffectiveNow {
  const retreat = retreatOf(settings, override);
  if (retreat === undefined || retreat.untilMs <= nowMs)
    return { effective: { kind: "fixed", why: "reverted", settings }, changesAtMs: [] };
  const assignment: Assignment = { kind: "leaving", ...retreat };
  return {
    effective: { kind: "assigned", settings: safeButFor(settings), assignment, leaving: true },
    changesAtMs: [retreat.untilMs],
  };
}

/** How a graceful revert goes; undefined where there is nothing that could go gracefully. */
function retreatOf({ strategy, safe }: FlagSettings, { kind, pivot }: Override): Retreat | undefined {
  if (kind !== "gracefulRevert" || pivot === undefined || !("variant" in strategy) || strategy.variant === safe) return;
  const retreat = {
    variant: strategy.variant,
    pivotParts: pivot.weightBp * 10,
    atMs: Date.parse(pivot.at),
    untilMs: Date.parse(pivot.until),
  };
  return retreat.untilMs > retreat.atMs && canLeave(retreat) ? retreat : undefined;
}

/** During a graceful revert only users whom the ramp treats keep its variant. Everyone else, be it by target, rule or
 * prerequisite, has the safe one at once: so each moves once, and nobody new comes. */
function safeButFor(settings: FlagSettings): FlagSettings {
  const { safe } = settings;
  return {
    ...settings,
    control: safe,
    targets: settings.targets.map((target) => ({ ...target, variant: safe })),
    rules: settings.rules.map((rule) => ({ ...rule, serve: safe })),
  };
}
