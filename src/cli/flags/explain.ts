import type { FeatureFlag, FlagRule } from "../../api/feature-flag.ts";
import { effectiveOf } from "../../core/flags/effective.ts";
import { FlagInvalid } from "../../core/flags/invalid.ts";
import { activeKills } from "../../core/flags/kills.ts";
import { evaluate, type FlagWorld, type UserContext } from "./world.ts";

/** One of the things that decide, in the order in which they are asked. */
export interface Step {
  readonly what: string;
  readonly says: string;
  /** Whether it decides for the user who is asked about; undefined where nobody is. */
  readonly decides?: boolean;
}

/** How a flag comes to its variant: what is asked first, and for one user, what decides. */
export function explainFlag(world: FlagWorld, user: UserContext | undefined): Step[] {
  const { flag, kills, nowMs } = world;
  const { spec } = flag;
  const active = activeKills(flag, kills, nowMs).filter(({ spec: kill }) => kill.flags !== undefined);
  const isReverted = whyFixed(world) === "reverted";
  const override = flag.status?.override;
  const steps: (Omit<Step, "decides"> & { readonly fits: () => boolean })[] = [
    {
      what: "KillSwitches",
      says:
        active.length === 0
          ? "none has effect"
          : `${active.map(({ metadata, spec: kill }) => `"${metadata.name}" (${kill.reason})`).join(", ")}: everyone gets "${safeOf(flag)}"`,
      fits: () => active.length > 0,
    },
    {
      what: "enabled",
      says: spec.enabled === false ? "no: programs use the default of their own code" : "yes",
      fits: () => spec.enabled === false,
    },
    {
      what: "taken back",
      says: isReverted ? `${override?.reason}: ${override?.message}; everyone gets "${safeOf(flag)}"` : "no",
      fits: () => isReverted,
    },
    ...(spec.prerequisites ?? []).map(({ flag: key, variants }) => ({
      what: `needs ${key}`,
      says: `must give ${variants.map((variant) => `"${variant}"`).join(" or ")}, else "${controlOf(flag)}"`,
      fits: () => !isMet(world, key, variants, user ?? {}),
    })),
    ...(spec.targets ?? []).map(({ variant, keys }) => ({
      what: "target",
      says: `"${variant}" for ${keys.slice(0, 5).join(", ")}${keys.length > 5 ? `, and ${keys.length - 5} more` : ""}`,
      fits: () => keys.includes(String(user?.targetingKey ?? "")),
    })),
    ...(spec.rules ?? []).map((rule, i) => ({
      what: `rule ${rule.name ?? i + 1}`,
      says: `"${rule.serve}" where ${rule.when.length === 0 ? "anything" : rule.when.map(clauseSaid).join(" and ")}`,
      fits: () => isRuleMet(world, rule, user ?? {}),
    })),
    { what: "strategy", says: strategySaid(flag), fits: () => true },
  ];
  const first = user === undefined ? -1 : steps.findIndex(({ fits }) => fits());
  return steps.map(({ what, says }, i) => ({ what, says, ...(user === undefined ? {} : { decides: i === first }) }));
}

function whyFixed({ flag, kills, nowMs }: FlagWorld): string | undefined {
  try {
    const { effective } = effectiveOf(flag, kills, nowMs);
    return effective.kind === "fixed" ? effective.why : undefined;
  } catch (error) {
    if (error instanceof FlagInvalid) return undefined;
    throw error;
  }
}

function controlOf({ spec }: FeatureFlag): string {
  return spec.defaultVariant ?? "off";
}

function safeOf(flag: FeatureFlag): string {
  return flag.spec.safeVariant ?? controlOf(flag);
}

function isMet(world: FlagWorld, key: string, variants: readonly string[], user: UserContext): boolean {
  const flag = world.others.get(key);
  if (flag === undefined) return false;
  const evaluated = evaluate({ ...world, flag }, user);
  if (evaluated.kind === "invalid" || evaluated.answer.kind !== "value") return false;
  return variants.includes(evaluated.answer.variant);
}

/** Asks the compiler about this rule alone. */
function isRuleMet(world: FlagWorld, rule: FlagRule, user: UserContext): boolean {
  const { strategy: _s, targets: _t, prerequisites: _p, variants: _v, safeVariant: _safe, ...kept } = world.flag.spec;
  const spec = { ...kept, enabled: true, defaultVariant: "off", rules: [{ ...rule, serve: "on" }] };
  const { status: _status, ...flag } = world.flag;
  const alone = { ...flag, spec: { ...spec, variants: { boolean: { on: true, off: false } } } } as FeatureFlag;
  const evaluated = evaluate({ ...world, flag: alone, kills: [] }, user);
  return evaluated.kind === "answered" && evaluated.answer.kind === "value" && evaluated.answer.variant === "on";
}

function clauseSaid(clause: FlagRule["when"][number]): string {
  const { attribute, ...operators } = clause as Readonly<Record<string, unknown>>;
  const [[operator, value] = ["", ""]] = Object.entries(operators).filter(([, given]) => given !== undefined);
  if (operator === "segment") return `in segment ${value}`;
  if (operator === "notSegment") return `not in segment ${value}`;
  if (operator === "jsonLogic") return `JSONLogic ${JSON.stringify(value)}`;
  const said = Array.isArray(value) ? value.join(", ") : String(value);
  return `${attribute} ${operator} ${said}`;
}

function strategySaid(flag: FeatureFlag): string {
  const { strategy } = flag.spec;
  const serves = flag.status?.display?.serves;
  const [[kind] = [undefined]] = Object.entries(strategy ?? {}).filter(([, given]) => given !== undefined);
  if (kind === undefined) return `none: everyone else gets "${controlOf(flag)}"`;
  const { step } = flag.status?.display ?? {};
  const at = step === undefined || step === "-" ? "" : `, at step ${step.replace("/", " of ")}`;
  const by = flag.spec.stickiness?.attribute ?? "targetingKey";
  return `${kind}${at}: ${serves?.replace(/, and rules$/, "") ?? "what is served was not told yet"}, by ${by}`;
}
