import type { Deployment } from "../../api/kubernetes.ts";
import type { Situation } from "./decide.ts";
import { type Lead, leadToDeployment } from "./lead-to-deployment.ts";
import { ANNOTATION_CHANGED_BY } from "./names.ts";
import { restingAs } from "./rest.ts";
import { hasRoutes, remainingMs, type Target, untilDeadlineMs } from "./target.ts";
import { WRITE_FAILURE } from "./unfinished.ts";
import { conditionOf, type Revision, type World } from "./world.ts";

/**
 * Taking a running Deployment over without a gap:
 *
 *     its own rollout complete ─▶ paused, marked ─▶ our pods ready at full size ─▶ Service selects ours
 *       ─▶ slices hold only ours ─▶ drain ─▶ Deployment to 0 (it stays paused: strays run nothing new)
 *
 * Ours run the template that its pods ran when it was paused; a newer one becomes the first canary.
 */
export function adopting({ world }: Situation): Target | undefined {
  const { settings, snapshot, stable, wanted } = world;
  const { deployment } = snapshot;
  if (settings.workload === undefined || stable !== undefined || deployment === undefined || wanted === undefined)
    return undefined;
  const waiting = notYet(world, deployment);
  if (waiting !== undefined) return waiting;
  const first = world.revisions.get(world.status.progress?.first ?? "") ?? wanted;
  const { mark = "" } = world.status.progress ?? {};
  const restMs = remainingMs(world, "Starting", GAVE_UP, settings.progressDeadlineMs);
  if (GIVING_UP.includes(mark) || (mark === GAVE_UP && restMs > 0)) return gaveUp(world, first, deployment);
  const size = Math.max(world.replicas, deployment.spec.replicas ?? 1);
  const target: Target = {
    stage: "Starting",
    mark: "scaling",
    phase: "Pending",
    reason: "Adopting",
    message: `taking over Deployment "${settings.workload}": ${first.ready} of ${size} own pods ready`,
    first: first.hash,
    stepIndex: 0,
    weightBp: 0,
    sizes: { [first.hash]: size },
    deployment: { paused: true },
  };
  if (first.ready < size || deployment.spec.paused !== true) return scaling(world, first, target, deployment);
  return settings.service === undefined ? adopted(world, first) : select(world, first, target);
}

const GIVEN_UP = "ProgressDeadlineExceeded";
const GAVE_UP = "gaveUp";
const GIVING_UP: readonly string[] = ["both", "theirs", "handedOver", "emptied"] satisfies Lead["mark"][];

function scaling(world: World, first: Revision, target: Target, deployment: Deployment): Target {
  const leftMs = untilDeadlineMs(world, "Starting", "scaling", world.settings.progressDeadlineMs);
  if (leftMs === 0) return gaveUp(world, first, deployment);
  // Nothing of ours is ready any more, and the Deployment's pods still are.
  const unpinned = first.ready === 0 && world.selects !== "author" ? { selects: "author" } : {};
  return { ...target, ...unpinned, checkAgainInMs: leftMs };
}

/** Moves the Service; the Deployment goes to 0 once its pods have had no traffic for `drain`. */
function select(world: World, first: Revision, target: Target): Target {
  const { settings, serviceEndpoints } = world;
  const selects = hasRoutes(world.routes) ? first.hash : "all";
  const message = `moving the Service to the pods that took over from Deployment "${settings.workload}"`;
  const own = serviceEndpoints.byRevision.get(first.hash) ?? 0;
  const arrived = world.selects === selects && serviceEndpoints.foreign === 0 && own >= first.ready;
  if (!arrived) return { ...target, selects, mark: "selecting", message };
  const waitMs = remainingMs(world, "Starting", "drained", settings.drainMs);
  if (waitMs > 0) return { ...target, selects, mark: "drained", message, checkAgainInMs: waitMs };
  return adopted(world, first);
}

function adopted(world: World, first: Revision): Target {
  return {
    ...restingAs(world, first),
    promoted: first.hash,
    deployment: { paused: true, replicas: 0 },
    checkAgainInMs: 0,
  };
}

/** The Deployment goes on as it was, and ours go once only its pods serve; tried again after as long once more. */
function gaveUp(world: World, first: Revision, { status }: Deployment): Target {
  const lead = leadToDeployment(world, "Starting", status?.availableReplicas ?? 0);
  return {
    stage: "Starting",
    mark: lead?.mark ?? GAVE_UP,
    phase: "Failed",
    reason: GIVEN_UP,
    message: whyGivenUp(world, first),
    first: first.hash,
    stepIndex: 0,
    weightBp: 0,
    selects: lead === undefined ? "author" : (lead.selects ?? world.selects),
    sizes: lead?.sizes ?? {},
    deployment: { paused: false },
    checkAgainInMs: lead?.waitMs ?? remainingMs(world, "Starting", GAVE_UP, world.settings.progressDeadlineMs),
  };
}

/** What stood in the way, as long as it can be seen; it goes with our pods, and then it is as it was told. */
function whyGivenUp({ snapshot, settings, status }: World, { hash }: Revision): string {
  const trouble = snapshot.podTrouble[hash] ?? conditionOf(status, WRITE_FAILURE)?.message;
  const told = conditionOf(status, "Ready")?.reason === GIVEN_UP ? status.message : undefined;
  if (trouble === undefined && told !== undefined) return told;
  const why = trouble === undefined ? "" : ` (${trouble})`;
  return `Deployment "${settings.workload}" was not taken over, as the pods for it were not ready within the progress deadline${why}; it keeps serving, and is tried again later`;
}

/** Only a Deployment at rest, whose size nobody else moves, can be taken over. */
function notYet(world: World, deployment: Deployment): Target | undefined {
  const name = world.settings.workload ?? "";
  const autoscaler = world.snapshot.autoscalers.find(
    ({ spec }) => spec.scaleTargetRef.kind === "Deployment" && spec.scaleTargetRef.name === name,
  );
  const wait = (phase: "Pending" | "Failed", reason: string, message: string): Target => ({
    stage: "Starting",
    mark: "waiting",
    phase,
    reason,
    message,
    stepIndex: 0,
    weightBp: 0,
    sizes: {},
    checkAgainInMs: 5_000,
  });
  if (autoscaler !== undefined) {
    return wait(
      "Failed",
      "AutoscalerTargetsDeployment",
      `HorizontalPodAutoscaler "${autoscaler.metadata.name}" scales Deployment "${name}"; let it scale this Rollout instead (apiVersion zenith.sh/v1alpha1, kind Rollout)`,
    );
  }
  if (deployment.metadata.annotations?.[ANNOTATION_CHANGED_BY] === world.name) return undefined;
  if (!isComplete(deployment))
    return wait("Pending", "WaitingForDeployment", `waiting until Deployment "${name}" has finished its own rollout`);
  return undefined;
}

function isComplete({ metadata, spec, status }: Deployment): boolean {
  const wanted = spec.replicas ?? 1;
  return (
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 1) &&
    (status?.updatedReplicas ?? 0) === wanted &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted
  );
}
