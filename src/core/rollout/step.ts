import { percent, type Step, stepsFingerprint, weightAt } from "../steps.ts";
import { resumedAt, waitOf } from "../walk.ts";
import { approach, isTold, settling, takingIn } from "./approach.ts";
import { bothBad } from "./both-bad.ts";
import { capacity, sizesAt } from "./capacity.ts";
import type { Situation } from "./decide.ts";
import { isByRoutes, replicasThatServe } from "./exchange.ts";
import { mayRaise, paused, promotesFully } from "./gates.ts";
import { handOverTarget } from "./hand-over.ts";
import { drainsForMs } from "./let-in.ts";
import { effectiveMark, isScaling, scalingMark, writtenMark } from "./marks.ts";
import { isPromoted } from "./promote.ts";
import { promotedAs } from "./rest.ts";
import { hasRoutes, type Target, timeOf } from "./target.ts";
import type { Revision, World } from "./world.ts";

/**
 * Going up, one step at a time: capacity → ready → route → effective → (wait) → judged → next step.
 * Weight rises only onto ready pods, and counts only once it is effective and has settled.
 */
export function stepping(situation: Situation): Target | undefined {
  const { world } = situation;
  const { stable, status } = world;
  if (status.progress?.stage !== "Stepping" || stable === undefined || status.progress.canary === undefined)
    return undefined;
  const index = status.step?.index ?? 0;
  const last = world.settings.steps.length - 1;
  const at = promotesFully(situation)
    ? Math.min(index, last)
    : resumedAt(world.settings.steps, status, presentWeightBp(world));
  // All at once asks for pods that the step did not have: their deadline begins.
  const changed = at !== index || (promotesFully(situation) && status.weights?.desired !== 100);
  const target = at === undefined ? stepsEdited(world, index) : walk(situation, at, changed);
  return withoutPrevious(world, target);
}

/** The revision before stable, kept full for `scaleDownDelay` after it was promoted, does not stay so for a whole release. */
function withoutPrevious(world: World, target: Target): Target {
  const { previous, status, stable, settings, nowMs } = world;
  if (!hasRoutes(world.routes) || previous === undefined || previous.size === 0 || stable?.ready === 0) return target;
  const fullForMs = timeOf(status.bake?.startedAt, 0) + settings.scaleDownDelayMs - nowMs;
  const leftMs = Math.max(fullForMs, drainsForMs(world, target.stable ?? ""));
  if (leftMs > 0) return { ...target, checkAgainInMs: Math.min(leftMs, target.checkAgainInMs ?? leftMs) };
  return { ...target, sizes: { [previous.hash]: 0, ...target.sizes } };
}

/** Takes step `at`, and the next where it is complete already. */
function walk(situation: Situation, at: number, changed: boolean): Target {
  const { world } = situation;
  const { steps } = world.settings;
  const step = steps[at] as Step;
  const full = promotesFully(situation);
  const weightBp = full ? 10_000 : weightAt(steps, at);
  const target = base(world, at, weightBp, changed);
  const present = full ? presentWeightFirst(world, at) : undefined;
  const onTheWay = bothBad(situation, target) ?? present ?? stableFirst(world, target) ?? capacity(situation, target);
  if (onTheWay !== undefined) return onTheWay;
  const ready: Target = { ...target, stepReady: true };
  if (!hasRoutes(world.routes) && target.stepReady !== true)
    return {
      ...ready,
      mark: writtenMark(weightBp),
      stepChanged: true, // The clock of a step starts with its weight.
      message: `the canary has its ${percent(weightBp)} of the pods`,
      checkAgainInMs: 0,
    };
  const leading = approach(situation, ready);
  if (leading !== undefined) return leading;
  const risen = hasRisen(world, weightBp) ? { stepChanged: true } : {};
  const there: Target = world.routes.state === "paired" ? { ...ready, ...risen, mark: effectiveMark(weightBp) } : ready;
  if (weightBp === 10_000 && (at === steps.length - 1 || full))
    return settling(world, there) ?? untold(world, there) ?? finish(situation, there);
  const wait = waits(situation, step, there);
  if (wait !== undefined) return wait;
  const rises = weightAt(steps, at + 1) > weightBp;
  const gate = rises
    ? (settling(world, there) ?? untold(world, there) ?? mayRaise(situation, there, "judged"))
    : undefined;
  return gate ?? walk(situation, at + 1, true);
}

/** Routes that come to divide traffic wait until stable is there: what they leave to it must find pods. */
function stableFirst(world: World, target: Target): Target | undefined {
  const { stable, routes, replicas } = world;
  if (stable === undefined || !hasRoutes(routes) || isByRoutes(world)) return undefined;
  return {
    ...target,
    mark: "stableFirst",
    reason: "ScalingStable",
    message: `stable comes up before the routes divide traffic: ${stable.ready} of ${replicasThatServe(world)} pods ready`,
    sizes: { [stable.hash]: replicas },
  };
}

/** All at once begins where the weight that the canary has is taken in and has settled: a raise from what nobody has seen yet
 * would be two in one. */
function presentWeightFirst(world: World, at: number): Target | undefined {
  const { routes, status } = world;
  const isUnderWay = isScaling(status.progress?.mark) || status.weights?.desired === 100;
  if (routes.state !== "paired" || routes.canaryBp === 0 || isUnderWay) return undefined;
  const held = base(world, at, routes.canaryBp, false);
  return takingIn(world, held) ?? settling(world, held);
}

/** Whether a weight that was raised in the midst of its step has just become effective: the clock runs from then, as at the
 * beginning of a step. What was set when the weight was decided is earlier, as a write may take long; and a process that died
 * after the write has set nothing. */
function hasRisen(world: World, weightBp: number): boolean {
  const { routes, status } = world;
  const { progress, step } = status;
  if (routes.state !== "paired") return false;
  const isNew = progress?.mark === writtenMark(weightBp) && progress.markSince === step?.startedAt;
  return isNew || !isTold(world);
}

/** The clock of a weight is set before anything leads on from it. */
function untold(world: World, target: Target): Target | undefined {
  return isTold(world) || world.settings.analysis === undefined ? undefined : { ...target, checkAgainInMs: 0 };
}

function presentWeightBp({ routes, status }: World): number {
  if (hasRoutes(routes)) return routes.canaryBp;
  const isThere = (status.step?.index ?? 0) > 0 || status.progress?.stepReady === true;
  return isThere ? Math.round((status.weights?.desired ?? 0) * 100) : 0;
}

function stepsEdited(world: World, index: number): Target {
  const target = base(world, Math.min(index, world.settings.steps.length - 1), presentWeightBp(world), false);
  const message =
    "holding: the steps were edited and none has the present weight; edit them again, promote fully, or abort";
  const { steps: _notOurs, ...held } = target;
  return { ...held, reason: "StepsEdited", message };
}

function base(world: World, stepIndex: number, weightBp: number, changed: boolean): Target {
  const { stable, status } = world;
  const hash = stable?.hash ?? "";
  return {
    stage: "Stepping",
    mark: status.progress?.mark ?? scalingMark(stepIndex),
    phase: "Progressing",
    reason: "Stepping",
    message: "",
    stable: hash,
    ...(status.progress?.canary === undefined ? {} : { canary: status.progress.canary }),
    ...(status.progress?.previous === undefined ? {} : { previous: status.progress.previous }),
    stepIndex,
    steps: stepsFingerprint(world.settings.steps),
    ...(changed ? { stepChanged: true } : {}),
    stepReady: (!changed || sameWeight(world, weightBp)) && status.progress?.stepReady === true,
    weightBp,
    selects: isByRoutes(world) ? hash : "all",
    sizes: sizesAt(world, weightBp),
  };
}

/** A pause after a weight needs no pods that the weight did not have. */
function sameWeight({ settings, status }: World, weightBp: number): boolean {
  return weightAt(settings.steps, status.step?.index ?? 0) === weightBp;
}

/** Waits that belong to the step itself. Undefined once it is complete. */
function waits(situation: Situation, step: Step, target: Target): Target | undefined {
  const { world, judged, orders } = situation;
  if (step.kind === "weight" || isPromoted(world, orders, target.stepIndex)) return undefined;
  const startedMs = target.stepChanged === true ? world.nowMs : timeOf(world.status.step?.startedAt, world.nowMs);
  const wait = waitOf(step, target.weightBp, startedMs, world.nowMs);
  if (wait !== undefined) {
    const { reason, message, leftMs } = wait;
    return leftMs === undefined
      ? paused(target, reason, message)
      : { ...target, reason, message, checkAgainInMs: leftMs };
  }
  return step.kind === "pause" || judged?.verdict.kind === "Continue" || judged?.verdict.kind === "Pass"
    ? undefined
    : mayRaise(situation, { ...target, reason: "Analysing" }, "judged");
}

/** At 100 %: a walk of one step was asked to be judged in the bake alone. */
function finish(situation: Situation, target: Target): Target {
  const { world } = situation;
  const gate = mayRaise(situation, target, world.settings.steps.length === 1 ? "answered" : "judged");
  if (gate !== undefined) return gate;
  if (hasRoutes(world.routes)) return handOverTarget(world, "selecting");
  return promotedAs(world, world.canary as Revision);
}
