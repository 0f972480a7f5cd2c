import type { RolloutSpec, RolloutStep } from "../api/rollout.ts";
import { parseDurationMs, parseWeightBp, readAt } from "../api/units.ts";

/** The walk of a release: a list of steps, whoever wrote it, a preset or a person. */

export type Step =
  | { readonly kind: "weight"; readonly weightBp: number } // basis points, 0–10 000
  | { readonly kind: "pause"; readonly forMs?: number } // without a time: waits for a human
  | { readonly kind: "analysis"; readonly forMs: number };

export type Preset = "safe" | "fast" | "instant";

const DAY_MS = 86_400_000;
const DEFAULT_OVER_MS: Record<Preset, number> = { safe: 7 * DAY_MS, fast: 1_800_000, instant: 0 };

/** Parts of `over` for which each weight is held. */
const HOLDS: Record<Preset, readonly (readonly [weightBp: number, part: number])[]> = {
  safe: [
    [500, 1 / 7],
    [1000, 1 / 7],
    [2500, 1 / 7],
    [5000, 1 / 7],
    [7500, 3 / 7],
  ],
  fast: [
    [2500, 1 / 2],
    [5000, 1 / 2],
  ],
  instant: [],
};

/** The steps that a preset stands for; the last weight, 100, is implied.
 * @param overMs how long the whole walk takes, in milliseconds
 * @example presetSteps("fast", 60_000) // 25 %, pause 30 s, 50 %, pause 30 s */
export function presetSteps(preset: Preset, overMs: number = DEFAULT_OVER_MS[preset]): Step[] {
  return HOLDS[preset].flatMap(([weightBp, part]): Step[] => [
    { kind: "weight", weightBp },
    { kind: "pause", forMs: Math.round(overMs * part) },
  ]);
}

type Canary = NonNullable<NonNullable<RolloutSpec["strategy"]>["canary"]>;

/** The steps that a person asked for, written out or by the name of a preset.
 * @param path of the canary in its spec, for messages
 * @throws UnitError */
export function stepsOf(
  { steps, preset = "safe", over }: Pick<Canary, "steps" | "preset" | "over">,
  path: string,
): Step[] {
  if (steps !== undefined) return steps.map((step, i) => stepOf(step, `${path}.steps[${i}]`));
  return presetSteps(preset, over === undefined ? undefined : readAt(`${path}.over`, parseDurationMs, over));
}

function stepOf({ weight, pause, analysis }: RolloutStep, path: string): Step {
  if (weight !== undefined) return { kind: "weight", weightBp: readAt(`${path}.weight`, parseWeightBp, weight) };
  if (analysis !== undefined)
    return { kind: "analysis", forMs: readAt(`${path}.analysis.for`, parseDurationMs, analysis.for ?? "0s") };
  if (pause?.for === undefined) return { kind: "pause" };
  return { kind: "pause", forMs: readAt(`${path}.pause.for`, parseDurationMs, pause.for) };
}

/** Every walk ends at 100 %, said or not. */
export function completeSteps(steps: readonly Step[]): readonly Step[] {
  return lastWeightBp(steps) === 10_000 && steps.at(-1)?.kind === "weight"
    ? steps
    : [...steps, { kind: "weight", weightBp: 10_000 }];
}

/** The canary's weight while step `index` is the current one: that of the last weight step up to it, else 0. */
export function weightAt(steps: readonly Step[], index: number): number {
  return lastWeightBp(steps.slice(0, index + 1)) ?? 0;
}

/** The highest weight of a walk up to step `index`. */
export function highestWeight(steps: readonly Step[], index: number): number {
  return Math.max(0, ...steps.slice(0, index + 1).map((step) => (step.kind === "weight" ? step.weightBp : 0)));
}

/** Where an edited walk goes on: the first step whose weight is the current one; undefined where none is. */
export function resumeAt(steps: readonly Step[], weightBp: number): number | undefined {
  const index = steps.findIndex((step) => step.kind === "weight" && step.weightBp === weightBp);
  return index === -1 ? undefined : index;
}

/** What tells one walk from another: changes when a person edits the steps. */
export function stepsFingerprint(steps: readonly Step[]): string {
  return steps
    .map((step) =>
      step.kind === "weight" ? `w${step.weightBp}` : `${step.kind === "pause" ? "p" : "a"}${step.forMs ?? ""}`,
    )
    .join(",");
}

function lastWeightBp(steps: readonly Step[]): number | undefined {
  const step = steps.findLast((s) => s.kind === "weight");
  return step?.kind === "weight" ? step.weightBp : undefined;
}

/** `25 %`, `0.5 %`. */
export function percent(bp: number): string {
  return `${bp / 100} %`;
}
