import type { FeatureFlagStatus } from "../../../src/api/feature-flag.ts";
import { refTo } from "../cluster/workloads.ts";
import { type Happenings, metricsFaults, processFaults, WRITE_FAULTS } from "../faults.ts";
import { METRICS_FAULTS } from "./requests.ts";
import { flagStepsOf, RULES } from "./scenario.ts";
import type { FlagSimulation } from "./simulation.ts";

const KINDS = ["FeatureFlag", "KillSwitch"];

/** All that can happen beside failing writes, by name. */
export const FLAG_HAPPENINGS: Happenings<FlagSimulation> = {
  ...processFaults(KINDS),
  gitReapplies: (sim) => sim.apply() as undefined,
  gitInsists: (sim) => {
    for (let i = 0; i < 12; i++) sim.later(i * 10_000, () => sim.apply());
  },
  otherOwner: (sim) => sim.commit({ lifecycle: { owner: `team-${sim.rng.int(1, 99)}` } }) as undefined,
  otherRules: (sim) => sim.commit({ rules: sim.git.spec.rules?.length ? [] : RULES }) as undefined,
  otherSafeVariant: (sim) =>
    sim.commit({ safeVariant: sim.git.spec.safeVariant === "plain" ? "old" : "plain" }) as undefined,
  otherSeed: (sim) => sim.commit({ stickiness: { seed: `seed-${sim.rng.int(1, 9)}` } }) as undefined,
  otherSteps: (sim) => {
    const canary = { ...sim.git.spec.strategy?.canary, variant: "new", steps: flagStepsOf(sim.rng) };
    sim.commit({ strategy: { canary } });
  },
  disabled: (sim) => {
    sim.commit({ enabled: false });
    sim.later(sim.rng.int(5_000, 120_000), () => sim.commit({ enabled: true }));
  },
  kill: (sim) => {
    sim.kill("stop");
    sim.later(sim.rng.int(2_000, 200_000), () => sim.release("stop"));
  },
  killAgain: (sim) => {
    sim.kill("stop-too");
    sim.later(sim.rng.int(2_000, 100_000), () => sim.release("stop-too"));
  },
  killForAWhile: (sim) => {
    const forMs = sim.rng.int(2_000, 100_000);
    sim.kill("stop-by-time", forMs);
    sim.later(forMs + 10_000, () => sim.release("stop-by-time"));
  },
  turnsBad: ({ requests }) => {
    requests.bad = true;
  },
  turnsGood: ({ requests }) => {
    requests.bad = false;
  },
  pause: (sim) => {
    sim.request("pause");
    sim.later(sim.rng.int(5_000, 120_000), () => sim.request("resume"));
  },
  promote: (sim) => sim.request("promote") as undefined,
  promoteFull: (sim) => sim.request("promote:full") as undefined,
  abort: (sim) => sim.request("abort") as undefined,
  retry: (sim) => sim.request("retry") as undefined,
  statusLost: (sim) => {
    if (sim.flag?.status === undefined) return false;
    const { status: _lost, ...flag } = sim.flag;
    sim.api.change("person", sim.flag, flag, "status");
  },
  /** As a tool that edits status as well, and gives back what it has read a moment before. */
  othersWriteStatus: (sim) => {
    if (sim.flag?.status === undefined) return false;
    const status: FeatureFlagStatus = { ...sim.flag.status, message: "edited by someone" };
    sim.api.change("person", sim.flag, { ...sim.flag, status }, "status");
  },
  deleted: (sim) => {
    if (sim.flag === undefined) return false;
    sim.api.delete("person", refTo(sim.flag));
    sim.later(sim.rng.int(200, 20_000), () => sim.apply());
  },
  ...metricsFaults(METRICS_FAULTS, ({ requests }: FlagSimulation) => requests),
};

export const FLAG_NAMES: readonly string[] = [...WRITE_FAULTS, ...Object.keys(FLAG_HAPPENINGS)];
export const FLAG_STAGES = [
  "Starting",
  "Progressing",
  "Paused",
  "Baking",
  "Healthy",
  "Reverted",
  "Killed",
  "Disabled",
] as const;
