import { type JudgeInput, stableRates } from "../../analysis/judge.ts";
import { look } from "../../analysis/look.ts";
import type { AnalysisMemory, Judged } from "../../analysis/memory.ts";
import type { AnalysisState } from "../../analysis/state.ts";
import { rateBefore } from "./before-after.ts";
import type { RampAnalysis, StepRamp } from "./ramp.ts";
import type { FlagOrders } from "./requests.ts";
import { timeOf } from "./target.ts";
import type { FlagWorld } from "./world.ts";

/** Rates of bad requests (fractions) by metric, before the ramp began. */
export type RatesBefore = Readonly<Record<string, number>>;

export interface Analysed {
  readonly memory: AnalysisMemory;
  readonly judged: Judged;
  /** Where before is compared with after: what is known of before. */
  readonly before?: RatesBefore;
}

/** How far before a ramp the time is read that it is compared with. */
export const BEFORE_MS = 600_000;

/** When what is wanted began, as status has it, in milliseconds since the epoch. */
export function begunOf(status: FlagWorld["status"] | undefined): number | undefined {
  const begun = status?.progress?.startedAt;
  return begun === undefined ? undefined : Date.parse(begun);
}

/** What is being judged, by name: one ramp from its beginning to the end of its bake. Begun anew, it is another. */
export function subjectOf({
  ramp,
  begunMs,
  rampHash,
  status,
  override,
  kills,
  settings,
  nowMs,
}: FlagWorld): string | undefined {
  if (ramp?.kind !== "steps" || ramp.analysis === undefined || begunMs === undefined) return undefined;
  if (override !== undefined || kills.length > 0 || !settings.enabled) return undefined;
  const { promoted, bakeUntil } = status.progress ?? {};
  if (promoted === true && bakeUntil === undefined) return undefined; // The bake is over.
  return `${rampHash}@${new Date(begunMs ?? nowMs).toISOString()}`;
}

/** Judges what was read since the last pass, and what is to be remembered. Undefined where nothing is being judged. */
export function analyse(world: FlagWorld, orders: FlagOrders | undefined): Analysed | undefined {
  const { ramp, status, snapshot, nowMs } = world;
  const name = subjectOf(world);
  if (name === undefined || ramp?.kind !== "steps" || ramp.analysis === undefined) return undefined;
  const { analysis } = ramp;
  const before = analysis.compare === "beforeAfter" ? ratesBefore(world) : undefined;
  const looked = look(analysis, snapshot.metrics, {
    nowMs,
    name,
    stepIndex: status.step?.index ?? 0,
    checkpoint: status.analysis?.checkpoint,
    anew: goesOnDespite(ramp, orders) && hasFailed(world),
    input: (state) => inputOf(world, analysis, state, before),
  });
  return before === undefined ? looked : { ...looked, before };
}

/** Where harm only pauses, a person who lets it go on has taken note of what was seen. */
function goesOnDespite({ onFailure }: StepRamp, orders: FlagOrders | undefined): boolean {
  return onFailure === "pause" && (orders?.promote === true || orders?.promoteFull === true || orders?.pause === false);
}

function hasFailed({ snapshot, status }: FlagWorld): boolean {
  const verdict = snapshot.metrics.memory?.verdict.kind;
  return (verdict ?? status.analysis?.metrics?.find((metric) => metric.verdict === "Fail")?.verdict) === "Fail";
}

function inputOf(
  { status, presentBp, begunMs, nowMs }: FlagWorld,
  { compare }: RampAnalysis,
  state: AnalysisState,
  before: RatesBefore | undefined,
): Omit<JudgeInput, "nowMs" | "readings"> {
  const baking = status.progress?.bakeUntil !== undefined;
  const reference = before ?? (baking ? stableRates(state) : undefined);
  return {
    stepStartedAtMs: timeOf(status.step?.startedAt, nowMs),
    compare: compare === "variants" && presentBp < 10_000,
    bornAfterMs: begunMs ?? nowMs,
    ...(reference === undefined ? {} : { bakeReference: reference }),
  };
}

/** What is known of the time before the ramp: each metric's rate is kept as it was first read. */
function ratesBefore({ status, snapshot, begunMs, nowMs }: FlagWorld): RatesBefore {
  const known = status.analysis?.before ?? {};
  const read = snapshot.metrics.readings.flatMap((reading) => {
    const rate = rateBefore(reading, begunMs ?? nowMs);
    return rate === undefined ? [] : [[reading.metric, rate] as const];
  });
  return { ...Object.fromEntries(read), ...known };
}
