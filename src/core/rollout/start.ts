import type { Situation } from "./decide.ts";
import { othersToZero, restingAs } from "./rest.ts";
import { hasRoutes, remainingMs, seenMs, type Target } from "./target.ts";
import type { Revision, World } from "./world.ts";

/** The very first revision becomes stable unjudged, as soon as it is ready at full size: the one before, should a second have
 * been asked for in between. */
export function starting({ world }: Situation): Target | undefined {
  const { wanted, stable, replicas, snapshot, settings } = world;
  if (stable !== undefined || wanted === undefined) return undefined;
  // An outage may come between what the Service learns of pods and what their ReplicaSet's status does.
  const leadsTo = (hash: string) => (world.serviceEndpoints.byRevision.get(hash) ?? 0) > 0;
  const serving = [...world.revisions.values()].filter(({ ready, hash }) => ready > 0 || leadsTo(hash));
  const others = serving.filter(({ hash }) => hash !== wanted.hash);
  const before = others.find(({ ready, size, mark }) => ready >= replicas && size > 0 && mark?.kind !== "rejected");
  const made = wanted.replicaSet ?? (replicas === 0 ? wanted.record : undefined); // No pods are asked for, so none are made.
  const up = before ?? (made !== undefined && wanted.ready >= replicas ? wanted : undefined);
  if (up !== undefined) return alone(world, up, serving) ?? { ...restingAs(world, up), promoted: up.hash };
  const target: Target = {
    ...startingTarget("scaling"),
    message: `bringing up the first revision ${wanted.hash}: ${wanted.ready} of ${replicas} pods ready`,
    sizes: { ...(others.length > 0 ? {} : othersToZero(world, wanted)), [wanted.hash]: replicas }, // What serves stays.
  };
  if (seenMs(world, "Starting", "scaling") < settings.progressDeadlineMs)
    return { ...target, checkAgainInMs: settings.progressDeadlineMs };
  const trouble = snapshot.podTrouble[wanted.hash];
  const why = trouble === undefined ? "" : `: ${trouble}`;
  const message = `the first revision ${wanted.hash} is not ready after its progress deadline (${wanted.ready} of ${replicas} pods)${why}`;
  return { ...target, phase: "Failed", reason: "ProgressDeadlineExceeded", message };
}

/** Pods of another revision that came up too have no requests for `drain` before they go. */
function alone(world: World, up: Revision, serving: readonly Revision[]): Target | undefined {
  if (!hasRoutes(world.routes) || serving.every(({ hash }) => hash === up.hash)) return undefined;
  const { drainMs } = world.settings;
  const waitMs = world.selects === up.hash ? remainingMs(world, "Starting", "drained", drainMs) : drainMs;
  if (waitMs === 0) return undefined;
  return {
    ...startingTarget(world.selects === up.hash ? "drained" : "selecting"),
    message: `leading the Service to the first revision ${up.hash} alone`,
    selects: up.hash,
    sizes: { [up.hash]: world.replicas },
    checkAgainInMs: waitMs,
  };
}

function startingTarget(mark: string): Omit<Target, "message" | "sizes"> {
  return {
    stage: "Starting",
    mark,
    phase: "Pending",
    reason: "StartingFirstRevision",
    stepIndex: 0,
    weightBp: 0,
  };
}
