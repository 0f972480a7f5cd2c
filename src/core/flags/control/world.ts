import type { FeatureFlag, FeatureFlagStatus } from "../../../api/feature-flag.ts";
import type { KillSwitch } from "../../../api/kill-switch.ts";
import { UnitError } from "../../../api/units.ts";
import { optional } from "../../optional.ts";
import { compileFlag } from "../compile.ts";
import { overrideOf } from "../effective.ts";
import { rampHash, servedHash } from "../hashes.ts";
import type { Uses } from "../inlining.ts";
import { FlagInvalid } from "../invalid.ts";
import { activeKills } from "../kills.ts";
import { type FlagSettings, flagSettingsOf } from "../settings.ts";
import { type Problem, rolloutMissing, takenKey } from "./problems.ts";
import { type Ramp, rampOf } from "./ramp.ts";
import type { FlagSnapshot } from "./snapshot.ts";
import type { Override } from "./target.ts";

/** The snapshot, understood: what a rule asks for is here under one name. */
export interface FlagWorld {
  readonly nowMs: number;
  readonly snapshot: FlagSnapshot;
  readonly flag: FeatureFlag;
  readonly settings: FlagSettings;
  readonly status: FeatureFlagStatus;
  /** What people's requests must name, and what an override is bound to. */
  readonly servedHash: string;
  readonly rampHash: string;
  /** What is to be driven; undefined where the strategy needs nobody. */
  readonly ramp?: Ramp;
  /** Since when what is wanted is on its way; undefined before its first pass, and after a revert. */
  readonly begunMs?: number;
  /** It stood still, killed or disabled say, until this pass: clocks begin anew. */
  readonly resumes: boolean;
  /** How many users the ramp treats, in basis points. */
  readonly presentBp: number;
  /** What stands above the spec. */
  readonly override?: Override;
  /** KillSwitches that make it safe now, by name. */
  readonly kills: readonly KillSwitch[];
  /** Why it cannot be served as it stands, or must not. */
  readonly problem?: Problem;
  /** Other objects that what is served was made from. */
  readonly uses: Uses;
  /** What is served, by the name that flag servers give it; undefined where it cannot be. */
  readonly version?: string;
  /** When time alone changes what is served. */
  readonly changesAtMs?: number;
}

const STANDING_STILL: readonly string[] = ["Killed", "Disabled", "Failed"];

/** Understands a snapshot. Pure; the same snapshot gives the same world.
 * @throws FlagInvalid where the spec says nothing that could be read */
export function observe(snapshot: FlagSnapshot): FlagWorld {
  const { flag, nowMs } = snapshot;
  const settings = flagSettingsOf(flag);
  const status = flag.status ?? {};
  const ramp = readRamp(flag, settings);
  const hash = rampHash(settings);
  const compiled = compileFlag(snapshot);
  const begun = status.progress?.rampHash === hash ? status.progress.startedAt : undefined;
  const serving = status.serving?.rampHash === hash ? status.serving : undefined;
  const kills = activeKills(flag, snapshot.kills, nowMs).filter(({ spec }) => spec.flags !== undefined);
  const invalid = compiled.kind === "invalid" ? { reason: compiled.reason, message: compiled.message } : undefined;
  return {
    nowMs,
    snapshot,
    flag,
    settings,
    status,
    servedHash: servedHash(settings),
    rampHash: hash,
    ...optional("ramp", ramp),
    ...optional("begunMs", begun === undefined ? undefined : Date.parse(begun)),
    resumes: STANDING_STILL.includes(status.phase ?? "") && kills.length === 0 && settings.enabled,
    presentBp: ramp === undefined || begun === undefined ? 0 : (serving?.weightBp ?? 0),
    ...optional("override", overrideOf(settings, status)),
    kills,
    uses: compiled.uses,
    ...optional("problem", takenKey(snapshot, settings) ?? invalid ?? rolloutMissing(snapshot)),
    ...(compiled.kind === "compiled"
      ? { version: compiled.version, ...optional("changesAtMs", compiled.changesAtMs) }
      : {}),
  };
}

function readRamp(flag: FeatureFlag, settings: FlagSettings): Ramp | undefined {
  try {
    return rampOf(flag, settings);
  } catch (error) {
    throw error instanceof UnitError ? new FlagInvalid("SpecImpossible", error.message) : error;
  }
}
