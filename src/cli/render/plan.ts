import type { Rollout } from "../../api/rollout.ts";
import { requestsWanted } from "../../core/analysis/conclude.ts";
import { type Assumptions, type Forecast, GATES_OPEN, type Moment } from "../../core/forecast/forecast.ts";
import { settingsOf } from "../../core/rollout/settings.ts";
import { weightAt } from "../../core/steps.ts";
import type { Style } from "../io.ts";
import { tableOf } from "./table.ts";
import { duration, phasePaint, stepSaid } from "./words.ts";

export interface Planned {
  /** As it would be: with the change that is being tried. */
  readonly rollout: Rollout;
  readonly forecast: Forecast;
  readonly assumed: Assumptions;
  /** Whether the pods' time was seen, not guessed. */
  readonly measured: boolean;
  /** What this is the plan of: "a release of shop/web:v2", say. */
  readonly about: string;
  /** Every pass, not only those in which something happens. */
  readonly verbose: boolean;
}

/** What the operator does next, and the whole walk from there, with times. */
export function renderPlan(planned: Planned, style: Style): string[] {
  const { rollout, about, forecast, verbose } = planned;
  const { metadata } = rollout;
  const settings = settingsOf(rollout);
  const rows = forecast.moments.filter((moment, i, all) => verbose || isTelling(moment, all[i - 1]));
  const lines = rows.map((moment, i) => [
    duration(moment.atMs),
    moment.stage === "Stepping" ? `${moment.stepIndex + 1}/${settings.steps.length}` : "",
    shareSaid(moment),
    phasePaint(moment.phase, style)(moment.phase),
    whatSaid(moment, forecast, heldMs(moment, forecast, rows[i + 1]), settings.bakeMs),
  ]);
  return [
    `${style.bold(`Plan for Rollout ${metadata.namespace}/${metadata.name}`)}: ${about}`,
    `Steps: ${settings.steps.map(stepSaid).join(" · ")}, then a bake of ${duration(settings.bakeMs)}`,
    ...warningsOf(rollout).map((warning) => `${style.yellow("Note:")} ${warning}`),
    "",
    ...(lines.length === 0
      ? ["Nothing is left to do."]
      : tableOf(["AFTER", "STEP", "WEIGHT", "STATUS", "WHAT HAPPENS"], lines, style)),
    ...endOf(forecast, style),
    "",
    style.dim(assumptionsSaid(planned)),
  ];
}

/** The share of the new revision: all of it once it is handed over, whatever the routes say of the canary Service then. */
function shareSaid({ stage, writtenBp }: Moment): string {
  if (stage === "Resting") return "";
  return stage === "HandingOver" ? "100 %" : `${writtenBp / 100} %`;
}

/** Passes in which something is done, or a wait begins that belongs to the walk. A bake begins once, however it is worded. */
function isTelling({ writes, reason, phase }: Moment, before: Moment | undefined): boolean {
  const bakesOn = reason === "Baking" && before?.reason === "Baking" && before.writes.length === 0;
  if (bakesOn && writes.length === 0) return false;
  const waits = ["Pausing", "Analysing", "Healthy", "Baking", "GateClosed"].includes(reason);
  return writes.length > 0 || waits || phase === "Paused" || phase === "Failed" || phase === "Reverted";
}

/** How long a wait lasts: until the next row, or to the end. */
function heldMs(moment: Moment, forecast: Forecast, next: Moment | undefined): number {
  return (next?.atMs ?? forecast.lastsMs) - moment.atMs;
}

function whatSaid(moment: Moment, { moments }: Forecast, heldForMs: number, bakeMs: number): string {
  const { writes, message, reason } = moment;
  if (writes.length > 0) return writes.join("; ");
  if (reason === "Pausing" || reason === "Analysing") return `${message} for ${duration(heldForMs)}`;
  if (reason === "Baking") return `serves all traffic, still judged for ${duration(bakeMs)}`;
  const { asked } = moments[moments.indexOf(moment) + 1] ?? {};
  if (asked === undefined) return message;
  return `${message} (the times below are as if ${asked === GATES_OPEN ? "it opened" : "someone did"} at once)`;
}

function endOf({ end, moments }: Forecast, style: Style): string[] {
  const last = moments.at(-1);
  if (end === "settled" || last === undefined) return [];
  if (end === "endless") return ["", "It goes on for longer than is told here."];
  return ["", style.yellow(`It stays there, as nothing of this changes by itself: ${last.message}`)];
}

/** What surprises people, though it may be meant. */
function warningsOf(rollout: Rollout): string[] {
  const { steps, routes, replicas } = settingsOf(rollout);
  const falls = steps.flatMap((step, i) => {
    const before = i === 0 ? 0 : weightAt(steps, i - 1);
    return step.kind === "weight" && step.weightBp < before
      ? [`step ${i + 1} lowers the canary from ${before / 100} % to ${step.weightBp / 100} %`]
      : [];
  });
  const coarse =
    routes.length === 0 && replicas !== undefined && replicas < 10
      ? [
          `without routes the share of pods is the share of traffic: of ${replicas} pods each is ${Math.round(100 / replicas)} %`,
        ]
      : [];
  return [...falls, ...coarse];
}

function assumptionsSaid({ rollout, assumed, measured }: Planned): string {
  const { analysis, routes } = settingsOf(rollout);
  const pods = `pods are ready ${duration(assumed.podsReadyMs)} after they are asked for${measured ? ", as the present ones were" : ""}`;
  const gateways = routes.length === 0 ? [] : [`Gateways take a change in within ${duration(assumed.takeInMs)}`];
  const wanted = analysis === undefined ? [] : requestsWanted(analysis);
  const most = Math.max(0, ...wanted.map(({ requests }) => requests));
  const requests =
    most === 0 ? "" : `, and at least ${most.toLocaleString("en-US")} requests reach the canary in each step`;
  const metrics = analysis === undefined ? [] : [`metrics stay good${requests}`];
  return `Assumed: ${[pods, ...gateways, ...metrics].join("; ")}.`;
}
