/** What a step waits for, as status remembers it with the time since when: every clock of a step runs from a mark. */

/** Pods of a step: the progress deadline runs from when they were asked for. */
export function scalingMark(stepIndex: number): string {
  return `scaling:${stepIndex}`;
}

export function isScaling(mark: string | undefined): boolean {
  return mark?.startsWith("scaling:") === true;
}

/** The canary Service was pointed at the canary, and does not lead there yet. */
export const CANARY_SERVICE = "canaryService";

/** A weight was written, and the routes have not taken it in. */
export function writtenMark(canaryBp: number): string {
  return `at:${canaryBp}`;
}

/** A weight is effective: it settles, and then it counts. */
export function effectiveMark(canaryBp: number): string {
  return `on:${canaryBp}`;
}

/** Whether a mark is one of those that follow each other as a canary goes up. */
export function isOnTheWayUp(mark: string): boolean {
  return isScaling(mark) || mark === CANARY_SERVICE || /^(at|on):\d+$/.test(mark);
}

/** `replicas` is 0: clocks stand still. And what rests comes up again after that. */
export const ZERO = "zero";
export const WAKING = "waking";

/** Both versions are bad: the canary's traffic has gone back for a while. */
export const BOTH_BAD = "bothBad";

/** A bake breached beside one that was promoted later: that one goes back first. */
export const ANOTHER_FIRST = "anotherFirst";
