import { percent, resumeAt, type Step, stepsFingerprint } from "./steps.ts";

/** What status remembers of a walk: where it is, since when, which steps those were, and how far a person let it go. */
export interface WalkMemory {
  readonly step?: { readonly index: number; readonly startedAt?: string | undefined } | undefined;
  readonly progress?: { readonly steps?: string | undefined; readonly promoteThrough?: number | undefined } | undefined;
}

/** Where a walk goes on: at the step that status remembers or, where a person edited the steps, at the first whose weight is
 * the present one; undefined where none is. */
export function resumedAt(
  steps: readonly Step[],
  { step, progress }: WalkMemory,
  presentBp: number,
): number | undefined {
  const index = step?.index ?? 0;
  const before = progress?.steps;
  if ((before === undefined || before === stepsFingerprint(steps)) && index < steps.length) return index;
  return presentBp === 0 ? 0 : resumeAt(steps, presentBp);
}

/** The last step of which the wait is passed, as a person said `promote`, in this pass or earlier. */
export function promotedThrough(
  steps: readonly Step[],
  { step, progress }: WalkMemory,
  promote: boolean,
): number | undefined {
  if (!promote) return progress?.steps === stepsFingerprint(steps) ? progress.promoteThrough : undefined;
  const index = step?.index ?? 0;
  // Until it is taken in a weight is a step of its own; the wait that a person sees is that of the step behind it.
  const next = steps[index + 1];
  return steps[index]?.kind === "weight" && next !== undefined && next.kind !== "weight" ? index + 1 : index;
}

/** What a step waits for by itself: a time, or a person. */
export interface Wait {
  readonly reason: "WaitingForApproval" | "Pausing" | "Analysing";
  readonly message: string;
  /** Absent: a person decides. */
  readonly leftMs?: number;
}

/** Undefined once the step's own time is over; an analysis step waits for its verdict beyond that.
 * @param startedMs when the step began, in milliseconds since the epoch */
export function waitOf(step: Step, weightBp: number, startedMs: number, nowMs: number): Wait | undefined {
  if (step.kind === "weight") return undefined;
  const at = percent(weightBp);
  if (step.kind === "pause" && step.forMs === undefined)
    return { reason: "WaitingForApproval", message: `waiting for approval at ${at}; promote to go on` };
  const leftMs = startedMs + (step.forMs ?? 0) - nowMs;
  if (leftMs <= 0) return undefined;
  return step.kind === "pause"
    ? { reason: "Pausing", message: `holding at ${at}`, leftMs }
    : { reason: "Analysing", message: `analysing at ${at}`, leftMs };
}
