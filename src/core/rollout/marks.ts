/** What a step waits for, as status remembers it with the time since when: every clock of a step runs from a mark. */

/** Pods of a step: the progress deadline runs from when they were asked for. */
export function scalingMark(stepIndex: number): string {
  return `scaling:${stepIndex}`;
}

export function isScaling(mark: string | undefined): boolean {
  return mark?.startsWith("scaling:") === true;
}

/** A weight was written, and the routes have not taken it in. */
export function writtenMark(canaryBp: number): string {
  return `at:${canaryBp}`;
}

/** A weight is effective: it settles, and then it counts. */
export function effectiveMark(canaryBp: number): string {
  return `on:${canaryBp}`;
}

/** Both versions are bad: the canary's traffic has gone back for a while. */
export const BOTH_BAD = "bothBad";

/** A bake breached beside one that was promoted later: that one goes back first. */
export const ANOTHER_FIRST = "anotherFirst";
