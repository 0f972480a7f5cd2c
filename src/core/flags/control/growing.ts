import { percent } from "../../steps.ts";
import type { FlagSituation } from "./decide.ts";
import { mayRaise, promotesFully } from "./gates.ts";
import { type GrowthRamp, grownBp } from "./ramp.ts";
import { type FlagTarget, timeOf } from "./target.ts";

/** Going up by time, in many small rises. It never jumps: held back, by a freeze or an outage of ours, it goes on at its own
 * pace and ends later. */
export function growing(situation: FlagSituation, ramp: GrowthRamp): FlagTarget {
  const { world, orders } = situation;
  const { nowMs, presentBp, begunMs, status } = world;
  const risen = begunMs === undefined ? -1 : risenOf(ramp, presentBp);
  const target = targetAt(ramp, presentBp, Math.max(0, risen));
  if (promotesFully(situation)) return mayRaise(situation, target, "answered") ?? raisedTo(ramp, ramp.rises);
  if (presentBp > ramp.toBp) return raisedTo(ramp, ramp.rises); // `to` was lowered: a way back waits for nothing.
  if (risen >= ramp.rises) return done(ramp, presentBp);
  if (world.resumes && risen >= 0) return { ...target, stepChanged: true, checkAgainInMs: Math.ceil(ramp.everyMs) };
  const lastMs = risen < 1 ? Number.NEGATIVE_INFINITY : timeOf(status.step?.startedAt, nowMs);
  const dueMs = risen < 0 ? nowMs : Math.max(ramp.startMs + (risen + 1) * ramp.everyMs, lastMs + ramp.everyMs);
  if (dueMs > nowMs && orders?.promote !== true)
    return { ...target, reason: "Ramping", checkAgainInMs: Math.ceil(dueMs - nowMs) };
  return mayRaise(situation, target, "answered") ?? raisedTo(ramp, risen + 1);
}

/** How many rises the present share is worth. */
function risenOf(ramp: GrowthRamp, presentBp: number): number {
  let risen = -1;
  while (risen < ramp.rises && grownBp(ramp, risen + 1) <= presentBp) risen++;
  return risen;
}

function raisedTo(ramp: GrowthRamp, risen: number): FlagTarget {
  const weightBp = grownBp(ramp, risen);
  const target: FlagTarget = { ...targetAt(ramp, weightBp, risen), reason: "Ramping", stepChanged: true };
  return risen >= ramp.rises ? { ...target, phase: "Healthy", reason: "Healthy", promoted: true } : target;
}

function done(ramp: GrowthRamp, presentBp: number): FlagTarget {
  return { ...targetAt(ramp, presentBp, ramp.rises), phase: "Healthy", reason: "Healthy", promoted: true };
}

function targetAt({ variant, toBp }: GrowthRamp, weightBp: number, risen: number): FlagTarget {
  const goal = weightBp < toBp ? `, on the way to ${percent(toBp)}` : "";
  return {
    phase: "Progressing",
    reason: "Ramping",
    message: `${percent(weightBp)} of the users get ${variant}${goal}`,
    weightBp,
    stepIndex: risen,
  };
}
