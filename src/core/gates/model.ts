import type { LabelSelector } from "../../api/kill-switch.ts";
import type { Schedule } from "../flags/schedule.ts";

/** What must hold before the first step of a release, with every default filled in and every unit converted: rates as
 * fractions, times in milliseconds. */
export type Gate =
  | { readonly kind: "tests"; readonly source: Source; readonly passRate: number }
  | { readonly kind: "coverage"; readonly source: Source; readonly min: number }
  | {
      readonly kind: "metric";
      readonly name: string;
      readonly promql: string;
      readonly max?: number;
      readonly min?: number;
    }
  | { readonly kind: "rollout"; readonly namespace: string; readonly name: string; readonly forMs: number }
  | { readonly kind: "flags"; readonly selector: LabelSelector }
  | { readonly kind: "window"; readonly schedule: Schedule }
  | { readonly kind: "approval" };

/** An entry of a ConfigMap; without a key, its only one. */
export interface Source {
  readonly configMap: string;
  readonly key?: string;
}

/** How one gate stands. A source that is missing or cannot be read never opens it. */
export interface GateAnswer {
  /** `tests`, `rollout staging/web`, the name of a metric. */
  readonly gate: string;
  readonly kind: Gate["kind"];
  readonly open: boolean;
  /** What was found, and what is wanted; empty where nothing was. */
  readonly value: string;
  readonly wanted: string;
  /** Why it is closed, or what lets it be open: one clause. */
  readonly message: string;
  /** When it may answer otherwise by time alone. */
  readonly checkAgainInMs?: number;
}
