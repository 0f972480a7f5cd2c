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

/** Why a bake whose time is over goes on: it ends with an answer, and neither an outage of Prometheus nor the absence of data
 * is one. Undefined where it may end. */
export function unansweredBake(source: MetricsView["source"], judged: Judged | undefined): string | undefined {
  if (source.kind !== "ready") return undefined;
  if (judged === undefined || !judged.answered) return "until Prometheus has answered";
  const { kind, message } = judged.verdict;
  if (kind === "NoData") return `until there is data: ${message}`;
  return kind === "Error" ? `until Prometheus answers again: ${message}` : undefined;
}
