import type { FeatureFlag } from "../../api/feature-flag.ts";
import { conditionOf } from "../../core/rollout/world.ts";
import type { Step } from "../flags/explain.ts";
import { keyOf, type UserContext } from "../flags/world.ts";
import { padded, type Style } from "../io.ts";
import { tableOf } from "./table.ts";
import { ageOf, phasePaint } from "./words.ts";

/** FeatureFlags in rows: what users get now, and how it reaches them. */
export function renderFlags(
  flags: readonly FeatureFlag[],
  { wide, namespaces }: { readonly wide: boolean; readonly namespaces: boolean },
  nowMs: number,
  style: Style,
): string[] {
  const heads = [
    ...(namespaces ? ["NAMESPACE"] : []),
    ...["NAME", "STATUS", "SERVES", "STRATEGY", "STEP", "DELIVERED", "AGE"],
    ...(wide ? ["OWNER", "EXPIRES", "MESSAGE"] : []),
  ];
  const rows = flags.map(({ metadata, spec, status }) => {
    const phase = status?.phase ?? "Unseen";
    const { serves = "", strategy = "", step = "", delivered = "" } = status?.display ?? {};
    return [
      ...(namespaces ? [metadata.namespace ?? ""] : []),
      metadata.name,
      flagPaint(phase, style)(phase),
      ...[serves, strategy, step, delivered],
      ageOf(metadata.creationTimestamp, nowMs),
      ...(wide ? [spec.lifecycle?.owner ?? "", spec.lifecycle?.expires ?? "", status?.message ?? ""] : []),
    ];
  });
  return tableOf(heads, rows, style);
}

/** One flag: what it serves and why, how it is judged, how far it has come, and who changed what. */
export function renderFlag(flag: FeatureFlag, nowMs: number, style: Style): string[] {
  const { metadata, spec, status } = flag;
  const phase = status?.phase ?? "Unseen";
  const facts: [string, string][] = [];
  const fact = (name: string, text: string | undefined) => text !== undefined && facts.push([name, text]);
  fact("Serves", status?.display?.serves);
  fact("Key", `${keyOf(flag)} in flag set ${spec.flagSet ?? metadata.namespace}`);
  const { step, strategy } = status?.display ?? {};
  fact(
    "Strategy",
    strategy === undefined ? undefined : `${strategy}${step === undefined || step === "-" ? "" : `, step ${step}`}`,
  );
  const { delivery, override } = status ?? {};
  fact(
    "Delivered",
    delivery === undefined
      ? undefined
      : `to ${delivery.acked} of ${delivery.clients} clients by ${delivery.servers} servers${delivery.p99Ms === undefined ? "" : `, 99 % within ${delivery.p99Ms} ms`}`,
  );
  fact("Taken back", override === undefined ? undefined : `${override.message}, ${ageOf(override.at, nowMs)} ago`);
  const { owner, expires } = spec.lifecycle ?? {};
  fact("Owner", owner === undefined ? undefined : `${owner}${expires === undefined ? "" : `, until ${expires}`}`);
  const width = Math.max(...facts.map(([name]) => name.length));
  const stale = conditionOf({ conditions: status?.conditions ?? [] }, "Stale");
  return [
    `${style.bold(`FeatureFlag ${metadata.namespace}/${metadata.name}`)}: ${flagPaint(phase, style)(phase)}`,
    status?.message ?? "no operator has looked at it yet",
    ...(stale?.status === "True" ? [style.yellow(`Stale: ${stale.message}`)] : []),
    "",
    ...facts.map(([name, text]) => `${style.bold(padded(name, width))}   ${text}`),
    ...metricsOf(flag, style),
    ...historyOf(flag, nowMs, style),
  ];
}

function flagPaint(phase: string, style: Style) {
  return phase === "Killed" ? style.red : phasePaint(phase, style);
}

function metricsOf({ status }: FeatureFlag, style: Style): string[] {
  const metrics = status?.analysis?.metrics ?? [];
  if (metrics.length === 0) return [];
  const rows = metrics.map(({ name, verdict, message }) => [name, verdict, message]);
  return ["", ...tableOf(["ANALYSIS", "VERDICT", "WHAT WAS SEEN"], rows, style)];
}

function historyOf({ status }: FeatureFlag, nowMs: number, style: Style): string[] {
  const history = status?.history ?? [];
  if (history.length === 0) return [];
  const rows = history.map(({ at, what, by, message }) => [`${ageOf(at, nowMs)} ago`, what, by ?? "", message]);
  return ["", ...tableOf(["WHEN", "WHAT", "WHO", "MORE"], rows, style)];
}

/** What decides, in its order. */
export function renderExplanation(
  flag: FeatureFlag,
  steps: readonly Step[],
  user: UserContext | undefined,
  outcome: string | undefined,
  style: Style,
): string[] {
  const rows = steps.map(({ what, says, decides }, i) => {
    const mark = decides === true ? `${style.marks.arrow} ` : "  ";
    const row = [`${mark}${i + 1}`, what, says];
    return decides === true ? row.map(style.bold) : row;
  });
  const who = user === undefined ? "" : ` for ${JSON.stringify(user)}`;
  return [
    `FeatureFlag ${flag.metadata.namespace}/${flag.metadata.name}${who}: the first that fits decides`,
    ...tableOf([], rows, style),
    ...(outcome === undefined ? [] : ["", outcome]),
  ];
}
