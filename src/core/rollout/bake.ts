import type { Situation } from "./decide.ts";

/** Why a bake whose time is over goes on: it ends with an answer, and neither an outage of Prometheus nor the absence of data
 * is one. Undefined where it may end. */
export function overdueBake({ world, judged }: Situation): string | undefined {
  if (world.settings.analysis === undefined || world.snapshot.metrics.source.kind !== "ready") return undefined;
  if (judged === undefined || !judged.answered) return "until Prometheus has answered";
  const { kind, message } = judged.verdict;
  if (kind === "NoData") return `until there is data: ${message}`;
  return kind === "Error" ? `until Prometheus answers again: ${message}` : undefined;
}
