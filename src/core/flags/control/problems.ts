import type { FlagSettings } from "../settings.ts";
import type { FlagSnapshot } from "./snapshot.ts";

/** What is wrong with a flag that only other objects can show: a reason that docs/reference/reasons.md lists, and a sentence
 * with what was found and what to do. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** Two flags for one key: the older serves. */
export function takenKey({ claimedBy }: FlagSnapshot, { key, flagSet }: FlagSettings): Problem | undefined {
  if (claimedBy === undefined) return undefined;
  const message = `the older FeatureFlag "${claimedBy}" serves key "${key}" of flag set "${flagSet}"; one of both has to go`;
  return { reason: "KeyTaken", message };
}

/** A flag that is to follow a Rollout has nothing to follow: it is served as it is, and rises no further. */
export function rolloutMissing({ flag, rollout }: FlagSnapshot): Problem | undefined {
  const { rolloutRef } = flag.spec;
  if (rolloutRef === undefined || rollout !== undefined) return undefined;
  const message = `Rollout "${rolloutRef.name}" does not exist; create it, or take spec.rolloutRef out`;
  return { reason: "RolloutMissing", message };
}
