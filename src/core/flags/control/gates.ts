import type { Rollout } from "../../../api/rollout.ts";
import { type Gate, obstacleTo } from "../../analysis/obstacle.ts";
import { promotedThrough } from "../../walk.ts";
import { openingAt, type Schedule } from "../schedule.ts";
import type { FlagSituation } from "./decide.ts";
import type { Problem } from "./problems.ts";
import { type FlagTarget, paused } from "./target.ts";
import type { FlagWorld } from "./world.ts";

/** Undefined where nothing speaks against more users for the variant; else why it holds. A way back never asks. */
export function mayRaise(situation: FlagSituation, target: FlagTarget, gate: Gate): FlagTarget | undefined {
  const { world, judged, orders } = situation;
  if (orders?.pause ?? world.status.progress?.paused === true)
    return paused(target, "PausedByUser", "paused by a person; resume to go on");
  const hold = (problem: Problem, checkAgainInMs: number): FlagTarget => ({ ...target, ...problem, checkAgainInMs });
  const opening = openingAt(world.flag.spec.schedule as Schedule | undefined, world.nowMs);
  if (opening.kind === "closed")
    return hold({ reason: opening.reason, message: opening.message }, opening.untilMs - world.nowMs);
  const unhealthy = rolloutUnhealthy(world);
  if (unhealthy !== undefined) return hold(unhealthy, 60_000);
  const analysis = world.ramp?.kind === "steps" ? world.ramp.analysis : undefined;
  if (analysis === undefined || promotesFully(situation)) return undefined;
  const isPassed = gate === "answered" || world.presentBp === 0 || isPromoted(situation, target.stepIndex);
  const obstacle = obstacleTo(isPassed ? "answered" : gate, {
    settings: analysis,
    source: world.snapshot.metrics.source,
    judged,
    nowMs: world.nowMs,
    path: "spec.strategy.canary.analysis",
  });
  if (obstacle === undefined) return undefined;
  const { reason, message, needsPerson } = obstacle;
  return needsPerson === true ? paused(target, reason, message) : hold({ reason, message }, analysis.intervalMs);
}

/** The code behind the variant must be where the flag's users are: all of it, and well. */
function rolloutUnhealthy({ flag, snapshot }: FlagWorld): Problem | undefined {
  const name = flag.spec.rolloutRef?.name;
  if (name === undefined || serves(snapshot.rollout)) return undefined;
  const status = snapshot.rollout?.status;
  const message = `holding: Rollout "${name}" is ${status?.phase ?? "not there"}; the flag rises once its revision is healthy`;
  return { reason: "RolloutNotHealthy", message };
}

function serves(rollout: Rollout | undefined): boolean {
  const { phase, observedGeneration } = rollout?.status ?? {};
  return (phase === "Healthy" || phase === "Baking") && observedGeneration === rollout?.metadata.generation;
}

/** All that remains at once, without judging, because a person said so. */
export function promotesFully({ world, orders }: FlagSituation): boolean {
  return orders?.promoteFull === true || (world.begunMs !== undefined && world.status.progress?.full === true);
}

/** Whether the wait of a step is passed because a person said so, in this pass or earlier. */
export function isPromoted({ world, orders }: FlagSituation, stepIndex: number): boolean {
  if (world.ramp?.kind !== "steps" || world.begunMs === undefined) return false;
  const through = promotedThrough(world.ramp.steps, world.status, orders?.promote === true);
  return through !== undefined && stepIndex <= through;
}
