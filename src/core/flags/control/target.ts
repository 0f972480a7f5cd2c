import type { FeatureFlagStatus } from "../../../api/feature-flag.ts";

export type FlagPhase =
  | "Progressing" // more users are on their way, or wait for a time or an answer
  | "Paused" // waits for a person
  | "Baking" // everyone is treated, and still judged
  | "Healthy" // what is wanted is served
  | "Reverted" // what is wanted was taken back
  | "Killed" // a KillSwitch makes it safe
  | "Disabled" // programs use the default of their own code
  | "Failed"; // cannot be served as it stands

export type Override = NonNullable<FeatureFlagStatus["override"]>;

/** What should be, and why: the answer of `decide`. Status is all of it: flag servers serve what it says. */
export interface FlagTarget {
  readonly phase: FlagPhase;
  readonly reason: string; // CamelCase, for conditions
  readonly message: string; // one sentence a tired human understands
  /** How many users the ramp treats from now on, in basis points; 0 where nothing is driven. */
  readonly weightBp: number;
  readonly stepIndex: number;
  /** Which walk the step is of, where this pass knew it; absent: the one that status remembers. */
  readonly steps?: string;
  /** The step changes in this pass: its clock starts now. */
  readonly stepChanged?: boolean;
  /** What is wanted begins in this pass, from nobody. */
  readonly begins?: boolean;
  /** What stands above the spec from now on; absent: nothing. */
  readonly override?: Override;
  /** All of it has arrived. */
  readonly promoted?: boolean;
  readonly bakeUntilMs?: number;
  readonly checkAgainInMs?: number;
}

export function paused(target: FlagTarget, reason: string, message: string): FlagTarget {
  const { checkAgainInMs: _none, ...rest } = target;
  return { ...rest, phase: "Paused", reason, message };
}

/** A time that status holds, in milliseconds since the epoch. */
export function timeOf(text: string | undefined, otherwise: number): number {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? otherwise : ms;
}
