import type { FeatureFlag, FeatureFlagSpec, FlagRule, FlagVariants } from "../../api/feature-flag.ts";
import { RESERVED } from "../../api/targeting.ts";
import { parseShare, UnitError } from "../../api/units.ts";
import { FlagInvalid } from "./invalid.ts";

/** What must be known of a flag to make it safe: enough to serve `safeVariant`, whatever is wrong with the rest of its spec. */
export interface SafeSettings {
  readonly key: string;
  readonly flagSet: string;
  readonly namespace: string;
  readonly class: "release" | "experiment" | "ops" | "killSwitch";
  readonly visibility: "server" | "client";
  readonly type: FlagType;
  readonly variants: Readonly<Record<string, unknown>>;
  readonly control: string; // what everyone gets whom nothing else treats
  readonly safe: string;
}

/** What a FeatureFlag asks for with every default filled in and every unit converted: shares in parts of 100 000, times in
 * milliseconds since 1970. Two specs that ask for the same have equal settings. */
export interface FlagSettings extends SafeSettings {
  readonly enabled: boolean;
  readonly stickiness: Stickiness;
  readonly targets: readonly { readonly variant: string; readonly keys: readonly string[] }[];
  readonly rules: readonly FlagRule[];
  readonly prerequisites: readonly { readonly flag: string; readonly variants: readonly string[] }[];
  readonly strategy: Strategy;
}

export type FlagType = "boolean" | "string" | "number" | "object";

export interface Stickiness {
  readonly attribute: string;
  readonly seed: string;
  readonly missing: "control" | "safe";
}

export type Strategy =
  | { readonly kind: "none" }
  | { readonly kind: "allAtOnce"; readonly variant: string }
  | { readonly kind: "percentage"; readonly weights: readonly Weight[] }
  | ({ readonly kind: "progressive"; readonly mode: "continuous" | "stepped" } & Growth)
  /** A ramp that the controller drives: by steps, or by time within a schedule or beside a Rollout. */
  | { readonly kind: "driven"; readonly variant: string; readonly growth?: Growth };

export interface Weight {
  readonly variant: string;
  readonly parts: number;
}

/** A share that grows evenly from one point in time to another; before and after it stands still. */
export interface Growth {
  readonly variant: string;
  readonly fromParts: number;
  readonly toParts: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** Parts in all: a share of 0.001 % is one of them. */
export const WHOLE = 100_000;

/** Reads a FeatureFlag's spec.
 * @throws FlagInvalid for what the API server refuses too, should another version of the CRD have let it in */
export function flagSettingsOf(flag: FeatureFlag): FlagSettings {
  try {
    const settings = read(flag);
    checkVariants(settings);
    checkTargets(settings);
    checkAttribute(settings.stickiness.attribute, "spec.stickiness.attribute");
    return settings;
  } catch (error) {
    if (error instanceof UnitError) throw new FlagInvalid("SpecImpossible", error.message);
    throw error;
  }
}

/** The part of the settings that making a flag safe needs.
 * @throws FlagInvalid */
export function safeSettingsOf(flag: FeatureFlag): SafeSettings {
  const { spec, metadata } = flag;
  const [type, variants] = variantsOf(spec.variants);
  const control = spec.defaultVariant ?? "off";
  const safe = spec.safeVariant ?? control;
  if (!Object.hasOwn(variants, safe)) throw unknownVariant("safeVariant", safe, variants);
  checkValues(variants, type);
  return {
    key: keyOf(flag),
    flagSet: flagSetOf(flag),
    namespace: metadata.namespace ?? "",
    class: spec.class ?? "release",
    visibility: spec.visibility ?? "server",
    type,
    variants,
    control,
    safe,
  };
}

function read(flag: FeatureFlag): FlagSettings {
  const { spec } = flag;
  const safeSettings = safeSettingsOf(flag);
  return {
    ...safeSettings,
    enabled: spec.enabled ?? true,
    stickiness: {
      attribute: spec.stickiness?.attribute ?? "targetingKey",
      seed: spec.stickiness?.seed ?? safeSettings.key,
      missing: spec.stickiness?.missing ?? "control",
    },
    targets: spec.targets ?? [],
    rules: spec.rules ?? [],
    prerequisites: spec.prerequisites ?? [],
    strategy: strategyOf(spec),
  };
}

/** What programs ask for. */
export function keyOf({ spec, metadata }: FeatureFlag): string {
  const key = spec.key ?? metadata.name;
  if ((RESERVED as readonly string[]).includes(key))
    throw new FlagInvalid("KeyReserved", `spec.key must not be ${key}, which every object of JavaScript has`);
  return key;
}

/** The set that the flag is served in. CEL cannot see the namespace, so it is checked here that nobody enters another's. */
export function flagSetOf({ spec, metadata }: FeatureFlag): string {
  const { namespace = "" } = metadata;
  const flagSet = spec.flagSet ?? namespace;
  if (flagSet !== namespace && !flagSet.startsWith(`${namespace}/`)) {
    const accepted = `"${namespace}" or begin with "${namespace}/"`;
    throw new FlagInvalid("FlagSetForeign", `spec.flagSet must be the namespace, ${accepted} (got "${flagSet}")`);
  }
  return flagSet;
}

function variantsOf(variants: FlagVariants = { boolean: { on: true, off: false } }): [FlagType, FlagValues] {
  for (const type of ["boolean", "string", "number", "object"] as const) {
    const values = variants[type];
    if (values !== undefined) return [type, values as FlagValues];
  }
  throw new FlagInvalid("SpecImpossible", "spec.variants must have exactly one of boolean, string, number, object");
}
type FlagValues = Readonly<Record<string, unknown>>;

function strategyOf(spec: FeatureFlagSpec): Strategy {
  const { allAtOnce, percentage, progressive, canary } = spec.strategy ?? {};
  if (allAtOnce !== undefined) return { kind: "allAtOnce", variant: allAtOnce.variant };
  if (canary !== undefined) return { kind: "driven", variant: canary.variant };
  if (percentage !== undefined) {
    const weights = percentage.weights.map(({ variant, weight }) => ({ variant, parts: parseShare(weight) }));
    const sum = weights.reduce((total, { parts }) => total + parts, 0);
    if (sum !== WHOLE) throw new UnitError(`spec.strategy.percentage.weights must sum to 100 % (got ${sum / 1000} %)`);
    return { kind: "percentage", weights };
  }
  if (progressive === undefined) return { kind: "none" };
  const growth: Growth = {
    variant: progressive.variant,
    fromParts: parseShare(progressive.from ?? 0),
    toParts: parseShare(progressive.to ?? 100),
    startMs: Date.parse(progressive.start),
    endMs: Date.parse(progressive.end),
  };
  if (!(growth.startMs < growth.endMs && growth.fromParts < growth.toParts))
    throw new UnitError("spec.strategy.progressive must grow: end later than start, to more than from");
  if (spec.schedule !== undefined || spec.rolloutRef !== undefined)
    return { kind: "driven", variant: growth.variant, growth };
  return { kind: "progressive", mode: progressive.mode ?? "continuous", ...growth };
}

function checkVariants({ variants, control, targets, rules, strategy }: FlagSettings): void {
  const named: readonly (readonly [path: string, variant: string])[] = [
    ["defaultVariant", control],
    ...targets.map(({ variant }, i) => [`targets[${i}].variant`, variant] as const),
    ...rules.map(({ serve }, i) => [`rules[${i}].serve`, serve] as const),
    ...(strategy.kind === "percentage"
      ? strategy.weights.map(({ variant }, i) => [`strategy.percentage.weights[${i}].variant`, variant] as const)
      : []),
    ...("variant" in strategy ? [["strategy", strategy.variant] as const] : []),
  ];
  const unknown = named.find(([, variant]) => !Object.hasOwn(variants, variant));
  if (unknown === undefined) return;
  throw unknownVariant(...unknown, variants);
}

function unknownVariant(path: string, variant: string, variants: FlagValues): FlagInvalid {
  const known = Object.keys(variants).join(", ");
  return new FlagInvalid("VariantUnknown", `spec.${path} must be one of variants: ${known} (got "${variant}")`);
}

const MOST_CHARACTERS = 65_536;

/** What CEL cannot see: how much an object holds. */
function checkValues(variants: FlagValues, type: FlagType): void {
  for (const [name, value] of Object.entries(variants)) {
    const { length } = JSON.stringify(value);
    if (type === "object" && length > MOST_CHARACTERS)
      throw new FlagInvalid(
        "TooLarge",
        `spec.variants.object.${name} must be at most 64 KiB of JSON (got ${length} characters)`,
      );
  }
}

/** An attribute that leads into what every object of JavaScript has.
 * @throws FlagInvalid */
export function checkAttribute(attribute: string, path: string): void {
  const reserved = attribute.split(".").find((name) => (RESERVED as readonly string[]).includes(name));
  if (reserved !== undefined)
    throw new FlagInvalid("ConditionRefused", `${path} must not name ${reserved} (got "${attribute}")`);
}

/** A key that stands in two targets would make their order decide. */
function checkTargets({ targets }: FlagSettings): void {
  const seen = new Map<string, string>();
  for (const { variant, keys } of targets) {
    for (const key of keys) {
      const earlier = seen.get(key) ?? variant;
      if (earlier !== variant)
        throw new FlagInvalid(
          "TargetTwice",
          `spec.targets gives "${key}" both ${earlier} and ${variant}; take one out`,
        );
      seen.set(key, variant);
    }
  }
}
