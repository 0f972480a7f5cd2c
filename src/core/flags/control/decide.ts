import { overdue } from "../../analysis/judge.ts";
import type { Judged } from "../../analysis/memory.ts";
import { declared } from "./declared.ts";
import { growing } from "./growing.ts";
import type { FlagOrders } from "./requests.ts";
import { stepping } from "./stepping.ts";
import { type Because, revertedBy, takenBack } from "./take-back.ts";
import { type FlagTarget, paused, timeOf } from "./target.ts";
import type { FlagWorld } from "./world.ts";

export interface FlagSituation {
  readonly world: FlagWorld;
  readonly judged?: Judged;
  readonly orders?: FlagOrders;
}

type Rule = (situation: FlagSituation) => FlagTarget | undefined;

/** First answer wins. Bad news stands above every reason to wait; waiting above going on. */
const rules: readonly Rule[] = [
  abortedByUser, // Abort beats everything that goes up.
  harmful, // Bad news outranks every reason to wait.
  revertedWithRollout, // Its Rollout went back, and takes it along.
  silent, // No data, or too few requests, for so long that the user wants it back.
  overridden, // What was taken back stays back.
  killed, // Beneath a KillSwitch nothing rises.
  cannotBeServed, // Nor where it cannot be served as it stands.
  disabled,
  ramping, // What status drives.
  asDeclared, // Nothing to drive: the spec says it all.
];

/** Says what should be. Pure and total: every world has an answer. */
export function decide(situation: FlagSituation): FlagTarget {
  for (const rule of rules) {
    const target = rule(situation);
    if (target !== undefined) return shown(situation.world, target);
  }
  throw new Error("No rule answered; `asDeclared` must");
}

/** Whatever was decided, beneath a KillSwitch users get what is safe. */
function shown({ kills, settings }: FlagWorld, target: FlagTarget): FlagTarget {
  const [kill] = kills;
  if (kill === undefined) return target;
  const message = `"${settings.safe}" is served, killed by KillSwitch "${kill.metadata.name}": ${kill.spec.reason}`;
  return { ...target, phase: "Killed", reason: "Killed", message };
}

function abortedByUser({ world, orders }: FlagSituation): FlagTarget | undefined {
  if (orders?.abort !== true) return undefined;
  return takenBack(world, { reason: "Aborted", message: "aborted by request" });
}

function harmful({ world, judged }: FlagSituation): FlagTarget | undefined {
  const { ramp, presentBp, status } = world;
  if (judged?.verdict.kind !== "Fail" || ramp?.kind !== "steps") return undefined;
  const { message } = judged.verdict;
  switch (ramp.onFailure) {
    case "notify":
      return undefined; // An Event tells; the ramp goes on.
    case "pause": {
      const held = { phase: "Paused", weightBp: presentBp, stepIndex: status.step?.index ?? 0 } as const;
      const why = `held at harm: ${message}; promote to go on all the same, or abort`;
      return paused({ ...held, reason: "", message: "" }, "AnalysisFailed", why);
    }
    case "revert":
    case "gracefulRevert":
      return takenBack(world, { reason: "AnalysisFailed", message }, ramp.onFailure === "gracefulRevert");
    default:
      return ramp.onFailure satisfies never;
  }
}

/** Its Rollout was reverted since the flag began; or was before, and nothing is known of the flag any more. */
function revertedWithRollout({ world }: FlagSituation): FlagTarget | undefined {
  const { flag, snapshot, override, begunMs, status, settings } = world;
  const { name, revertTogether } = flag.spec.rolloutRef ?? {};
  const taken = revertTogether === "flag" || revertTogether === "both";
  if (!taken || override !== undefined || !settings.enabled) return undefined;
  const { phase, rejected } = snapshot.rollout?.status ?? {};
  if (phase !== "Reverted" || rejected === undefined) return undefined;
  const since = begunMs ?? timeOf(status.override?.at, 0);
  if (timeOf(rejected.at, 0) <= since) return undefined;
  const because: Because = {
    reason: "RolloutReverted",
    message: `Rollout "${name}" was reverted: ${rejected.message}`,
  };
  return takenBack(world, because);
}

function silent({ world, judged }: FlagSituation): FlagTarget | undefined {
  const { ramp, presentBp, nowMs } = world;
  if (ramp?.kind !== "steps" || ramp.analysis === undefined || judged === undefined || presentBp === 0)
    return undefined;
  const { verdict } = judged;
  if (overdue(ramp.analysis, verdict, nowMs) !== "revert") return undefined;
  const reason = verdict.kind === "NoData" ? "NoData" : "TooFewRequests";
  return takenBack(world, { reason, message: verdict.message }, ramp.onFailure === "gracefulRevert");
}

function overridden({ world, orders }: FlagSituation): FlagTarget | undefined {
  const { override } = world;
  return override === undefined || orders?.retry === true ? undefined : revertedBy(world, override);
}

/** Everything stands where it stood when the switch was thrown, and goes on from there once it is released. */
function killed({ world }: FlagSituation): FlagTarget | undefined {
  if (world.kills.length === 0) return undefined;
  return { ...still(world), phase: "Killed", reason: "Killed", message: "" };
}

function cannotBeServed({ world }: FlagSituation): FlagTarget | undefined {
  const { problem } = world;
  if (problem === undefined) return undefined;
  return { ...still(world), phase: "Failed", ...problem };
}

function disabled({ world }: FlagSituation): FlagTarget | undefined {
  if (world.settings.enabled) return undefined;
  const message = "not enabled: programs use the default of their own code";
  return { ...still(world), phase: "Disabled", reason: "Disabled", message };
}

/** The ramp where it is. */
function still({ presentBp, status, begunMs }: FlagWorld): Pick<FlagTarget, "weightBp" | "stepIndex" | "promoted"> {
  const stepIndex = begunMs === undefined ? 0 : (status.step?.index ?? 0);
  const promoted = begunMs !== undefined && status.progress?.promoted === true;
  return { weightBp: presentBp, stepIndex, ...(promoted ? { promoted } : {}) };
}

function ramping(situation: FlagSituation): FlagTarget | undefined {
  const { world } = situation;
  const { ramp, begunMs } = world;
  if (ramp === undefined) return undefined;
  const target = ramp.kind === "steps" ? stepping(situation, ramp) : growing(situation, ramp);
  return begunMs === undefined ? { ...target, begins: true } : target;
}

function asDeclared({ world }: FlagSituation): FlagTarget {
  const target = declared(world);
  return world.begunMs === undefined ? { ...target, begins: true } : target;
}
