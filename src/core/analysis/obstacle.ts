import { overdue } from "./judge.ts";
import type { Judged, MetricsView } from "./memory.ts";
import type { AnalysisSettings } from "./model.ts";

/**
 * What must hold before a canary gets more traffic, or a variant more users. Lowering never waits for any of it.
 *
 * - "answered": since this process began, the metrics source has answered for every metric.
 * - "judged": the present weight has also been seen with enough requests to have shown harm.
 */
export type Gate = "answered" | "judged";

/** Why nothing rises: it is waited for, or, with `needsPerson`, only a person can let it go on. */
export interface Obstacle {
  readonly reason: string; // CamelCase
  readonly message: string;
  readonly needsPerson?: true;
}

/** What the metrics and the judge have against a rise; undefined where nothing.
 * @param path of the analysis in its spec, for messages
 * @param judged undefined before the first look */
export function obstacleTo(
  gate: Gate,
  {
    settings,
    source,
    judged,
    nowMs,
    path,
  }: {
    readonly settings: AnalysisSettings;
    readonly source: MetricsView["source"];
    readonly judged: Judged | undefined;
    readonly nowMs: number;
    readonly path: string;
  },
): Obstacle | undefined {
  const hold = (reason: string, message: string): Obstacle => ({ reason, message: `holding: ${message}` });
  if (source.kind === "none")
    return hold(
      "NoPrometheus",
      `analysis needs a Prometheus; start the operator with --prometheus-url, or set ${path}.disabled`,
    );
  if (source.kind === "unusable") return hold(source.reason ?? "SourceCannotSeparate", source.message);
  if (judged?.verdict.kind === "Error") return hold("MetricsUnavailable", judged.verdict.message);
  if (judged === undefined || !judged.answered)
    return hold("WaitingForMetrics", "Prometheus has not answered for every metric yet");
  const { verdict } = judged;
  if (verdict.kind === "Hold") return hold("BothVersionsBad", verdict.message);
  if (gate === "answered") return undefined;
  if (verdict.kind === "NoData") return hold("NoData", verdict.message);
  if (verdict.kind !== "Unsure") return undefined;
  const late = overdue(settings, verdict, nowMs);
  if (late === "promote") return undefined;
  if (late !== "pause") return hold("TooFewRequests", verdict.message);
  const message = `too few requests to judge by: ${verdict.message}; promote to go on`;
  return { reason: "TooFewRequests", message, needsPerson: true };
}

/** Why a bake whose time is over goes on: it ends with an answer. An outage of Prometheus is none, nor is the absence of data;
 * too few requests, or a breach that must repeat to count, are for as long as `onUnsure` allows. Undefined where it may end. */
export function unansweredBake(
  settings: AnalysisSettings,
  source: MetricsView["source"],
  judged: Judged | undefined,
  nowMs: number,
): string | undefined {
  if (source.kind !== "ready") return undefined;
  if (judged === undefined || !judged.answered) return "until Prometheus has answered";
  const { verdict } = judged;
  if (verdict.kind === "NoData") return `until there is data: ${verdict.message}`;
  if (verdict.kind === "Error") return `until Prometheus answers again: ${verdict.message}`;
  const isWaiting = verdict.kind === "Unsure" && overdue(settings, verdict, nowMs) === undefined;
  return isWaiting ? `until enough was seen: ${verdict.message}` : undefined;
}
