import type { Situation } from "./decide.ts";
import { othersToZero, restingAs } from "./rest.ts";
import { heldMs, type Target } from "./target.ts";

/** The very first revision becomes stable unjudged, as soon as it is ready at full size. */
export function starting({ world }: Situation): Target | undefined {
  const { wanted, stable, replicas, snapshot, settings } = world;
  if (stable !== undefined || wanted === undefined) return undefined;
  const made = wanted.replicaSet ?? (replicas === 0 ? wanted.record : undefined); // No pods are asked for, so none are made.
  if (made !== undefined && wanted.ready >= replicas) return { ...restingAs(world, wanted), promoted: wanted.hash };
  const target: Target = {
    stage: "Starting",
    mark: "scaling",
    phase: "Pending",
    reason: "StartingFirstRevision",
    message: `bringing up the first revision ${wanted.hash}: ${wanted.ready} of ${replicas} pods ready`,
    stepIndex: 0,
    weightBp: 0,
    sizes: { ...othersToZero(world, wanted), [wanted.hash]: replicas },
  };
  if (heldMs(world, "Starting", "scaling") < settings.progressDeadlineMs)
    return { ...target, checkAgainInMs: settings.progressDeadlineMs };
  const trouble = snapshot.podTrouble[wanted.hash];
  const why = trouble === undefined ? "" : `: ${trouble}`;
  const message = `the first revision ${wanted.hash} is not ready after its progress deadline (${wanted.ready} of ${replicas} pods)${why}`;
  return { ...target, phase: "Failed", reason: "ProgressDeadlineExceeded", message };
}
