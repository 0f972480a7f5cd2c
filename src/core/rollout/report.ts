import type { RolloutStatus } from "../../api/rollout.ts";
import type { AnalysisMemory } from "../analysis/memory.ts";
import type { QuantileAnswer } from "../analysis/model.ts";
import { optional } from "../optional.ts";
import { criteriaOf, type Facts, rollbackTime } from "../report/criteria.ts";
import { imagesOf } from "./objects.ts";
import type { Target } from "./target.ts";
import type { World } from "./world.ts";

type Report = NonNullable<RolloutStatus["report"]>;

/**
 * The report on the last release that was decided: made in the pass that ends its bake, or takes it back, and told with the
 * status that this pass writes anyway. A release that another one overtook was not decided, and has none.
 */
export function reportOf(
  world: World,
  target: Target,
  memory: AnalysisMemory | undefined,
  now: string,
): Pick<RolloutStatus, "report"> {
  const before = world.status.report;
  if (hasStoodTheBake(world, target))
    return { report: made(world, target.stable ?? "", "Promoted", factsOf(world, memory), now) };
  const { rejected } = target;
  if (rejected !== undefined && isTakenBack(world, target)) {
    const takenBack = { atMs: world.nowMs, reason: rejected.reason, message: rejected.message };
    const facts = { ...factsOf(world, memory), p95: NOT_TO_THE_END, takenBack };
    return { report: made(world, rejected.revision, "Reverted", facts, now) };
  }
  return optional("report", before === undefined ? undefined : completed(world, target, before));
}

const NOT_TO_THE_END: QuantileAnswer = { kind: "unknown", message: "it did not come to the end of its bake" };

function hasStoodTheBake({ status, stable }: World, target: Target): boolean {
  const { bake, progress } = status;
  const wasBaking = bake !== undefined && progress?.stage === "Resting" && progress.previous !== undefined;
  return wasBaking && target.stage === "Resting" && target.previous === undefined && target.stable === stable?.hash;
}

function isTakenBack({ status }: World, { stage, rejected }: Target): boolean {
  const isNew = status.rejected?.revision !== rejected?.revision;
  return isNew && (stage === "Returning" || stage === "RollingBack");
}

function made(world: World, hash: string, result: string, facts: Facts, now: string): Report {
  const revision = world.revisions.get(hash) ?? world.wanted;
  return {
    revision: hash,
    images: revision === undefined ? [] : imagesOf(revision.template).slice(0, 16),
    result,
    ...optional("startedAt", world.status.progress?.startedAt),
    at: now,
    criteria: criteriaOf(facts),
  };
}

function factsOf(world: World, memory: AnalysisMemory | undefined): Facts {
  const { status, settings, snapshot } = world;
  const { progress, bake } = status;
  const isPromoted = progress?.stage === "Resting" && bake !== undefined;
  return {
    objectives: settings.objectives,
    gates: status.gates ?? [],
    requests: requestsOf(world, memory),
    p95: p95Of(world, snapshot.metrics.p95),
    reached: isPromoted || progress?.stage === "HandingOver" ? 100 : (status.weights?.effective ?? 0),
    ...optional("startedMs", timeOf(progress?.startedAt)),
    ...optional("promotedMs", isPromoted ? timeOf(bake.startedAt) : undefined),
  };
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

/** As the judge counted them: in the bake, which is one step for it, or in the step that it was taken back in. */
function requestsOf({ settings }: World, memory: AnalysisMemory | undefined): Facts["requests"] {
  const { analysis } = settings;
  if (analysis === undefined) return { kind: "unknown", message: "analysis is disabled" };
  const spec = analysis.metrics.find(({ kind }) => kind === "errorRate");
  if (spec === undefined) return { kind: "unknown", message: "analysis.metrics has no errorRate" };
  const counts = memory?.state.metrics[spec.name]?.step.counts;
  return { all: counts?.[0] ?? 0, failed: counts?.[1] ?? 0 };
}

function p95Of({ settings }: World, answer: QuantileAnswer | undefined): QuantileAnswer {
  if (settings.analysis === undefined) return { kind: "unknown", message: "analysis is disabled" };
  return answer ?? { kind: "unknown", message: "Prometheus did not say before the bake was over" };
}

/** Marks of the way back that begin once stable has all traffic. */
const BACK: readonly string[] = ["drained", "folded", "pinned", "emptying"];

/** Adds how long the traffic took to be back, in the pass that has come to rest. */
function completed(world: World, target: Target, report: Report): Report {
  const { stage, mark, markSince } = world.status.progress ?? {};
  const wasOnTheWay = stage === "Returning" || stage === "RollingBack";
  if (report.result !== "Reverted" || !wasOnTheWay || target.stage !== "Resting") return report;
  if (report.criteria.some(({ name }) => name === "rollbackTime")) return report;
  const backMs = mark !== undefined && BACK.includes(mark) ? timeOf(markSince) : undefined;
  const took = rollbackTime((backMs ?? world.nowMs) - Date.parse(report.at));
  return { ...report, criteria: [...report.criteria, took] };
}
