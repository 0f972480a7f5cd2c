import type { FeatureFlagStatus } from "../../../api/feature-flag.ts";
import { analysisStatus } from "../../analysis/status.ts";
import { sameJson } from "../../json.ts";
import { optional } from "../../optional.ts";
import { asAnswered } from "../../requests.ts";
import { promotedThrough } from "../../walk.ts";
import type { Analysed } from "./analyse.ts";
import type { Delivered } from "./delivered.ts";
import { displayOf } from "./display.ts";
import { happenings, historyOf } from "./history.ts";
import type { StepRamp } from "./ramp.ts";
import type { FlagOrders } from "./requests.ts";
import { isMismatch, type SampleRatio, sampleRatioOf } from "./sample-ratio.ts";
import { conditionsOf } from "./standing.ts";
import type { FlagTarget } from "./target.ts";
import type { FlagWorld } from "./world.ts";

/** Reasons whose message says what was measured. */
const MEASURED: readonly string[] = ["TooFewRequests", "NoData", "MetricsUnavailable", "BothVersionsBad"];
const MOST_KILLS = 16;

/** What status should say, or undefined where it says so already but for time. It is the whole plan: flag servers serve what
 * it says, so that weight, override and clocks change in one write or not at all. */
export function statusOf(
  world: FlagWorld,
  decided: FlagTarget,
  analysed: Analysed | undefined,
  orders: FlagOrders | undefined,
  delivered: Delivered,
): FeatureFlagStatus | undefined {
  const before = world.status;
  const now = new Date(world.nowMs).toISOString();
  const analysis = analysisOf(world, decided, analysed, now);
  const target = { ...decided, message: messageOf(world, decided, analysis.analysis) };
  const kills = world.kills.map(({ metadata }) => metadata.name).slice(0, MOST_KILLS);
  const ratio = analysis.analysis?.sampleRatio as SampleRatio | undefined;
  const next: FeatureFlagStatus = {
    observedGeneration: world.flag.metadata.generation ?? 0,
    phase: target.phase,
    message: target.message.slice(0, 1024),
    servedHash: world.servedHash,
    ...servingOf(world, target, now),
    ...optional("override", target.override),
    ...stepOf(world, target, now),
    ...progressOf(world, target, orders, now),
    ...analysis,
    ...optional("delivery", delivered.kind === "untold" ? undefined : delivered.delivery),
    ...(kills.length === 0 ? {} : { kills }),
    ...requestOf(world, orders, now),
    history: historyOf(before.history, happenings(world, target, orders)),
    conditions: conditionsOf(world, target, ratio, delivered),
    display: displayOf(world, target, delivered),
  };
  return sameJson(next, before) ? undefined : next;
}

/** Counts in a hold change with every scrape: its words are brought up to date when the metrics beside them are. */
function messageOf({ status }: FlagWorld, target: FlagTarget, analysis: FeatureFlagStatus["analysis"]): string {
  const known = status.conditions?.find(({ type }) => type === "Ready");
  const same = status.phase === target.phase && known?.reason === target.reason;
  const counts = MEASURED.includes(target.reason) && analysis === status.analysis;
  return same && counts ? (status.message ?? target.message) : target.message;
}

/** Whether what is wanted has begun by the end of this pass, and stands. */
function isUnderWay({ begunMs }: FlagWorld, target: FlagTarget): boolean {
  return target.override === undefined && (begunMs !== undefined || target.begins === true);
}

function servingOf(world: FlagWorld, target: FlagTarget, now: string): Pick<FeatureFlagStatus, "serving"> {
  const { ramp, rampHash, status, begunMs, presentBp } = world;
  if (ramp === undefined || !isUnderWay(world, target)) return {};
  const { weightBp, stepIndex } = target;
  const same = begunMs !== undefined && presentBp === weightBp;
  const since = same ? (status.serving?.since ?? now) : now;
  return { serving: { rampHash, weightBp, step: stepIndex, since } };
}

function stepOf(world: FlagWorld, target: FlagTarget, now: string): Pick<FeatureFlagStatus, "step"> {
  const { ramp, status, begunMs } = world;
  if (ramp === undefined || !isUnderWay(world, target)) return {};
  const total = ramp.kind === "steps" ? ramp.steps.length : ramp.rises;
  const same = begunMs !== undefined && status.step?.index === target.stepIndex && target.stepChanged !== true;
  return { step: { index: target.stepIndex, total, startedAt: same ? (status.step?.startedAt ?? now) : now } };
}

type Progress = NonNullable<FeatureFlagStatus["progress"]>;

function progressOf(
  world: FlagWorld,
  target: FlagTarget,
  orders: FlagOrders | undefined,
  now: string,
): Pick<FeatureFlagStatus, "progress"> {
  const { begunMs, rampHash, ramp } = world;
  const paused = orders?.pause ?? world.status.progress?.paused;
  const people = paused === true && ramp !== undefined ? { paused } : {};
  if (!isUnderWay(world, target)) return Object.keys(people).length === 0 ? {} : { progress: people };
  const before: Progress = begunMs === undefined ? {} : (world.status.progress ?? {});
  const full = target.promoted !== true && (orders?.promoteFull === true || before.full === true);
  const bakeUntil = target.bakeUntilMs === undefined ? undefined : new Date(target.bakeUntilMs).toISOString();
  const kept = target.phase === "Healthy" ? undefined : before.bakeUntil;
  return {
    progress: {
      rampHash,
      startedAt: begunMs === undefined ? now : (before.startedAt ?? now),
      ...optional("promoteThrough", ramp?.kind === "steps" ? promoted(world, ramp, target, orders) : undefined),
      ...people,
      ...(full ? { full } : {}),
      ...optional("steps", target.steps ?? before.steps),
      ...optional("bakeUntil", bakeUntil ?? kept),
      ...(target.promoted === true ? { promoted: true } : {}),
    },
  };
}

/** Up to which step waits are passed: nothing once the ramp went past it. */
function promoted(world: FlagWorld, ramp: StepRamp, target: FlagTarget, orders: FlagOrders | undefined) {
  if (world.begunMs === undefined) return undefined;
  const through = promotedThrough(ramp.steps, world.status, orders?.promote === true);
  return through === undefined || target.stepIndex > through ? undefined : through;
}

function analysisOf(
  world: FlagWorld,
  target: FlagTarget,
  analysed: Analysed | undefined,
  now: string,
): Pick<FeatureFlagStatus, "analysis"> {
  const before = world.status.analysis;
  // Beneath a KillSwitch nothing is judged, and what was seen before it is not forgotten.
  if (analysed === undefined && before !== undefined && standsStill(world) && isUnderWay(world, target))
    return { analysis: before };
  if (analysed === undefined) return before?.metrics === undefined ? {} : { analysis: { metrics: before.metrics } };
  const moved = target.stepChanged === true || target.override !== undefined || world.status.phase !== target.phase;
  const next = analysisStatus(before, analysed.memory, moved, now);
  if (target.override !== undefined) return { analysis: optional("metrics", next.metrics) };
  const ratio = ratioOf(world, target, analysed);
  const alarms = (of: SampleRatio | undefined) => of !== undefined && isMismatch(of);
  if (next === before && alarms(ratio) === alarms(before.sampleRatio as SampleRatio | undefined))
    return { analysis: before };
  return {
    analysis: {
      ...next,
      ...(world.ramp?.kind === "steps" ? optional("compare", world.ramp.analysis?.compare) : {}),
      ...optional("before", Object.keys(analysed.before ?? {}).length === 0 ? undefined : analysed.before),
      ...optional("sampleRatio", ratio),
    },
  };
}

function standsStill({ kills, settings }: FlagWorld): boolean {
  return kills.length > 0 || !settings.enabled;
}

/** Only where nothing but the ramp gives the variant, and nothing takes it away, is its share known beforehand. */
function ratioOf(
  { settings, ramp, presentBp }: FlagWorld,
  target: FlagTarget,
  analysed: Analysed,
): SampleRatio | undefined {
  const { targets, rules, prerequisites } = settings;
  const alone = targets.length + rules.length + prerequisites.length === 0;
  if (!alone || ramp?.kind !== "steps" || ramp.analysis?.compare !== "variants") return undefined;
  if (target.stepChanged === true) return undefined; // What was counted was the weight before.
  const counted = Object.values(analysed.memory.state.metrics).find(({ step }) => step.seen !== undefined);
  return counted?.step.seen === undefined ? undefined : sampleRatioOf(counted.step.seen, presentBp);
}

function requestOf(
  { status }: FlagWorld,
  orders: FlagOrders | undefined,
  now: string,
): Pick<FeatureFlagStatus, "lastRequest"> {
  if (orders === undefined) return optional("lastRequest", status.lastRequest);
  return { lastRequest: { value: asAnswered(orders.value), result: orders.result.slice(0, 512), at: now } };
}
