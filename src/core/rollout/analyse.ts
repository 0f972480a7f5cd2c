import {
  type AnalysisState,
  checkpointOf,
  type JudgeInput,
  judge,
  restartAnalysis,
  stableRates,
  startStep,
} from "../analysis/judge.ts";
import type { AnalysisSettings } from "../analysis/model.ts";
import type { Judged } from "./decide.ts";
import { ANOTHER_FIRST, BOTH_BAD } from "./marks.ts";
import type { AnalysisMemory } from "./snapshot.ts";
import { hasRoutes, timeOf } from "./target.ts";
import type { World } from "./world.ts";

/** The revision that is being judged: the canary on its way, or the stable that bakes. */
export function subjectOf(world: World): string | undefined {
  const { progress, bake } = world.status;
  if (progress?.stage === "Stepping" || progress?.stage === "HandingOver") return progress.canary;
  const baking = progress?.stage === "Resting" && progress.previous !== undefined && bake !== undefined;
  return baking && world.replicas > 0 ? world.stable?.hash : undefined;
}

/** Judges what was read since the last pass, and what is to be remembered. Undefined where nothing is being judged. */
export function analyse(world: World): { memory: AnalysisMemory; judged: Judged } | undefined {
  const settings = world.settings.analysis;
  const subject = subjectOf(world);
  if (settings === undefined || subject === undefined) return undefined;
  const before = recall(world, settings, subject);
  const stepIndex = world.status.step?.index ?? 0;
  const state = before.stepIndex === stepIndex ? before.state : startStep(before.state, world.nowMs);
  const { readings } = world.snapshot.metrics;
  const judgement = judge(settings, state, inputOf(world, state, subject));
  const answered =
    before.answered ||
    (readings.length > 0 &&
      settings.metrics.every(({ name }) => readings.some((r) => r.metric === name && r.kind !== "error")));
  const { verdict, metrics, judgedUpToMs } = judgement;
  return {
    memory: { revision: subject, stepIndex, state: judgement.state, verdict, metrics, judgedUpToMs, answered },
    judged: { verdict, metrics, answered },
  };
}

function inputOf(world: World, state: AnalysisState, subject: string): JudgeInput {
  const { nowMs, status, snapshot, routes } = world;
  const stepping = status.progress?.stage === "Stepping";
  const baking = status.progress?.stage === "Resting";
  const created = world.revisions.get(subject)?.replicaSet?.metadata.creationTimestamp;
  return {
    nowMs,
    stepStartedAtMs: timeOf(baking ? status.bake?.startedAt : status.step?.startedAt, nowMs),
    readings: snapshot.metrics.readings,
    compare: stepping && (hasRoutes(routes) ? routes.canaryBp < 10_000 : (world.stable?.ready ?? 0) > 0),
    bornAfterMs: timeOf(created, nowMs),
    ...(baking ? { bakeReference: stableRates(state) } : {}),
  };
}

/** What the process remembers; after a start, what status was given last; for a new revision, nothing. */
function recall(world: World, settings: AnalysisSettings, subject: string): AnalysisMemory {
  const { memory } = world.snapshot.metrics;
  const { mark } = world.status.progress ?? {};
  // What both versions, or another Rollout's, may have been to blame for is not held against the next try.
  const anew = mark === BOTH_BAD || mark === ANOTHER_FIRST;
  if (memory?.revision === subject && !anew) return memory;
  const checkpoint = readCheckpoint(world.status.analysis?.checkpoint);
  const before = memory?.revision === subject ? memory : checkpoint?.revision === subject ? checkpoint : undefined;
  const known = anew ? undefined : before;
  const state = known?.state ?? restartAnalysis(settings, before?.state, world.nowMs);
  return {
    revision: subject,
    stepIndex: known?.stepIndex ?? world.status.step?.index ?? 0,
    state,
    verdict: { kind: "Unsure", message: "not judged yet", sinceMs: world.nowMs },
    metrics: [],
    judgedUpToMs: known === undefined ? world.nowMs : state.startedAtMs,
    answered: anew && memory?.answered === true,
  };
}

interface Checkpoint {
  readonly revision: string;
  readonly stepIndex: number;
  readonly state: AnalysisState;
}

export function writeCheckpoint({ revision, stepIndex, state }: AnalysisMemory): string {
  return `{"revision":${JSON.stringify(revision)},"stepIndex":${stepIndex},"state":${checkpointOf(state)}}`;
}

/** A checkpoint that cannot be read is as none: the judge starts anew, which is safe. */
export function readCheckpoint(text: string | undefined): Checkpoint | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Checkpoint;
    return typeof value.revision === "string" && typeof value.state?.startedAtMs === "number" ? value : undefined;
  } catch {
    return undefined;
  }
}
