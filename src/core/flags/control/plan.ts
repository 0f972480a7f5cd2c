import type { FeatureFlagStatus } from "../../../api/feature-flag.ts";
import type { AnalysisMemory } from "../../analysis/memory.ts";
import { impossibleStatus } from "../../impossible.ts";
import { optional } from "../../optional.ts";
import type { Notice, Plan } from "../../plan.ts";
import { percent } from "../../steps.ts";
import type { Uses } from "../inlining.ts";
import { FlagInvalid } from "../invalid.ts";
import { type Analysed, analyse } from "./analyse.ts";
import { decide } from "./decide.ts";
import { type Delivered, deliveredOf } from "./delivered.ts";
import { ordersOf } from "./requests.ts";
import type { FlagSnapshot } from "./snapshot.ts";
import { staleInMs } from "./staleness.ts";
import { promotedSince } from "./standing.ts";
import { statusOf } from "./status.ts";
import type { FlagTarget } from "./target.ts";
import { type FlagWorld, observe } from "./world.ts";

export interface FlagPlan extends Plan<FeatureFlagStatus> {
  /** What the judge knows now; the shell keeps it for the next pass. */
  readonly memory?: AnalysisMemory;
  /** Other objects that what is served was made from; undefined where the spec cannot be read. */
  readonly uses?: Uses;
  /** What flag servers are to be asked about; undefined where nothing is open. */
  readonly awaits?: { readonly flagSet: string; readonly key: string; readonly version: string };
  /** What was decided, for the dry run, the log and tests. */
  readonly target: FlagTarget;
}

/** What to do about one FeatureFlag. The plan is its next status, and nothing else: no other object is written. Pure. */
export function planFlag(snapshot: FlagSnapshot): FlagPlan {
  try {
    return planned(observe(snapshot));
  } catch (error) {
    if (error instanceof FlagInvalid) return impossible(snapshot, error);
    throw error;
  }
}

/** What a flag is not while its spec cannot be read, and what is true of it all the same. */
export const STANDING = { denied: ["Ready", "Progressing", "Promoted"], kept: ["Killed", "Stale", "Delivered"] };

/** A spec that another version of the CRD let in, and that says nothing which could be read: all stays as it was. */
function impossible({ flag, nowMs }: FlagSnapshot, { reason, message }: FlagInvalid): FlagPlan {
  const status = impossibleStatus(flag, STANDING, { reason, message }, nowMs);
  const notices: Notice[] = flag.status?.message === message ? [] : [{ type: "Warning", reason, message }];
  const target: FlagTarget = { phase: "Failed", reason, message, weightBp: 0, stepIndex: 0 };
  return { writes: [], ...optional("status", status), notices, target };
}

function planned(world: FlagWorld): FlagPlan {
  const orders = ordersOf(world);
  const analysed = analyse(world, orders);
  const target = decide({ world, ...optional("judged", analysed?.judged), ...optional("orders", orders) });
  const delivered = deliveredOf(world, target);
  const status = statusOf(world, target, analysed, orders, delivered);
  const waits = [target.checkAgainInMs, staleInMs(world, promotedSince(world)), killEndsInMs(world)];
  const known = waits.filter((ms) => ms !== undefined);
  return {
    writes: [],
    ...optional("status", status),
    notices: noticesOf(world, target, analysed),
    ...optional("checkAgainInMs", known.length === 0 ? undefined : Math.max(1, Math.min(...known))),
    ...optional("memory", analysed?.memory),
    uses: world.uses,
    ...optional("awaits", awaitsOf(world, delivered)),
    target,
  };
}

function awaitsOf({ settings, version }: FlagWorld, { kind }: Delivered): FlagPlan["awaits"] {
  if (kind !== "open" || version === undefined) return undefined;
  return { flagSet: settings.flagSet, key: settings.key, version };
}

/** A KillSwitch may end by time alone. */
function killEndsInMs({ kills, nowMs }: FlagWorld): number | undefined {
  const ends = kills.flatMap(({ spec }) => (spec.until === undefined ? [] : [Date.parse(spec.until) - nowMs]));
  const ahead = ends.filter((ms) => ms > 0);
  return ahead.length === 0 ? undefined : Math.min(...ahead);
}

/** Holds that belong to every ramp, or that the spec asks for. */
const PATIENT: readonly string[] = [
  ...["Pausing", "Analysing", "WaitingForMetrics", "TooFewRequests"],
  ...["NotBefore", "OutsideWindows", "Frozen"],
];

/** Events for what a person would want to have seen; none for what repeats. */
function noticesOf(world: FlagWorld, target: FlagTarget, analysed: Analysed | undefined): Notice[] {
  const { status: before, ramp, presentBp } = world;
  const notices: Notice[] = [];
  const note = (type: Notice["type"], reason: string, message: string) => notices.push({ type, reason, message });
  const known = before.conditions?.find(({ type }) => type === "Ready")?.reason;
  if (target.begins === true && ramp !== undefined)
    note("Normal", "Started", `"${ramp.variant}" is on its way to its users`);
  if (ramp?.kind === "steps" && target.weightBp > presentBp)
    note("Normal", "WeightRaised", `${percent(target.weightBp)} of the users get "${ramp.variant}"`);
  if (target.override !== undefined && before.override?.at !== target.override.at)
    note("Warning", "Reverted", target.message);
  if (target.phase === "Killed" && before.phase !== "Killed") note("Warning", "Killed", target.message);
  if (before.phase === "Killed" && target.phase !== "Killed")
    note("Normal", "Released", "no KillSwitch selects it any more");
  if (target.phase === "Paused" && before.phase !== "Paused") note("Normal", "Paused", target.message);
  if (target.promoted === true && ramp !== undefined && before.progress?.promoted !== true)
    note("Normal", "Promoted", `everyone gets "${ramp.variant}"`);
  if (target.phase === "Failed" && before.message !== target.message) note("Warning", target.reason, target.message);
  if (target.message.startsWith("holding") && known !== target.reason && !PATIENT.includes(target.reason))
    note("Warning", target.reason, target.message);
  if (isNewHarm(world, analysed)) note("Warning", "AnalysisFailed", analysed?.judged.verdict.message ?? "");
  return notices;
}

/** Where harm is to be told of and nothing else, it is told once. */
function isNewHarm({ ramp, status }: FlagWorld, analysed: Analysed | undefined): boolean {
  const told = status.analysis?.metrics?.some(({ verdict }) => verdict === "Fail") === true;
  return ramp?.kind === "steps" && ramp.onFailure === "notify" && analysed?.judged.verdict.kind === "Fail" && !told;
}
