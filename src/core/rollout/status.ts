import type { Condition } from "../../api/kubernetes.ts";
import type { RolloutStatus } from "../../api/rollout.ts";
import type { AnalysisMemory } from "../analysis/memory.ts";
import { analysisStatus } from "../analysis/status.ts";
import { conditionsSaying } from "../conditions.ts";
import { sameJson } from "../json.ts";
import { optional } from "../optional.ts";
import { asAnswered } from "../requests.ts";
import { isTold } from "./approach.ts";
import { approvedRevision } from "./entry.ts";
import { letInOf } from "./let-in.ts";
import { BOTH_BAD, CANARY_SERVICE, isOnTheWayUp, isScaling, WAKING, writtenMark, ZERO } from "./marks.ts";
import { LABEL_ROLLOUT, labelValue } from "./names.ts";
import { imagesOf } from "./objects.ts";
import { rememberedPromote } from "./promote.ts";
import { abortedBefore, rejectionOf } from "./rejection.ts";
import { reportOf } from "./report.ts";
import type { Orders } from "./requests.ts";
import { isAutoscaled } from "./size.ts";
import { killOf } from "./stops.ts";
import { hasRoutes, heldMs, type Target, timeOf } from "./target.ts";
import { managedAs, namesAsked } from "./traffic-names.ts";
import { conditionOf, type Revision, type World } from "./world.ts";

const HISTORY = 10;
/** Reasons whose message says what was measured. */
const MEASURED: readonly string[] = ["TooFewRequests", "NoData", "MetricsUnavailable", "BothVersionsBad"];

/** What status should say, or undefined where it says so already but for time. Status never leads the cluster: it reports
 * what was read, and what was decided. */
export function statusOf(
  world: World,
  decided: Target,
  memory: AnalysisMemory | undefined,
  orders: Orders | undefined,
): RolloutStatus | undefined {
  const before = world.status;
  const now = new Date(world.nowMs).toISOString();
  const analysis = analysisOf(world, decided, memory, now);
  const target = { ...decided, message: messageOf(world, decided, analysis.analysis) };
  const next: RolloutStatus = {
    observedGeneration: world.rollout.metadata.generation ?? 0,
    ...(world.snapshot.deployment === undefined
      ? {}
      : { workload: { observedGeneration: world.snapshot.deployment.metadata.generation ?? 0 } }),
    replicas: total(world, (r) => r.pods),
    readyReplicas: total(world, (r) => r.ready),
    replicasWanted: world.askedReplicas,
    selector: `${LABEL_ROLLOUT}=${labelValue(world.name)}`,
    phase: target.phase,
    message: target.message.slice(0, 1024),
    step: stepOf(world, target, now),
    weights: weightsOf(world, target),
    ...wantedOf(world),
    ...sides(world, target),
    progress: progressOf(world, target, orders, now),
    ...bakeOf(world, target, now),
    ...peakOf(world, now),
    ...managedOf(world, target),
    ...rejectedOf(world, target, now),
    ...requestOf(world, target, orders, now),
    ...gatesOf(world, target, now),
    ...analysis,
    ...reportOf(world, target, memory, now),
    history: historyOf(world, target, now),
    conditions: conditionsOf(world, target, now),
    display: displayOf(world, target),
    ...(before.collisionCount === undefined ? {} : { collisionCount: before.collisionCount }),
  };
  return sameJson(next, before) ? undefined : next;
}

/** How long a status may be owed in which only what is minor changes. */
export const MINOR_MS = 2_000;

/** Whether the status may be owed for a while: only counts of pods and the words about them differ, or it says that a write was
 * made whose effect comes soon, and is told with that. */
export function isMinor(world: World, next: RolloutStatus): boolean {
  const before = world.status;
  if (sameJson(essence(before), essence(next))) return true;
  return isPassing(world, next) && sameJson(lasting(before), lasting(next));
}

/**
 * A write of the routes, or of the canary Service, has just been made, and its effect is waited for. The objects say so
 * themselves: a process that dies between such a write and its status leaves the same behind, so that every pass finds its way
 * from there. Only where more traffic comes, and no clock runs out meanwhile: that the pods were ready in time is told.
 */
function isPassing(world: World, next: RolloutStatus): boolean {
  const { status: before, settings, nowMs } = world;
  const mark = next.progress?.mark ?? "";
  if (!hasRoutes(world.routes) || before.progress?.stage !== next.progress?.stage) return false;
  const beforeMark = before.progress?.mark ?? "";
  if (next.progress?.stage === "HandingOver") return beforeMark === "arrived" && mark === "lowered";
  if (next.progress?.stage !== "Stepping" || next.progress.stepReady !== true) return false;
  if (!isOnTheWayUp(beforeMark)) return false; // What else is waited for is over, and its clock is told to stand.
  const beforeBp = before.weights?.writtenBp ?? 0;
  const nextBp = next.weights?.writtenBp ?? 0;
  const rises = nextBp > beforeBp && mark === writtenMark(nextBp);
  const enters = nextBp === 0 && beforeBp === 0 && (mark === CANARY_SERVICE || mark === writtenMark(0));
  if (!rises && !enters) return false;
  if (before.progress?.stepReady === true) return true;
  const deadlineMs = timeOf(before.progress?.markSince, nowMs) + settings.progressDeadlineMs;
  return isScaling(beforeMark) && deadlineMs - nowMs > 2 * MINOR_MS;
}

/** Verdicts that every step has as it goes on; it begins with the second. */
const GOING_ON: readonly string[] = ["Pass", "Unsure", "Continue"];

/** What a passing status must leave as it is. */
function lasting(status: RolloutStatus): unknown {
  const { conditions, step, weights, progress, analysis, stable, canary, ...rest } = status;
  const { replicas: _pods, readyReplicas: _ready, message: _words, display: _columns, ...kept } = rest;
  const { mark: _mark, markSince: _since, stepReady: _was, ...going } = progress ?? {};
  const truths = conditions?.map(({ type, status: truth }) => [type, truth]);
  const doubts = analysis?.metrics?.filter(({ verdict }) => !GOING_ON.includes(verdict));
  const told = (doubts ?? []).map(({ name, verdict }) => [name, verdict]);
  const shown = [step?.index, step?.total, weights?.desired, stable?.revision, canary?.revision];
  return { ...kept, going, truths, told, shown };
}

function essence(status: RolloutStatus): unknown {
  const { replicas: _pods, readyReplicas: _ready, message: _words, display, stable, canary, weights, ...rest } = status;
  const conditions = status.conditions?.map(({ type, status: truth, reason }) => [type, truth, reason]);
  const shown = [
    display?.step,
    display?.weight,
    stable?.revision,
    canary?.revision,
    weights?.desired,
    weights?.writtenBp,
  ];
  return { ...rest, conditions, shown };
}

/** Counts in a hold change with every scrape: its words are brought up to date when the metrics beside them are. */
function messageOf({ status }: World, target: Target, analysis: RolloutStatus["analysis"]): string {
  const same = status.phase === target.phase && conditionOf(status, "Ready")?.reason === target.reason;
  const counts = MEASURED.includes(target.reason) && analysis === status.analysis;
  return same && counts ? (status.message ?? target.message) : target.message;
}

function total({ revisions }: World, count: (revision: Revision) => number): number {
  return [...revisions.values()].reduce((sum, revision) => sum + count(revision), 0);
}

/** This status is the first that knows of a raise, whatever came in between: the pods were ready for it, and its clock starts
 * now. What was judged so far were requests at the weight before. */
function tellsRaise(world: World, { stage, wish, weightBp }: Target): boolean {
  return stage === "Stepping" && wish === undefined && !isTold(world) && world.routes.canaryBp === weightBp;
}

function stepOf(world: World, target: Target, now: string): NonNullable<RolloutStatus["step"]> {
  const total = world.settings.steps.length;
  const moving = target.stage === "Stepping" || target.stage === "HandingOver";
  const begins = target.stepChanged === true || tellsRaise(world, target);
  const same = world.status.step?.index === target.stepIndex && !begins && moving;
  const startedAt = same ? world.status.step?.startedAt : moving ? now : undefined;
  return { index: target.stepIndex, total, ...(startedAt === undefined ? {} : { startedAt }) };
}

/** Desired is what was decided, written what the routes say, effective what those who carry them have taken in. */
function weightsOf(world: World, target: Target): NonNullable<RolloutStatus["weights"]> {
  const { routes, status, revisions } = world;
  const bySizes = routes.state === "none";
  const ready = total(world, (r) => r.ready);
  const canaryReady = revisions.get(target.canary ?? "")?.ready ?? 0;
  const share = ready === 0 ? 0 : Math.round((10_000 * canaryReady) / ready);
  const writtenBp = bySizes ? share : target.wish?.kind === "paired" ? target.wish.canaryBp : routes.canaryBp;
  const effectiveBp = bySizes
    ? share
    : routes.effect.kind === "effective"
      ? routes.canaryBp
      : (status.weights?.effectiveBp ?? 0);
  return {
    desired: target.weightBp / 100,
    written: writtenBp / 100,
    effective: effectiveBp / 100,
    writtenBp,
    effectiveBp,
  };
}

/** What people's requests are about, also before a release has begun. */
function wantedOf({ wanted }: World): Pick<RolloutStatus, "wanted"> {
  if (wanted === undefined) return {};
  return { wanted: { revision: wanted.hash, images: imagesOf(wanted.template).slice(0, 16) } };
}

function sides(world: World, target: Target): Pick<RolloutStatus, "stable" | "canary"> {
  const side = (hash: string | undefined) => {
    if (hash === undefined) return undefined;
    const revision = world.revisions.get(hash) ?? (world.wanted?.hash === hash ? world.wanted : undefined);
    if (revision === undefined) return { revision: hash, images: [], replicas: 0, ready: 0 };
    return {
      revision: hash,
      images: imagesOf(revision.template).slice(0, 16),
      replicas: target.sizes[hash] ?? revision.size,
      ready: revision.ready,
    };
  };
  const stable = side(target.stable);
  const canary = side(target.canary);
  return { ...(stable === undefined ? {} : { stable }), ...(canary === undefined ? {} : { canary }) };
}

type Progress = NonNullable<RolloutStatus["progress"]>;

function progressOf(world: World, target: Target, orders: Orders | undefined, now: string): Progress {
  const before = world.status.progress;
  const same = before?.stage === target.stage && before.mark === target.mark;
  const moving = target.stage === "Stepping" || target.stage === "HandingOver";
  const paused = orders?.pause ?? before?.paused;
  const full = moving && (orders?.promoteFull === true || before?.full === true);
  const lasts = moving || (target.stage === "Resting" && target.previous !== undefined);
  const begins = moving && before?.stage !== "Stepping" && before?.stage !== "HandingOver";
  return {
    stage: target.stage,
    mark: target.mark,
    ...optional("startedAt", begins ? now : lasts ? before?.startedAt : undefined),
    markSince: same ? (before?.markSince ?? now) : now,
    ...(target.canary === undefined ? {} : { canary: target.canary }),
    ...(target.previous === undefined ? {} : { previous: target.previous }),
    ...(target.first === undefined ? {} : { first: target.first }),
    ...((target.stepReady === true || tellsRaise(world, target)) && moving ? { stepReady: true } : {}),
    ...(paused === true ? { paused: true } : {}),
    ...(full ? { full: true } : {}),
    ...optional("promoteThrough", rememberedPromote(world, target, orders)),
    ...optional("approved", rememberedApproval(world, target, orders)),
    ...(target.because === undefined || target.stage === "Resting" ? {} : { because: target.because }),
    ...optional("letIn", letInOf(world, target, now)),
    ...(moving ? optional("steps", target.steps ?? before?.steps) : {}),
  };
}

function bakeOf(world: World, target: Target, now: string): Pick<RolloutStatus, "bake"> {
  const { bake, progress } = world.status;
  const firstEver = world.stable === undefined;
  if (target.promoted !== undefined && !firstEver) {
    return { bake: { startedAt: now, until: new Date(world.nowMs + world.settings.bakeMs).toISOString() } };
  }
  if (bake === undefined || target.previous === undefined) return {};
  // While nothing was served the clock of the bake stood still.
  const { mark = "" } = progress ?? {};
  const stoodMs = [ZERO, WAKING].includes(mark) && target.mark !== mark ? heldMs(world, "Resting", mark) : 0;
  if (stoodMs === 0) return { bake };
  return { bake: { ...bake, until: new Date(Date.parse(bake.until) + stoodMs).toISOString() } };
}

/** Names that are acted on, remembered before the first change: a spec that no longer has them cannot say what to put back. */
function managedOf({ rollout, settings, status }: World, target: Target): Pick<RolloutStatus, "managed"> {
  if (settings.outdated && target.putBack !== true) return optional("managed", status.managed);
  return { managed: managedAs(namesAsked(rollout)) };
}

/** The size that an autoscaler last asked for in this release, and since when it asks for less. */
function peakOf(world: World, now: string): Pick<RolloutStatus, "peak"> {
  const asked = world.askedReplicas;
  const { peak } = world.status;
  if (!isAutoscaled(world.snapshot) || world.status.progress?.canary === undefined) return {};
  if (peak === undefined || asked >= peak.size || world.replicas === asked) return { peak: { size: asked } };
  return { peak: { size: peak.size, fellAt: peak.fellAt ?? now } };
}

function rejectedOf(world: World, target: Target, now: string): Pick<RolloutStatus, "rejected"> {
  const before = world.status.rejected;
  if (target.forgetRejected === true || target.promoted !== undefined) return {};
  if (target.rejected === undefined || before?.revision === target.rejected.revision)
    return before === undefined ? {} : { rejected: before };
  const { revision, reason, message } = target.rejected;
  return { rejected: { revision, reason, message: message.slice(0, 1024), at: now } };
}

function requestOf(
  world: World,
  target: Target,
  orders: Orders | undefined,
  now: string,
): Pick<RolloutStatus, "lastRequest"> {
  // Something graver came in the same pass: what a person asks for is heard once that is over.
  const no = abortedBefore(world, orders);
  const isPutOff = no !== undefined && target.rejected?.revision !== no.revision;
  if (orders !== undefined && !isPutOff)
    return { lastRequest: { value: asAnswered(orders.value), result: orders.result, at: now } };
  return world.status.lastRequest === undefined ? {} : { lastRequest: world.status.lastRequest };
}

function analysisOf(
  world: World,
  target: Target,
  memory: AnalysisMemory | undefined,
  now: string,
): Pick<RolloutStatus, "analysis"> {
  const before = world.status.analysis;
  if (memory === undefined)
    return before?.metrics === undefined || isGivenUp(world, target) ? {} : { analysis: { metrics: before.metrics } };
  // At rest after both were bad each pass judges anew, and none of it counts.
  if (before !== undefined && target.mark === BOTH_BAD && world.status.progress?.mark === BOTH_BAD)
    return { analysis: before };
  const moved = target.stepChanged === true || world.status.progress?.stage !== target.stage;
  return { analysis: analysisStatus(before, memory, moved, now) };
}

/** Whether what was judged is wanted no more, as the template was set back: its verdicts tell nothing of what serves. */
function isGivenUp({ status }: World, target: Target): boolean {
  const { phase = "Pending", stable } = status;
  const unpromoted = ["Progressing", "Paused", "Reverted"].includes(phase) && stable?.revision === target.stable;
  return target.phase === "Healthy" && unpromoted;
}

/** How long the value of a metric stands before another one is told that says the same. */
const METRIC_TOLD_MS = 300_000;

/** The gates as they stood before the first step: kept while the release goes on and after it, until another one asks. */
function gatesOf(world: World, target: Target, now: string): Pick<RolloutStatus, "gates"> {
  const before = world.status.gates;
  if (target.gates === undefined) return world.settings.gates.length === 0 ? {} : optional("gates", before);
  const gates = target.gates.map(({ checkAgainInMs: _again, ...answer }, i) => {
    const cut = { ...answer, message: answer.message.slice(0, 512), value: answer.value.slice(0, 320) };
    const told = before?.[i];
    if (told === undefined || told.gate !== cut.gate || told.open !== cut.open) return { ...cut, at: now };
    const isMeasured = cut.kind === "metric" && told.value !== "" && cut.value !== "";
    const isFresh = isMeasured && world.nowMs - Date.parse(told.at) < METRIC_TOLD_MS;
    return isFresh || sameJson({ ...cut, at: told.at }, told) ? told : { ...cut, at: now };
  });
  return { gates };
}

/** A person's approval holds for its revision, until that is rejected. */
function rememberedApproval(world: World, target: Target, orders: Orders | undefined): string | undefined {
  const approved = approvedRevision(world, orders);
  const isAsked = world.settings.gates.some(({ kind }) => kind === "approval");
  const isGone = target.rejected?.revision === approved || target.because?.revision === approved;
  return isAsked && approved === world.wanted?.hash && !isGone ? approved : undefined;
}

function historyOf(world: World, target: Target, now: string): NonNullable<RolloutStatus["history"]> {
  const before = world.status.history ?? [];
  const entry = (revision: string, result: string, message: string) => {
    const known = world.revisions.get(revision) ?? world.wanted;
    return {
      revision,
      result,
      message: message.slice(0, 512),
      at: now,
      images: known === undefined ? [] : imagesOf(known.template).slice(0, 16),
    };
  };
  if (target.promoted !== undefined && target.promoted !== world.stable?.hash)
    return [entry(target.promoted, "Promoted", ""), ...before].slice(0, HISTORY);
  const rejected = target.rejected;
  if (rejected !== undefined && world.status.rejected?.revision !== rejected.revision)
    return [entry(rejected.revision, "Reverted", rejected.message), ...before].slice(0, HISTORY);
  return [...before];
}

type Truth = "True" | "False";

/** One row a phase, as in design's table: what Helm, Flux, Argo CD and `kubectl wait` read. */
const CONDITIONS: Record<Target["phase"], { Ready: Truth; Progressing: Truth; Paused: Truth; Promoted: Truth }> = {
  Pending: { Ready: "False", Progressing: "True", Paused: "False", Promoted: "False" },
  Progressing: { Ready: "True", Progressing: "True", Paused: "False", Promoted: "False" },
  Paused: { Ready: "True", Progressing: "False", Paused: "True", Promoted: "False" },
  Baking: { Ready: "True", Progressing: "True", Paused: "False", Promoted: "True" },
  Healthy: { Ready: "True", Progressing: "False", Paused: "False", Promoted: "True" },
  Reverted: { Ready: "False", Progressing: "False", Paused: "False", Promoted: "False" },
  Failed: { Ready: "False", Progressing: "False", Paused: "False", Promoted: "False" },
};

/** kstatus reads Reconciling (going on) and Stalled (will not go on by itself); absent is false. */
function conditionsOf(world: World, target: Target, now: string): Condition[] {
  const { phase } = target;
  const waiting = phase === "Progressing" || phase === "Paused";
  // While one goes back, another may be wanted that has yet to begin: whoever waits for it must not hear of the one before.
  const comesNext = phase === "Reverted" && !isWantedRejected(world, target);
  const reconciling = phase === "Pending" || comesNext || (waiting && world.settings.waitFor === "promoted");
  const stalled = (phase === "Reverted" && !comesNext) || phase === "Failed";
  const states: Record<string, Truth> = {
    ...CONDITIONS[phase],
    ...(reconciling ? { Reconciling: "True" } : {}),
    ...(stalled ? { Stalled: "True" } : {}),
  };
  const reason = target.reason === "" ? target.phase : target.reason;
  const said = Object.entries(states).map(([type, status]) => [type, { status, reason, message: target.message }]);
  const kill = killOf(world);
  if (kill !== undefined) said.push(["Killed", { status: "True", reason: kill.reason, message: kill.message }]);
  const generation = world.rollout.metadata.generation ?? 0;
  return conditionsSaying(Object.fromEntries(said), world.status.conditions, generation, now);
}

function isWantedRejected(world: World, { rejected }: Target): boolean {
  const { wanted } = world;
  return wanted === undefined || rejected?.revision === wanted.hash || rejectionOf(world, wanted) !== undefined;
}

/** Columns of `kubectl get`: strings, as columns cannot compute. */
function displayOf(world: World, target: Target): NonNullable<RolloutStatus["display"]> {
  const { index, total: steps } = { index: target.stepIndex, total: world.settings.steps.length };
  const stepping = target.stage === "Stepping";
  const writtenBp = world.routes.state === "none" ? target.weightBp : world.routes.canaryBp;
  // From the hand-over on all traffic meets the new revision, whatever the pair in the routes says.
  const arrived = target.stage === "HandingOver" || target.phase === "Healthy" || target.phase === "Baking";
  return {
    step: stepping ? `${index + 1}/${steps}` : arrived ? `${steps}/${steps}` : "-",
    weight: stepping ? `${writtenBp / 100}%` : arrived ? "100%" : "0%",
    ready: `${total(world, (r) => r.ready)}/${Object.values(target.sizes).reduce((a, b) => a + b, 0) || total(world, (r) => r.size)}`,
  };
}
