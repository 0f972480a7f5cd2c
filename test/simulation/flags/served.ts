import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import type { KillSwitch } from "../../../src/api/kill-switch.ts";
import { compileFlag } from "../../../src/core/flags/compile.ts";
import { type CompiledFlag, ServedFlag } from "../../../src/serving/served-flag.ts";
import { TREATED } from "./scenario.ts";

/** Everyone whose variant is looked at; every tenth is an insider, whom a rule may treat. */
const USERS = Array.from({ length: 200 }, (_, i) => ({
  targetingKey: `user-${i}`,
  plan: i % 10 === 0 ? "insider" : "all",
}));

/** What each user gets, in the order of `USERS`; "code" where a program uses the default of its own. */
export type Variants = readonly string[];

/** By the version of what is served: many seeds serve the same. */
const known = new Map<string, Variants>();
const MOST_KNOWN = 5_000;

export interface Served {
  readonly variants: Variants;
  /** Equal versions answer alike. */
  readonly version: string;
}

/** What was served last of an object, until something else is: it is asked for far more often than it changes. */
const lately = new WeakMap<
  FeatureFlag,
  { readonly kills: string; readonly untilMs: number; readonly served: Served }
>();

/** What a flag server answers all users, from what the API server has at this moment. Undefined where it serves nothing. */
export function servedTo(flag: FeatureFlag, kills: readonly KillSwitch[], nowMs: number): Served | undefined {
  const selecting = kills.map(({ metadata }) => metadata.resourceVersion).join();
  const last = lately.get(flag);
  if (last?.kills === selecting && nowMs < last.untilMs) return last.served;
  const compiled = compileFlag({ flag, kills, nowMs, segments: new Map(), others: new Map() });
  if (compiled.kind === "invalid") return undefined;
  const { version, byClock, changesAtMs = Number.POSITIVE_INFINITY } = compiled;
  const variants = (byClock ? undefined : known.get(version)) ?? answersOf(compiled, nowMs);
  if (known.size > MOST_KNOWN) known.clear();
  if (!byClock) known.set(version, variants);
  const served = { variants, version };
  lately.set(flag, { kills: selecting, untilMs: byClock ? nowMs : changesAtMs, served });
  return served;
}

function answersOf(flag: CompiledFlag, nowMs: number): Variants {
  const served = new ServedFlag(flag);
  return at(nowMs, () => USERS.map((user) => nameOf(served.evaluate(user))));
}

export function shareOf(variants: Variants): number {
  return variants.filter((variant) => variant === TREATED).length / variants.length;
}

function nameOf(answer: ReturnType<ServedFlag["evaluate"]>): string {
  return answer.kind === "value" ? answer.variant : "code";
}

/** flagd's evaluator reads the clock itself. */
function at<T>(nowMs: number, run: () => T): T {
  const now = Date.now;
  Date.now = () => nowMs;
  try {
    return run();
  } finally {
    Date.now = now;
  }
}
