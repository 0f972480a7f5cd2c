import type { Condition, KubeObject, LabelSelector, PodTemplate } from "./kubernetes.ts";
export type RolloutStep = {
  weight?: number | string | undefined;
  pause?: { for?: string | undefined } | undefined;
  analysis?: { for?: string | undefined } | undefined;
};
export type RolloutMetric = {
  errorRate?: { max: string } | undefined;
  latency?: { quantile?: number | undefined; max: string } | undefined;
  query?:
    | {
        name: string;
        promql: string;
        max?: number | string | undefined;
        min?: number | string | undefined;
        consecutive?: number | undefined;
        both?: boolean | undefined;
      }
    | undefined;
};
export interface RolloutSpec {
  replicas?: number | undefined;
  workloadRef?: { kind: string; name: string } | undefined;
  selector?: LabelSelector | undefined;
  template?: PodTemplate | undefined;
  strategy?:
    | {
        canary?:
          | {
              steps?: RolloutStep[] | undefined;
              preset?: string | undefined;
              over?: string | undefined;
              maxSurge?: number | string | undefined;
              maxUnavailable?: number | string | undefined;
              scaleDownDelay?: string | undefined;
              settle?: string | undefined;
              drain?: string | undefined;
            }
          | undefined;
      }
    | undefined;
  traffic?:
    | {
        service: string;
        canaryService?: string | undefined;
        allowDoubleSplit?: boolean | undefined;
        routes?: { httpRoute?: { name: string } | undefined; grpcRoute?: { name: string } | undefined }[] | undefined;
      }
    | undefined;
  analysis?:
    | {
        disabled?: boolean | undefined;
        interval?: string | undefined;
        source?: string | undefined;
        labels?: { namespace?: string | undefined; pod?: string | undefined; status?: string | undefined } | undefined;
        metrics?: RolloutMetric[] | undefined;
        onNoData?: { after?: string | undefined; then?: "hold" | "revert" | "ignore" | undefined } | undefined;
        onUnsure?: { after?: string | undefined; then?: "pause" | "promote" | "revert" | undefined } | undefined;
      }
    | undefined;
  bake?: string | undefined;
  minReadySeconds?: number | undefined;
  progressDeadline?: string | undefined;
  revisionHistoryLimit?: number | undefined;
  onDelete?: "handBack" | "delete" | "keep" | undefined;
  waitFor?: "serving" | "promoted" | undefined;
  paused?: boolean | undefined;
}
export interface RolloutStatus {
  observedGeneration?: number;
  workload?: { observedGeneration: number };
  replicas?: number;
  readyReplicas?: number;
  replicasWanted?: number;
  selector?: string;
  phase?: string;
  message?: string;
  step?: { index: number; total: number; startedAt?: string };
  weights?: { desired: number; written: number; effective: number; writtenBp: number; effectiveBp: number };
  stable?: { revision: string; images: string[]; replicas: number; ready: number };
  canary?: { revision: string; images: string[]; replicas: number; ready: number };
  progress?: {
    stage: string;
    mark: string;
    markSince?: string;
    canary?: string;
    previous?: string;
    stepReady?: boolean;
    paused?: boolean;
    full?: boolean;
    steps?: string;
    because?: { revision: string; reason: string; message: string };
  };
  bake?: { startedAt: string; until: string };
  rejected?: { revision: string; reason: string; message: string; at: string };
  lastRequest?: { value: string; result: string; at: string };
  analysis?: {
    metrics?: { name: string; verdict: string; message: string; limit: number }[];
    checkpoint?: string;
    checkpointAt?: string;
  };
  history?: { revision: string; result: string; message: string; at: string; images: string[] }[];
  conditions?: Condition[];
  display?: { step: string; weight: string; ready: string };
  collisionCount?: number;
}
export interface Rollout extends KubeObject {
  readonly spec: RolloutSpec;
  readonly status?: RolloutStatus;
}
