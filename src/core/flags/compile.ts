import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import type { KillSwitch } from "../../api/kill-switch.ts";
import { canonicalJson, shortHash } from "../json.ts";
import type { FlagDefinition, JsonValue, Logic, Visibility } from "./definition.ts";
import { type Effective, effectiveOf } from "./effective.ts";
import { Inlining, type Uses } from "./inlining.ts";
import { FlagInvalid, type InvalidReason } from "./invalid.ts";
import { operatorsIn } from "./logic.ts";
import type { SafeSettings } from "./settings.ts";

/** All that decides what a flag serves. `segments` are those of its namespace by name, `others` the flags of its flag set by
 * key; both may be whole stores, as only what the flag names is asked for. */
export interface CompileInput {
  readonly flag: FeatureFlag;
  readonly segments: Lookup<FlagSegment>;
  readonly others: Lookup<FeatureFlag>;
  readonly kills: readonly KillSwitch[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export interface Lookup<T> {
  get(name: string): T | undefined;
}

export type Compiled =
  | {
      readonly kind: "compiled";
      readonly key: string;
      readonly flagSet: string;
      readonly visibility: Visibility;
      readonly definition: FlagDefinition;
      /** Names what is served: equal versions answer alike. */
      readonly version: string;
      /** When time alone will make another definition of it. */
      readonly changesAtMs?: number;
      /** Whether the same definition answers otherwise as time passes. */
      readonly byClock: boolean;
      readonly uses: Uses;
    }
  | { readonly kind: "invalid"; readonly reason: InvalidReason; readonly message: string; readonly uses: Uses };

/** Turns one FeatureFlag into what flagd evaluates. KillSwitches and `status.override` are applied here, so that flag servers
 * and the operator, who both ask this function, cannot differ.
 * @returns invalid, with a reason and a sentence, for what cannot be served; whoever serves then keeps what was served before
 * @throws never
 * @see docs/flags.md */
export function compileFlag(input: CompileInput): Compiled {
  const inlining = new Inlining(input);
  try {
    const { effective, changesAtMs } = effectiveOf(input.flag, input.kills, input.nowMs);
    const { key, flagSet, visibility } = effective.settings;
    const definition = bounded(withVersion(definitionOf(effective, inlining)));
    const changes = Math.min(...changesAtMs, ...inlining.changesAtMs);
    return {
      kind: "compiled",
      key,
      flagSet,
      visibility,
      definition,
      version: String(definition.metadata?.version),
      ...(Number.isFinite(changes) ? { changesAtMs: changes } : {}),
      byClock: JSON.stringify(definition.targeting ?? "").includes(`"$flagd.timestamp"`),
      uses: inlining.uses,
    };
  } catch (error) {
    if (!(error instanceof FlagInvalid)) throw error;
    return { kind: "invalid", reason: error.reason, message: error.message, uses: inlining.uses };
  }
}

function definitionOf(effective: Effective, inlining: Inlining): FlagDefinition {
  const { settings } = effective;
  switch (effective.kind) {
    case "fixed":
      return define(settings, always(settings.safe), settings.safe, { override: effective.why });
    case "disabled":
      return { ...define(settings, null, effective.settings.control), state: "DISABLED" };
    case "assigned": {
      const { control } = effective.settings;
      const logic = inlining.targetingOf(effective, null);
      const why = effective.leaving ? { override: "reverting" } : {};
      // What a KillSwitch class decides must never be cached as static.
      if (settings.class === "killSwitch" && !isOperator(logic))
        return define(settings, always(logic ?? control), control, why);
      return isOperator(logic) ? define(settings, logic, control, why) : define(settings, null, logic ?? control, why);
    }
    default:
      return effective satisfies never;
  }
}

function define(settings: SafeSettings, targeting: Logic, variant: JsonValue, more: object = {}): FlagDefinition {
  return {
    state: "ENABLED",
    variants: settings.variants as Readonly<Record<string, JsonValue>>,
    defaultVariant: String(variant),
    ...(targeting === null ? {} : { targeting }),
    metadata: { flagSetId: settings.flagSet, ...more },
  };
}

/** A variant that clients do not cache: flagd calls an answer static, and lets it be kept, only without targeting. */
function always(variant: Logic): Logic {
  return { if: [true, variant] };
}

function isOperator(logic: Logic): boolean {
  return typeof logic === "object" && logic !== null;
}

function withVersion(definition: FlagDefinition): FlagDefinition {
  const version = shortHash(canonicalJson(definition));
  return { ...definition, metadata: { ...definition.metadata, version } };
}

const MOST_OPERATORS = 10_000;
const MOST_CHARACTERS = 1_048_576;

/** One flag must not be able to slow down all that are served beside it. */
function bounded(definition: FlagDefinition): FlagDefinition {
  const operators = operatorsIn((definition.targeting ?? null) as Logic);
  if (operators > MOST_OPERATORS)
    throw new FlagInvalid(
      "TooLarge",
      `the flag has ${operators} operators once prerequisites and segments are written out; at most ${MOST_OPERATORS} are served`,
    );
  const characters = JSON.stringify(definition).length;
  if (characters > MOST_CHARACTERS)
    throw new FlagInvalid(
      "TooLarge",
      `the flag has ${characters} characters once segments are written out; at most ${MOST_CHARACTERS} are served`,
    );
  return definition;
}
