import { type AnalysisState, checkpointOf } from "./judge.ts";
import type { MetricStatus, QuantileAnswer, Reading, Verdict } from "./model.ts";

/** What the judge says of what is on its way up, or of what bakes. */
export interface Judged {
  readonly verdict: Verdict;
  readonly metrics: readonly MetricStatus[];
  /** Whether every metric was answered since this process began to watch it. */
  readonly answered: boolean;
}

/** What is known from the metrics source. */
export interface MetricsView {
  /** Whether the operator has a Prometheus at all, and if the spec's choice of source cannot work, why. */
  readonly source:
    | { readonly kind: "ready" }
    | { readonly kind: "none" }
    | { readonly kind: "unusable"; readonly reason?: string; readonly message: string };
  /** Answers since the last pass; empty where none came. */
  readonly readings: readonly Reading[];
  /** The 95th percentile of response times over a whole bake, asked for near its end. */
  readonly p95?: QuantileAnswer;
  /** What the judge knew after the pass before; undefined after a start: then status.analysis.checkpoint says it. */
  readonly memory?: AnalysisMemory;
}

/** The judge's memory of one subject, a revision say, kept by the shell between passes and checkpointed in status. */
export interface AnalysisMemory {
  /** What is judged: a Rollout's revision, or one ramp of a FeatureFlag. Another subject is judged anew. */
  readonly subject: string;
  readonly stepIndex: number;
  readonly state: AnalysisState;
  readonly verdict: Verdict;
  readonly metrics: readonly MetricStatus[];
  /** Server time up to which samples were judged: where the next query begins. */
  readonly judgedUpToMs: number;
  /** Whether every metric has been answered since this process began to watch it. */
  readonly answered: boolean;
}

interface Checkpoint {
  readonly subject: string;
  readonly stepIndex: number;
  readonly state: AnalysisState;
}

/** A memory as text, for status. */
export function writeCheckpoint({ subject, stepIndex, state }: AnalysisMemory): string {
  return `{"subject":${JSON.stringify(subject)},"stepIndex":${stepIndex},"state":${checkpointOf(state)}}`;
}

/** A checkpoint that cannot be read is as none: the judge starts anew, which is safe. */
export function readCheckpoint(text: string | undefined): Checkpoint | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Checkpoint;
    return typeof value.subject === "string" && typeof value.state?.startedAtMs === "number" ? value : undefined;
  } catch {
    return undefined;
  }
}
