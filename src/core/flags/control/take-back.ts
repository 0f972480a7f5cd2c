import { percent } from "../../steps.ts";
import type { FlagTarget, Override } from "./target.ts";
import type { FlagWorld } from "./world.ts";

/** A graceful way back takes as long as the way there took, within these bounds. */
const SHORTEST_WAY_BACK_MS = 60_000;
const LONGEST_WAY_BACK_MS = 3_600_000;

/** Why a flag goes back. */
export interface Because {
  readonly reason: string; // CamelCase
  readonly message: string;
}

/** The safe variant for everyone, until something else is wanted or a person says `retry`. The ramp is over in the same write:
 * whatever lifts the override later begins from nobody.
 * @param gracefully the last who came go first, and nobody new comes */
export function takenBack(world: FlagWorld, because: Because, gracefully = false): FlagTarget {
  const { nowMs, presentBp, begunMs, servedHash } = world;
  const at = new Date(nowMs).toISOString();
  const wayMs = Math.min(Math.max(nowMs - (begunMs ?? nowMs), SHORTEST_WAY_BACK_MS), LONGEST_WAY_BACK_MS);
  const graceful = gracefully && presentBp > 0;
  const pivot = { weightBp: presentBp, at, until: new Date(nowMs + wayMs).toISOString() };
  return revertedBy(world, {
    kind: graceful ? "gracefulRevert" : "revert",
    servedHash,
    reason: because.reason,
    message: because.message.slice(0, 1024),
    at,
    ...(graceful ? { pivot } : {}),
  });
}

/** The state of what was taken back, and stays so. */
export function revertedBy({ settings, nowMs }: FlagWorld, override: Override): FlagTarget {
  const leftMs = override.pivot === undefined ? 0 : Date.parse(override.pivot.until) - nowMs;
  const what =
    leftMs > 0
      ? `on the way back from ${percent(override.pivot?.weightBp ?? 0)} to "${settings.safe}" until ${override.pivot?.until}`
      : `"${settings.safe}" is served`;
  return {
    phase: "Reverted",
    reason: override.reason,
    message: `${what}: ${override.message}`,
    weightBp: 0,
    stepIndex: 0,
    override,
    ...(leftMs > 0 ? { checkAgainInMs: leftMs } : {}),
  };
}
