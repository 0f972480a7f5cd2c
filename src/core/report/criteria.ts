import type { QuantileAnswer } from "../analysis/model.ts";
import { percent } from "../analysis/sentences.ts";

/** What is known of a release once it is decided. */
export interface Facts {
  /** What is wanted: the share of failed requests as a fraction, the 95th percentile in milliseconds. */
  readonly objectives: { readonly errorRate: number; readonly p95Ms: number };
  /** The gates as they stood before the first step. */
  readonly gates: readonly GateSeen[];
  /** Counted in the bake, or in the step in which it was taken back; or why nothing was. */
  readonly requests: { readonly all: number; readonly failed: number } | Unknown;
  readonly p95: QuantileAnswer;
  /** The share of the traffic that it had when it was decided, in percent. */
  readonly reached: number;
  readonly startedMs?: number;
  /** When all traffic was on it. */
  readonly promotedMs?: number;
  readonly takenBack?: { readonly atMs: number; readonly reason: string; readonly message: string };
}

export interface Unknown {
  readonly kind: "unknown";
  readonly message: string;
}

export interface GateSeen {
  readonly kind: string;
  readonly open: boolean;
  readonly value: string;
  readonly wanted: string;
}

/** Names by which programs find a criterion. */
export type CriterionName =
  | "tests"
  | "coverage"
  | "errorRate"
  | "p95"
  | "incidents"
  | "traffic"
  | "feedback"
  | "rollbacks"
  | "timeToPromote"
  | "timeToRevert"
  | "rollbackTime";

/** `unknown` was not measured, and is neither; `noted` has nothing that is wanted of it. */
export type Outcome = "met" | "missed" | "unknown" | "noted";

export interface Criterion {
  readonly name: CriterionName;
  readonly wanted: string;
  readonly measured: string;
  readonly outcome: Outcome;
}

/** The criteria of success, wanted against measured, in the order in which people ask for them. Pure; what was not measured says
 * so and why. */
export function criteriaOf(facts: Facts): Criterion[] {
  const { reached, takenBack } = facts;
  return [
    byGate("tests", "at least 95 % pass", facts),
    byGate("coverage", "at least 80 % covered", facts),
    errorRate(facts),
    p95(facts),
    unknown("incidents", "none critical", "Zenith does not see where you keep them"),
    { name: "traffic", wanted: "100 %", measured: `${reached} %`, outcome: reached >= 100 ? "met" : "missed" },
    unknown("feedback", "positive", "nobody tells Zenith"),
    {
      name: "rollbacks",
      wanted: "none",
      measured: takenBack === undefined ? "none" : `1, ${takenBack.reason}: ${takenBack.message}`.slice(0, 1024),
      outcome: takenBack === undefined ? "met" : "missed",
    },
    ...times(facts),
  ];
}

/** The time that a rollback took, once stable has all traffic again. */
export function rollbackTime(ms: number): Criterion {
  return { name: "rollbackTime", wanted: "", measured: span(ms), outcome: "noted" };
}

function unknown(name: CriterionName, wanted: string, why: string): Criterion {
  return { name, wanted, measured: `not measured: ${why}`.slice(0, 1024), outcome: "unknown" };
}

/** What CI measured: the gate read it. */
function byGate(name: "tests" | "coverage", usual: string, { gates }: Facts): Criterion {
  const gate = gates.find(({ kind }) => kind === name);
  if (gate === undefined) return unknown(name, usual, `the Rollout has no ${name} gate`);
  if (gate.value === "") return unknown(name, gate.wanted, "the gate found no results");
  return { name, wanted: gate.wanted, measured: gate.value, outcome: gate.open ? "met" : "missed" };
}

function errorRate({ objectives, requests }: Facts): Criterion {
  const name = "errorRate";
  const wanted = `at most ${Number((100 * objectives.errorRate).toFixed(4))} %`;
  if ("kind" in requests) return unknown(name, wanted, requests.message);
  const { all, failed } = requests;
  if (all === 0) return unknown(name, wanted, "no request was counted");
  const measured = `${percent(failed / all)} (${count(failed)} of ${count(all)})`;
  return { name, wanted, measured, outcome: failed / all <= objectives.errorRate ? "met" : "missed" };
}

function p95({ objectives, p95: answer }: Facts): Criterion {
  const name = "p95";
  const wanted = `at most ${objectives.p95Ms} ms`;
  if (answer.kind === "unknown") return unknown(name, wanted, answer.message);
  const ms = answer.ms < 10 ? Number(answer.ms.toFixed(1)) : Math.round(answer.ms);
  if (answer.atLeast !== true)
    return { name, wanted, measured: `${ms} ms`, outcome: answer.ms <= objectives.p95Ms ? "met" : "missed" };
  if (answer.ms < objectives.p95Ms)
    return unknown(name, wanted, `it is above ${ms} ms, the highest bucket of the histogram`);
  return { name, wanted, measured: `above ${ms} ms`, outcome: "missed" };
}

function times({ startedMs, promotedMs, takenBack }: Facts): Criterion[] {
  const took = (name: CriterionName, untilMs: number | undefined): Criterion[] =>
    startedMs === undefined || untilMs === undefined
      ? []
      : [{ name, wanted: "", measured: span(untilMs - startedMs), outcome: "noted" }];
  return [...took("timeToPromote", promotedMs), ...took("timeToRevert", takenBack?.atMs)];
}

function count(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** `40 s`, `12 min 5 s`, `7 d 0 h`: two units, the largest first. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor((seconds % 86_400) / 3600), "h"],
    [Math.floor((seconds % 3600) / 60), "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = units.findIndex(([n]) => n > 0);
  if (first === -1) return "0 s";
  return units
    .slice(first, first + 2)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(" ");
}
