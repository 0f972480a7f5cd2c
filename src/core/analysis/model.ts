/** What the judge is told and what it answers. All of it is plain JSON, so that it can be kept in status and replayed. */

import type { Words } from "./sentences.ts";

/** A metric to judge, units normalised: rates are fractions of requests, times are milliseconds. */
export type MetricSpec =
  | { readonly kind: "errorRate"; readonly name: string; readonly max: number } // fraction, 0.01 is 1 %
  | { readonly kind: "latency"; readonly name: string; readonly quantile: number; readonly maxMs: number } // quantile 0.95
  | {
      readonly kind: "query";
      readonly name: string;
      readonly promql: string;
      readonly max?: number;
      readonly min?: number;
      readonly consecutive: number; // breaches in a row that fail it
      readonly both: boolean; // run for stable too, shown beside
    };

export interface AnalysisSettings {
  readonly metrics: readonly MetricSpec[];
  readonly intervalMs: number;
  readonly onNoData: { readonly afterMs: number; readonly then: "hold" | "revert" | "ignore" };
  readonly onUnsure: { readonly afterMs: number; readonly then: "pause" | "promote" | "revert" };
  /** Judge for errorRate and latency; custom queries always use thresholds. */
  readonly judge: "evidence" | "threshold";
  readonly alpha: number; // share of healthy rollouts that may be reverted, 0.01
  readonly warmupMs: number; // latency of pods younger than this is not judged
  /** Those of a release unless said. */
  readonly words?: Words;
}

/** Raw counters of one pod, as scraped: [milliseconds since epoch, value], oldest first, each scrape once. */
export interface PodCounter {
  readonly pod: string; // the pod's name; "name@instance" where one pod has several scrape targets
  readonly samples: readonly (readonly [number, number])[];
}

/** Cumulative counters of one side: requests, and bad ones (errors, or slower than the limit). */
export interface SideCounters {
  readonly total: readonly PodCounter[];
  readonly bad: readonly PodCounter[];
}

/** One answer of the metrics source for one metric. Faults are values: an outage is not a breach, no data is not a pass. */
export type Reading =
  | {
      readonly kind: "counters";
      readonly metric: string;
      readonly canary: SideCounters;
      readonly stable: SideCounters;
      /** Why "bad" is only "surely bad": enough to fail on, too little to pass on. Absent where it is exact. */
      readonly inexact?: string;
    }
  | {
      readonly kind: "value";
      readonly metric: string;
      readonly atMs: number;
      readonly value: number;
      readonly stableValue?: number;
    }
  | { readonly kind: "noData"; readonly metric: string; readonly message: string }
  | { readonly kind: "error"; readonly metric: string; readonly message: string };

/** A quantile of response times over a long while, for people; nothing is judged by it. */
export type QuantileAnswer =
  /** `atLeast`: it lies above the highest bucket, which is this. */
  | { readonly kind: "measured"; readonly ms: number; readonly atLeast?: true }
  | { readonly kind: "unknown"; readonly message: string };

/** Verdicts are never mixed up: see docs/guarantees.md. */
export type VerdictKind = "Fail" | "Hold" | "Pass" | "Continue" | "Unsure" | "NoData" | "Error";

/** What status shows for one metric. */
export interface MetricStatus {
  readonly name: string;
  readonly verdict: VerdictKind;
  readonly value?: number; // observed canary rate (fraction), or the query's value
  readonly limit: number;
  readonly stableValue?: number;
  readonly evidence?: number; // likelihood that the canary is worse, as N in N:1, rounded
  readonly requests?: number; // canary requests judged
  readonly message: string; // one sentence for a person
}

export interface Verdict {
  readonly kind: VerdictKind;
  /** One sentence, the reason a revert bears: `error-rate 4.8 % (17/352), stable 0.10 %: evidence 1,700:1, revert at 100:1`. */
  readonly message: string;
  readonly metric?: string;
  /** Since when this kind of verdict has stood, on the clock of `nowMs`; a new step begins anew. */
  readonly sinceMs: number;
}
