import type { FeatureFlagStatus } from "../../api/feature-flag.ts";
import { type Band, bandsOf } from "./bands.ts";
import { rampHash } from "./hashes.ts";
import type { FlagSettings, Growth } from "./settings.ts";

/** Whom a strategy treats at a moment. */
export type Assignment =
  | { readonly kind: "nobody" }
  | { readonly kind: "everyone"; readonly variant: string }
  | { readonly kind: "bands"; readonly bands: readonly Band[] } // at least two
  /** By the clock of whoever evaluates. */
  | ({ readonly kind: "growing" } & Growth)
  | ({ readonly kind: "leaving" } & Retreat);

/** A graceful revert: the last in go first, evenly, and nobody new comes. */
export interface Retreat {
  readonly variant: string;
  readonly pivotParts: number; // how many had it when the way back began
  readonly atMs: number;
  readonly untilMs: number; // when nobody has it any more
}

/** An assignment, and when time alone will make it another one. */
export interface Timed {
  readonly assignment: Assignment;
  readonly changesAtMs?: number;
}

/** Whom the strategy treats now. A ramp that the controller drives stands in `status.serving`; without status, or with that of
 * another ramp, it treats nobody: never more than was decided. */
export function assignmentOf(settings: FlagSettings, status: FeatureFlagStatus | undefined, nowMs: number): Timed {
  const { strategy, control } = settings;
  switch (strategy.kind) {
    case "none":
      return { assignment: { kind: "nobody" } };
    case "allAtOnce":
      return { assignment: everyone(strategy.variant, control) };
    case "percentage":
      return { assignment: ofBands(bandsOf(strategy.weights, control), control) };
    case "driven":
      return { assignment: share(strategy.variant, drivenParts(settings, status), control) };
    case "progressive":
      return strategy.mode === "stepped" ? stepped(strategy, nowMs, control) : continuous(strategy, nowMs, control);
    default:
      return strategy satisfies never;
  }
}

/** The parts that the controller has let a ramp have. */
export function drivenParts(settings: FlagSettings, status: FeatureFlagStatus | undefined): number {
  const serving = status?.serving;
  if (serving === undefined || serving.rampHash !== rampHash(settings)) return 0;
  const { weightBp } = serving;
  return Number.isInteger(weightBp) && weightBp >= 0 && weightBp <= 10_000 ? weightBp * 10 : 0;
}

/** The parts that a share has grown to, evenly between start and end. */
export function grownParts({ fromParts, toParts, startMs, endMs }: Growth, nowMs: number): number {
  const done = Math.min(Math.max((nowMs - startMs) / (endMs - startMs), 0), 1);
  return fromParts + Math.floor((toParts - fromParts) * done);
}

const MOST_STEPS = 100;
const SHORTEST_STEP_MS = 60_000;

/** Up to a hundred even steps, none shorter than a minute. */
function stepped(growth: Growth, nowMs: number, control: string): Timed {
  const { startMs, endMs, variant } = growth;
  const steps = Math.min(Math.max(Math.floor((endMs - startMs) / SHORTEST_STEP_MS), 1), MOST_STEPS);
  const beginsAt = (step: number) => startMs + Math.ceil(((endMs - startMs) * step) / steps);
  const step = Array.from({ length: steps }, (_, i) => i + 1).filter((i) => beginsAt(i) <= nowMs).length;
  const assignment = share(variant, grownParts(growth, beginsAt(step)), control);
  return step === steps ? { assignment } : { assignment, changesAtMs: beginsAt(step + 1) };
}

function continuous(growth: Growth, nowMs: number, control: string): Timed {
  if (nowMs >= growth.endMs) return { assignment: share(growth.variant, growth.toParts, control) };
  if (growth.variant === control) return { assignment: { kind: "nobody" } };
  return { assignment: { ...growth, kind: "growing" }, changesAtMs: growth.endMs };
}

function share(variant: string, parts: number, control: string): Assignment {
  return ofBands(bandsOf([{ variant, parts }], control), control);
}

function ofBands(bands: readonly Band[], control: string): Assignment {
  const [only, second] = bands;
  return only !== undefined && second === undefined ? everyone(only.variant, control) : { kind: "bands", bands };
}

function everyone(variant: string, control: string): Assignment {
  return variant === control ? { kind: "nobody" } : { kind: "everyone", variant };
}
