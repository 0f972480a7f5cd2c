import type { AnalysisStatus } from "../../api/status.ts";
import { type AnalysisMemory, writeCheckpoint } from "./memory.ts";

/** How long a checkpoint of the judge may be old while neither step nor verdict changes. */
const CHECKPOINT_MS = 300_000;

/** What status says of the judge: brought up to date when a verdict changes or the step does, else every five minutes, as
 * numbers change with every scrape.
 * @param moved the step, or what is being judged, changes in this pass
 * @param now RFC 3339 */
export function analysisStatus(
  before: AnalysisStatus | undefined,
  memory: AnalysisMemory,
  moved: boolean,
  now: string,
): AnalysisStatus {
  const verdicts = (metrics: readonly { readonly verdict: string }[] = []) => metrics.map((m) => m.verdict).join();
  const changed = moved || before?.checkpoint === undefined || verdicts(before.metrics) !== verdicts(memory.metrics);
  const old = before?.checkpointAt === undefined || Date.parse(now) - Date.parse(before.checkpointAt) >= CHECKPOINT_MS;
  if (before !== undefined && !changed && !old) return before;
  const metrics = memory.metrics.map((metric) => ({ ...metric, message: metric.message.slice(0, 512) }));
  return { metrics, checkpoint: writeCheckpoint(memory), checkpointAt: now };
}
