import type { ReplicaSet } from "../../api/kubernetes.ts";
import type { MetricSpec, Reading, SideCounters } from "../analysis/model.ts";
import { LABEL_REVISION } from "../rollout/names.ts";

/** Requests that each pod gets: more than any limit needs to be judged by. */
const PER_MS = 100;

/** Who is judged, and who it is compared with, by revision. */
export interface Sides {
  readonly canary: string;
  readonly stable: string | undefined;
}

/** What Prometheus would answer if all went well: as many requests as the judge wants to see, and none of them bad.
 * @param podsOf names of a ReplicaSet's ready pods
 * @param passedMs since when counters rise; they follow the clock, whoever asks and however often */
export function goodReadings(
  metrics: readonly MetricSpec[],
  sets: readonly ReplicaSet[],
  { canary, stable }: Sides,
  podsOf: (set: ReplicaSet) => readonly string[],
  nowMs: number,
  passedMs: number,
): Reading[] {
  const side = (hash: string | undefined): SideCounters => {
    const pods = sets.filter(({ metadata }) => metadata.labels?.[LABEL_REVISION] === hash).flatMap(podsOf);
    const column = (count: number) => pods.map((pod) => ({ pod, samples: [[nowMs, count] as const] }));
    return { total: column(PER_MS * (passedMs + 1)), bad: column(0) };
  };
  return metrics.map((spec): Reading => {
    const metric = spec.name;
    if (spec.kind === "query") return { kind: "value", metric, atMs: nowMs, value: spec.max ?? spec.min ?? 0 };
    return { kind: "counters", metric, canary: side(canary), stable: side(stable === canary ? undefined : stable) };
  });
}
