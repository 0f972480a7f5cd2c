import { unansweredBake } from "../../analysis/obstacle.ts";
import { percent, type Step, stepsFingerprint, weightAt } from "../../steps.ts";
import { resumedAt, waitOf } from "../../walk.ts";
import type { FlagSituation } from "./decide.ts";
import { isPromoted, mayRaise, promotesFully } from "./gates.ts";
import type { StepRamp } from "./ramp.ts";
import { type FlagTarget, paused, timeOf } from "./target.ts";
import type { FlagWorld } from "./world.ts";

/** Going up, one step at a time: answered → weight → (wait) → judged → next step. At most one rise a pass: what is judged
 * must have been seen at the weight that it is judged for. */
export function stepping(situation: FlagSituation, ramp: StepRamp): FlagTarget {
  const { world } = situation;
  const begun = world.begunMs !== undefined;
  const index = begun ? (world.status.step?.index ?? 0) : 0;
  const last = ramp.steps.length - 1;
  const memory = begun ? world.status : {};
  const at = promotesFully(situation) ? Math.min(index, last) : resumedAt(ramp.steps, memory, world.presentBp);
  if (at === undefined) return stepsEdited(world, ramp);
  const changed = at !== index || !begun || world.resumes;
  return walk(situation, ramp, { at, changed, presentBp: world.presentBp, raised: false });
}

interface Place {
  readonly at: number;
  /** The step is another than the one that status remembers. */
  readonly changed: boolean;
  readonly presentBp: number;
  /** The weight rose in this pass. */
  readonly raised: boolean;
}

/** Takes step `at`, and the next where it is complete already. */
function walk(situation: FlagSituation, ramp: StepRamp, place: Place): FlagTarget {
  const { at, presentBp, raised } = place;
  const { steps } = ramp;
  const full = promotesFully(situation);
  const weightBp = full ? 10_000 : weightAt(steps, at);
  const target = targetAt(ramp, place);
  if (weightBp > presentBp) {
    const gate = mayRaise(situation, target, "answered");
    return gate ?? walk(situation, ramp, { at, changed: true, presentBp: weightBp, raised: true });
  }
  if (weightBp < presentBp) return walk(situation, ramp, { at, changed: true, presentBp: weightBp, raised });
  if (weightBp === 10_000 && (at === steps.length - 1 || full)) return arrived(situation, ramp, place);
  const wait = waits(situation, steps[at] as Step, target, place);
  if (wait !== undefined) return wait;
  const rises = weightAt(steps, at + 1) > weightBp;
  if (rises && raised) return { ...target, message: `${percent(weightBp)} of the users get ${ramp.variant}` };
  const gate = rises ? mayRaise(situation, target, "judged") : undefined;
  return gate ?? walk(situation, ramp, { ...place, at: at + 1, changed: true });
}

function targetAt({ steps, variant }: StepRamp, { at, changed, presentBp }: Place): FlagTarget {
  return {
    phase: "Progressing",
    reason: "Stepping",
    message: `${percent(presentBp)} of the users get ${variant}`,
    weightBp: presentBp,
    stepIndex: at,
    steps: stepsFingerprint(steps),
    ...(changed ? { stepChanged: true } : {}),
  };
}

/** Waits that belong to the step itself. Undefined once it is complete. */
function waits(situation: FlagSituation, step: Step, target: FlagTarget, place: Place): FlagTarget | undefined {
  const { world, judged } = situation;
  if (step.kind === "weight" || isPromoted(situation, target.stepIndex)) return undefined;
  const startedMs = place.changed ? world.nowMs : timeOf(world.status.step?.startedAt, world.nowMs);
  const wait = waitOf(step, target.weightBp, startedMs, world.nowMs);
  if (wait !== undefined) {
    const { reason, message, leftMs } = wait;
    return leftMs === undefined
      ? paused(target, reason, message)
      : { ...target, reason, message, checkAgainInMs: leftMs };
  }
  if (step.kind === "pause") return undefined;
  if (place.raised) return { ...target, reason: "Analysing" }; // What was judged was the weight before.
  if (judged?.verdict.kind === "Pass" || judged?.verdict.kind === "Continue") return undefined;
  return mayRaise(situation, { ...target, reason: "Analysing" }, "judged");
}

/** Everyone is treated: judged on until the bake is over. */
function arrived({ world, judged }: FlagSituation, ramp: StepRamp, place: Place): FlagTarget {
  const { progress } = world.status;
  // Whichever step a person promoted it from, it is at the end of the walk: its own weight would take users away again.
  const at = ramp.steps.length - 1;
  const target: FlagTarget = { ...targetAt(ramp, { ...place, at }), promoted: true };
  const healthy: FlagTarget = { ...target, phase: "Healthy", reason: "Healthy" };
  const first = place.raised || progress?.promoted !== true || (world.resumes && progress.bakeUntil !== undefined);
  if (ramp.analysis === undefined || (!first && progress?.bakeUntil === undefined)) return healthy;
  const untilMs = first ? world.nowMs + ramp.bakeMs : timeOf(progress?.bakeUntil, world.nowMs);
  const leftMs = untilMs - world.nowMs;
  const why =
    leftMs > 0 ? undefined : unansweredBake(ramp.analysis, world.snapshot.metrics.source, judged, world.nowMs);
  if (leftMs <= 0 && (why === undefined || ramp.bakeMs === 0)) return healthy;
  return {
    ...target,
    phase: "Baking",
    reason: "Baking",
    message: `everyone gets ${ramp.variant}, and is judged ${why ?? `until ${new Date(untilMs).toISOString()}`}`,
    bakeUntilMs: untilMs,
    ...(first ? { stepChanged: true } : {}),
    checkAgainInMs: leftMs > 0 ? leftMs : 5_000,
  };
}

function stepsEdited(world: FlagWorld, ramp: StepRamp): FlagTarget {
  const at = Math.min(world.status.step?.index ?? 0, ramp.steps.length - 1);
  const place = { at, changed: false, presentBp: world.presentBp, raised: false };
  const { steps: _notOurs, ...held } = targetAt(ramp, place);
  const message =
    "holding: the steps were edited and none has the present weight; edit them again, promote fully, or abort";
  return { ...held, reason: "StepsEdited", message };
}
