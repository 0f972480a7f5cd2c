import type { Deployment } from "../../api/kubernetes.ts";
import type { Situation } from "./decide.ts";
import { ANNOTATION_CHANGED_BY } from "./names.ts";
import { restingAs } from "./rest.ts";
import { hasRoutes, heldMs, remainingMs, type Target } from "./target.ts";
import type { World } from "./world.ts";

/**
 * Taking a running Deployment over without a gap:
 *
 *     its own rollout complete ─▶ paused, marked ─▶ our pods ready at full size ─▶ Service selects ours
 *       ─▶ slices hold only ours ─▶ drain ─▶ Deployment to 0 (it stays paused: strays run nothing new)
 */
export function adopting({ world }: Situation): Target | undefined {
  const { settings, snapshot, stable, wanted } = world;
  const { deployment } = snapshot;
  if (settings.workload === undefined || stable !== undefined || deployment === undefined || wanted === undefined)
    return undefined;
  const waiting = notYet(world, deployment);
  if (waiting !== undefined) return waiting;
  const size = Math.max(world.replicas, deployment.spec.replicas ?? 1);
  const target: Target = {
    stage: "Starting",
    mark: "scaling",
    phase: "Pending",
    reason: "Adopting",
    message: `taking over Deployment "${settings.workload}": ${wanted.ready} of ${size} own pods ready`,
    stepIndex: 0,
    weightBp: 0,
    sizes: { [wanted.hash]: size },
    deployment: { paused: true },
  };
  if (wanted.ready < size || deployment.spec.paused !== true) return late(world, target);
  const selects = hasRoutes(world.routes) ? wanted.hash : "all";
  const serving = {
    ...target,
    selects,
    mark: "selecting",
    message: `moving the Service to the pods that took over from Deployment "${settings.workload}"`,
  };
  if (settings.service !== undefined) {
    const { serviceEndpoints } = world;
    const arrived =
      world.selects === selects &&
      serviceEndpoints.foreign === 0 &&
      (serviceEndpoints.byRevision.get(wanted.hash) ?? 0) >= Math.min(size, wanted.ready);
    if (!arrived) return serving;
    const waitMs = remainingMs(world, "Starting", "drained", settings.drainMs);
    if (waitMs > 0) return { ...serving, mark: "drained", checkAgainInMs: waitMs };
  }
  return {
    ...restingAs(world, wanted),
    promoted: wanted.hash,
    deployment: { paused: true, replicas: 0 },
    checkAgainInMs: 0,
  };
}

function late(world: World, target: Target): Target {
  const { settings, snapshot, wanted } = world;
  const waited = heldMs(world, "Starting", "scaling");
  if (waited < settings.progressDeadlineMs) return { ...target, checkAgainInMs: settings.progressDeadlineMs - waited };
  const trouble = snapshot.podTrouble[wanted?.hash ?? ""];
  const why = trouble === undefined ? "" : `: ${trouble}`;
  return {
    ...target,
    phase: "Failed",
    reason: "ProgressDeadlineExceeded",
    message: `${target.message} after the progress deadline${why}; the Deployment keeps serving`,
  };
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
