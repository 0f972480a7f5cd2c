import { type JudgeInput, judge, restartAnalysis, startStep } from "./judge.ts";
import { type AnalysisMemory, type Judged, type MetricsView, readCheckpoint } from "./memory.ts";
import type { AnalysisSettings } from "./model.ts";
import type { AnalysisState } from "./state.ts";

/** What is being judged in a pass, and how far its judgement stands in status. */
export interface Subject {
  readonly nowMs: number;
  /** Another subject is judged anew. */
  readonly name: string;
  readonly stepIndex: number;
  /** As status has it; what the process remembers goes before. */
  readonly checkpoint: string | undefined;
  /** What was seen so far is not held against it: only what it was compared with is kept. */
  readonly anew: boolean;
  /** Not even that: it can be measured again. */
  readonly comparedAnew?: boolean;
  /** What the judge is told beside the readings. */
  readonly input: (state: AnalysisState) => Omit<JudgeInput, "nowMs" | "readings">;
}

/** One look of the judge: at what was read since the last pass, with what is remembered of the passes before. */
export function look(
  settings: AnalysisSettings,
  metrics: MetricsView,
  subject: Subject,
): { memory: AnalysisMemory; judged: Judged } {
  const { name, nowMs, stepIndex } = subject;
  const before = recall(settings, metrics, subject);
  const state = before.stepIndex === stepIndex ? before.state : startStep(before.state, nowMs);
  // Metrics that were edited away while they were being asked are asked no more.
  const readings = metrics.readings.filter(({ metric }) => settings.metrics.some(({ name }) => name === metric));
  const judgement = judge(settings, state, { ...subject.input(state), nowMs, readings });
  const answered =
    before.answered ||
    (readings.length > 0 &&
      settings.metrics.every(({ name }) => readings.some((r) => r.metric === name && r.kind !== "error")));
  const { verdict, metrics: statuses, judgedUpToMs } = judgement;
  return {
    memory: { subject: name, stepIndex, state: judgement.state, verdict, metrics: statuses, judgedUpToMs, answered },
    judged: { verdict, metrics: statuses, answered },
  };
}

/** What the process remembers; after a start, what status was given last; for a new subject, nothing. */
function recall(settings: AnalysisSettings, { memory }: MetricsView, subject: Subject): AnalysisMemory {
  const { name, nowMs, anew, comparedAnew = false } = subject;
  if (memory?.subject === name && !anew) return memory;
  const checkpoint = readCheckpoint(subject.checkpoint);
  const before = memory?.subject === name ? memory : checkpoint?.subject === name ? checkpoint : undefined;
  const known = anew ? undefined : before;
  const state = known?.state ?? restartAnalysis(settings, comparedAnew ? undefined : before?.state, nowMs);
  return {
    subject: name,
    stepIndex: known?.stepIndex ?? subject.stepIndex,
    state,
    verdict: { kind: "Unsure", message: "not judged yet", sinceMs: nowMs },
    metrics: [],
    judgedUpToMs: known === undefined ? nowMs : state.startedAtMs,
    answered: anew && memory?.answered === true,
  };
}
