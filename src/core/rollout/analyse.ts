import { type AnalysisState, type JudgeInput, stableRates } from "../analysis/judge.ts";
import { look } from "../analysis/look.ts";
import type { AnalysisMemory, Judged } from "../analysis/memory.ts";
import { ANOTHER_FIRST, BOTH_BAD } from "./marks.ts";
import { hasRoutes, timeOf } from "./target.ts";
import { isWaking } from "./wake.ts";
import type { World } from "./world.ts";

/** The revision that is being judged: the canary on its way, or the stable that bakes. */
export function subjectOf(world: World): string | undefined {
  const { progress, bake } = world.status;
  if (progress?.stage === "Stepping" || progress?.stage === "HandingOver") return progress.canary;
  const baking = progress?.stage === "Resting" && progress.previous !== undefined && bake !== undefined;
  return baking && world.replicas > 0 && !isWaking(world) ? world.stable?.hash : undefined;
}

/** Judges what was read since the last pass, and what is to be remembered. Undefined where nothing is being judged. */
export function analyse(world: World): { memory: AnalysisMemory; judged: Judged } | undefined {
  const { settings, status, snapshot, nowMs } = world;
  const name = subjectOf(world);
  if (settings.analysis === undefined || name === undefined) return undefined;
  const mark = status.progress?.mark;
  return look(settings.analysis, snapshot.metrics, {
    nowMs,
    name,
    stepIndex: status.step?.index ?? 0,
    checkpoint: status.analysis?.checkpoint,
    // What both versions, or another Rollout's, may have been to blame for is not held against the next try.
    anew: mark === BOTH_BAD || mark === ANOTHER_FIRST,
    // The next try begins at a weight at which stable is there; after a bake nothing shows any more what it was like.
    comparedAnew: mark === BOTH_BAD,
    input: (state) => inputOf(world, state, name),
  });
}

function inputOf(world: World, state: AnalysisState, subject: string): Omit<JudgeInput, "nowMs" | "readings"> {
  const { nowMs, status, routes } = world;
  const stepping = status.progress?.stage === "Stepping";
  const baking = status.progress?.stage === "Resting";
  const created = world.revisions.get(subject)?.replicaSet?.metadata.creationTimestamp;
  return {
    stepStartedAtMs: timeOf(baking ? status.bake?.startedAt : status.step?.startedAt, nowMs),
    compare: stepping && (hasRoutes(routes) ? routes.canaryBp < 10_000 : (world.stable?.ready ?? 0) > 0),
    bornAfterMs: timeOf(created, nowMs),
    ...(baking ? { bakeReference: stableRates(state) } : {}),
  };
}
