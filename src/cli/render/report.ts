import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import type { CriterionName, Outcome } from "../../core/report/criteria.ts";
import type { Style } from "../io.ts";
import { tableOf } from "./table.ts";
import { phasePaint } from "./words.ts";

type Report = NonNullable<RolloutStatus["report"]>;

const NAMES: Readonly<Record<CriterionName, string>> = {
  tests: "tests",
  coverage: "coverage",
  errorRate: "error rate",
  p95: "P95",
  incidents: "incidents",
  traffic: "traffic",
  feedback: "user feedback",
  rollbacks: "rollbacks",
  timeToPromote: "time to promote",
  timeToRevert: "time to revert",
  rollbackTime: "rollback time",
};

/** The report as a table under a sentence, and how many criteria were met. */
export function renderReport(rollout: Rollout, report: Report, style: Style): string[] {
  const { metadata, status } = rollout;
  const { revision, images, result, at, criteria } = report;
  const of = images.length === 0 ? revision : `${revision} (${images.join(", ")})`;
  const said = phasePaint(result === "Promoted" ? "Healthy" : result, style)(result);
  const rows = criteria.map(({ name, wanted, measured, outcome }) => [
    `${marked(outcome, style)} ${nameSaid(name)}`,
    wanted,
    outcome === "unknown" ? style.dim(measured) : measured,
  ]);
  return [
    `${style.bold(`Rollout ${metadata.namespace}/${metadata.name}`)}: revision ${of}`,
    `${said}${report.startedAt === undefined ? "" : `, begun ${report.startedAt.slice(0, 19)}Z`}, decided ${at.slice(0, 19)}Z`,
    ...(isOlder(status, revision) ? ["Another release is on its way: this is the report on the one before."] : []),
    "",
    ...tableOf(["  CRITERION", "WANTED", "MEASURED"], rows, style),
    "",
    sumOf(report, style),
  ];
}

function nameSaid(name: string): string {
  return NAMES[name as CriterionName] ?? name;
}

function marked(outcome: string, { marks, green, red, yellow }: Style): string {
  switch (outcome as Outcome) {
    case "met":
      return green(marks.good);
    case "missed":
      return red(marks.bad);
    case "unknown":
      return yellow(marks.waiting);
    default:
      return " ";
  }
}

function isOlder(status: RolloutStatus | undefined, revision: string): boolean {
  return status?.canary !== undefined && status.canary.revision !== revision;
}

function sumOf({ criteria }: Report, style: Style): string {
  const count = (outcome: Outcome) => criteria.filter((criterion) => criterion.outcome === outcome).length;
  const [met, missed, unknown] = [count("met"), count("missed"), count("unknown")];
  const sum = `${met} met, ${missed} missed, ${unknown} not measured`;
  return missed === 0 ? style.green(sum) : style.red(sum);
}
