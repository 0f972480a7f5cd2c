import type { RolloutStatus } from "../../api/rollout.ts";
import type { Settings } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";

/** In a release an autoscaler may lower the size to its highest of the last ten minutes, not below: the load is divided
 * between two versions, and its average says little of either. */
const PEAK_MS = 600_000;

/** What the spec, or what stands in for it, asks for: the last size stands where nobody says one. */
export function askedReplicas({ deployment }: Snapshot, settings: Settings, status: RolloutStatus): number {
  return settings.replicas ?? status.replicasWanted ?? deployment?.spec.replicas ?? 1;
}

/** The size that is kept up: what is asked for, and in a release no less than an autoscaler's peak. */
export function replicasOf(snapshot: Snapshot, asked: number, { peak, progress }: RolloutStatus): number {
  const held = peak !== undefined && progress?.canary !== undefined && asked > 0 && asked < peak.size;
  if (!held || !isAutoscaled(snapshot)) return asked;
  const fellMs = peak.fellAt === undefined ? 0 : snapshot.nowMs - Date.parse(peak.fellAt);
  return fellMs < PEAK_MS ? peak.size : asked;
}

export function isAutoscaled({ autoscalers, rollout }: Snapshot): boolean {
  return autoscalers.some(
    ({ spec: { scaleTargetRef } }) =>
      scaleTargetRef.kind === "Rollout" && scaleTargetRef.name === rollout.metadata.name,
  );
}
