import type { FeatureFlag, FeatureFlagStatus } from "../../../src/api/feature-flag.ts";
import type { Reading } from "../../../src/core/analysis/model.ts";
import { type FlagPlan, planFlag } from "../../../src/core/flags/control/plan.ts";
import type { FlagSnapshot } from "../../../src/core/flags/control/snapshot.ts";
import type { FlagMistake } from "./run.ts";
import { FAILURES } from "./scenario.ts";

/** A mistake, put around the real plan, or between it and the API server. */
export interface PlantedInFlags extends FlagMistake {
  readonly name: string;
}

/** What the mistakes are found by: a simulation that finds none of them would say nothing about the plan either. */
export const PLANTED_IN_FLAGS: readonly PlantedInFlags[] = [
  shows("an edit of the owner lifts an override", ({ flag }) =>
    flag.status?.observedGeneration === flag.metadata.generation ? {} : withoutOverride(flag),
  ),
  shows("a KillSwitch lifts an override", ({ flag, kills }) => (kills.length === 0 ? {} : withoutOverride(flag))),
  shows("raises beneath a KillSwitch", () => ({ kills: [] })),
  shows("raises by two steps", ({ flag }) => withSteps(flag, (steps) => steps.toSpliced(2, 1))),
  shows("raises while Prometheus is silent", ({ metrics, nowMs }) => ({
    metrics: { ...metrics, readings: metrics.readings.map((reading) => asHealthy(reading, nowMs)) },
  })),
  shows("a query's limit is always breached", ({ metrics }) => ({
    metrics: { ...metrics, readings: metrics.readings.map(asBreach) },
  })),
  answers("goes back gracefully from everyone", ({ override }) =>
    override?.pivot === undefined ? {} : { override: { ...override, pivot: { ...override.pivot, weightBp: 10_000 } } },
  ),
  answers("a pause is forgotten", ({ progress }) => {
    const { paused: _forgotten, ...rest } = progress ?? {};
    return progress === undefined ? {} : { progress: rest };
  }),
  {
    name: "writes without a resourceVersion",
    send: (operations) => operations.filter(({ path }) => path !== "/metadata/resourceVersion"),
  },
];

/** The real plan is shown something else. */
function shows(name: string, other: (snapshot: FlagSnapshot) => Partial<FlagSnapshot>): PlantedInFlags {
  return { name, plan: (snapshot) => planFlag({ ...snapshot, ...other(snapshot) }) };
}

/** The real plan's status is written in another way. */
function answers(name: string, other: (status: FeatureFlagStatus) => FeatureFlagStatus): PlantedInFlags {
  const plan = (snapshot: FlagSnapshot): FlagPlan => {
    const real = planFlag(snapshot);
    return real.status === undefined ? real : { ...real, status: { ...real.status, ...other(real.status) } };
  };
  return { name, plan };
}

function withoutOverride(flag: FeatureFlag): Partial<FlagSnapshot> {
  const { override: _forgotten, ...status } = flag.status ?? {};
  return { flag: { ...flag, status } };
}

type Canary = NonNullable<NonNullable<FeatureFlag["spec"]["strategy"]>["canary"]>;
type Steps = NonNullable<Canary["steps"]>;

function withSteps(flag: FeatureFlag, other: (steps: Steps) => Steps): Partial<FlagSnapshot> {
  const canary = flag.spec.strategy?.canary;
  if (canary?.steps === undefined) return {};
  const strategy = { canary: { ...canary, steps: other(canary.steps) } };
  return { flag: { ...flag, spec: { ...flag.spec, strategy } } };
}

/** What a query answers is beyond any limit. */
function asBreach(reading: Reading): Reading {
  return reading.kind === "value" && reading.metric === FAILURES.name ? { ...reading, value: 1 } : reading;
}

/** What is no answer becomes that of a healthy variant. */
function asHealthy(reading: Reading, nowMs: number): Reading {
  if (reading.kind === "counters" || reading.kind === "value") return reading;
  const { metric } = reading;
  if (metric !== "error-rate") return { kind: "value", metric, atMs: nowMs, value: 0 };
  const samples = [
    [nowMs - 15_000, 0],
    [nowMs, 1_000],
  ] as const;
  const healthy = { total: [{ pod: "web-0", samples }], bad: [] };
  return { kind: "counters", metric, canary: healthy, stable: healthy };
}
