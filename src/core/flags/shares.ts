import type { Assignment, Retreat } from "./assignment.ts";
import { isText } from "./conditions.ts";
import type { Logic } from "./definition.ts";
import { FlagInvalid } from "./invalid.ts";
import { all, choose, variable } from "./logic.ts";
import { type FlagSettings, type Growth, WHOLE } from "./settings.ts";

/**
 * Shares of users as flagd's `fractional`: a hash of seed and key gives each user a place on a line, the same one for ever and in
 * every language, and weights cut the line into bands. Weights over time are whole numbers that only + - min and max make of
 * `$flagd.timestamp`: a fraction would void the operator, and their sum stays the same, or all bands would move.
 */

/** What flagd adds up at most. */
const MOST_WEIGHT = 2_147_483_647;
const NOW: Logic = { var: "$flagd.timestamp" }; // whole seconds

/** What a user gets from a strategy.
 * @param otherwise what those get whom it does not treat, where nothing else names it */
export function assignmentLogic(settings: FlagSettings, assignment: Assignment, otherwise: Logic): Logic {
  switch (assignment.kind) {
    case "nobody":
      return keyed(settings, otherwise, otherwise);
    case "everyone":
      return assignment.variant;
    case "bands":
      return keyed(settings, fractional(settings, assignment.bands.map(toEntry)), otherwise);
    case "growing":
      return keyed(settings, fractional(settings, growing(assignment, settings.control)), otherwise);
    case "leaving":
      return keyed(settings, fractional(settings, leaving(assignment, settings.control)), otherwise);
    default:
      return assignment satisfies never;
  }
}

type Entry = readonly [variant: string, weight: Logic];
const toEntry = ({ variant, parts }: { variant: string; parts: number }): Entry => [variant, parts];

function fractional({ stickiness }: FlagSettings, entries: readonly Entry[]): Logic {
  // Seed before key, with nothing between, is what flagd hashes where nobody says what: such flags assign as they did.
  return { fractional: [{ cat: [stickiness.seed, variable(stickiness.attribute)] }, ...entries] };
}

/** Only who has a key has a place. Without this guard all who have none would share one: 10 % could be everyone. A key is text
 * and not empty, as languages write numbers differently. */
function keyed({ stickiness, safe, control }: FlagSettings, result: Logic, otherwise: Logic): Logic {
  const missing = stickiness.missing === "safe" && safe !== control ? safe : otherwise;
  if (result === missing) return result;
  const key = variable(stickiness.attribute);
  return choose([[all([isText(key), { "!==": [key, ""] }]), result]], missing);
}

/** A share that grows with the clock of whoever evaluates.
 *
 *     treated = before + (0 … duration)        control = after + (duration … 0)        in seconds
 *
 * `before` and `after` are what is treated at the start and what is left at the end, rounded so that the ramp begins at no less
 * than `from` and ends at no more than `to`: what stands before and after it moves nobody. */
function growing({ variant, fromParts, toParts, startMs, endMs }: Growth, control: string): Entry[] {
  const startS = Math.ceil(startMs / 1000);
  const durationS = Math.max(1, Math.ceil(endMs / 1000) - startS);
  const [before, after] = margins(durationS, fromParts / WHOLE, 1 - toParts / WHOLE);
  if (before + durationS + after > MOST_WEIGHT) {
    const share = (toParts - fromParts) / 1000;
    const message = `spec.strategy.progressive grows by ${share} % over ${durationS} s, which is too slow to count in; use mode stepped`;
    throw new FlagInvalid("RampTooFine", message);
  }
  const grown = clamped({ "-": [NOW, startS] }, durationS);
  return [
    [variant, before === 0 ? grown : { "+": [before, grown] }],
    [control, { "-": [durationS + after, grown] }],
  ];
}

/** The least whole numbers of which `before` is at least a share `b` of before + between + after, and `after` at least `a`. */
function margins(between: number, b: number, a: number): [before: number, after: number] {
  let [before, after] = [0, 0];
  for (;;) {
    const needed = [leastOf(after + between, b), leastOf(before + between, a)] as const;
    if (needed[0] <= before && needed[1] <= after) return [before, after];
    [before, after] = needed;
  }
}

/** The least n that is a share `s` of n + rest. */
function leastOf(rest: number, s: number): number {
  return Math.ceil((rest * s) / (1 - s) - 1e-9);
}

/** The way back of a ramp: from the pivot's share evenly down to nobody. Never more than the pivot had. */
function leaving({ variant, pivotParts, atMs, untilMs }: Retreat, control: string): Entry[] {
  const untilS = Math.ceil(untilMs / 1000);
  const durationS = Math.max(1, untilS - Math.floor(atMs / 1000));
  const whole = Math.ceil((durationS * WHOLE) / pivotParts);
  const left = clamped({ "-": [untilS, NOW] }, durationS);
  return [
    [variant, left],
    [control, { "-": [whole, left] }],
  ];
}

/** Whether a way back can be counted in seconds at all. */
export function canLeave({ pivotParts, atMs, untilMs }: Retreat): boolean {
  const durationS = Math.max(1, Math.ceil(untilMs / 1000) - Math.floor(atMs / 1000));
  return pivotParts > 0 && Math.ceil((durationS * WHOLE) / pivotParts) <= MOST_WEIGHT;
}

function clamped(value: Logic, most: number): Logic {
  return { min: [{ max: [value, 0] }, most] };
}
