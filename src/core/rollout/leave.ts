import type { Deployment } from "../../api/kubernetes.ts";
import { optional } from "../optional.ts";
import type { Situation } from "./decide.ts";
import { type Lead, leadToDeployment } from "./lead-to-deployment.ts";
import { FINALIZER, sameTemplate } from "./names.ts";
import { canaryOfAuthor } from "./put-back.ts";
import { hasRoutes, heldMs, remainingMs, seenMs, type Target, untilDeadlineMs } from "./target.ts";
import type { World } from "./world.ts";

/**
 * A Rollout that is being deleted: route → effective → canary drained; then what `onDelete` says.
 *
 *     handBack: Deployment gets the stable template, full size, ready ─▶ Service lets its pods in, then only them ─▶ drain
 *                 ─▶ ours to 0 ─▶ Service unpinned, finalizer away
 *     delete:   Service unpinned, finalizer away, ours go      keep: Service unpinned, our pods stay, ownerless
 *
 * Pods that serve are never deleted: a Deployment that does not come up in time leaves ours where they are.
 */
export function leaving({ world: seen }: Situation): Target | undefined {
  const world = towardsPrevious(seen);
  const { rollout, settings, snapshot } = world;
  if (rollout.metadata.deletionTimestamp === undefined) return undefined;
  if (rollout.metadata.finalizers?.includes(FINALIZER) !== true) return leavingTarget(world, "left", {});
  if (isUnseen(world)) return leavingTarget(world, LOOKING, { checkAgainInMs: LOOKING_MS });
  const unpaired = unpair(world);
  if (unpaired !== undefined) return unpaired;
  const { deployment } = snapshot;
  const goesToo = deployment === undefined || deployment.metadata.deletionTimestamp !== undefined;
  if (settings.onDelete === "keep") return stableAlone(world) ?? left(world);
  if (goesToo) return left(world);
  if (world.stable === undefined) return notAdopted(world, deployment);
  if (settings.onDelete === "handBack") return handBack(world, deployment);
  return left(world, { deployment: { paused: false } }); // It stays at 0, and whoever scales it up gets what it says.
}

/** A rollback that is under way has its end here: what stays, or is handed back, is what it leads to. */
function towardsPrevious(world: World): World {
  const { previous, status } = world;
  return previous === undefined || status.progress?.stage !== "RollingBack" ? world : { ...world, stable: previous };
}

const LOOKING = "looking";
const LOOKING_MS = 30_000;

/** After a start from a list that is behind, our ReplicaSets may not be seen yet; let go now, they would stay for ever. */
function isUnseen(world: World): boolean {
  const { replicas = 0, progress } = world.status;
  const known = replicas > 0 || progress?.mark === LOOKING;
  return known && world.snapshot.replicaSets.length === 0 && heldMs(world, "Leaving", LOOKING) < LOOKING_MS;
}

function left(world: World, rest: Partial<Target> = {}): Target {
  const folded = hasRoutes(world.routes) ? { wish: { kind: "rest" as const } } : {};
  return leavingTarget(world, "left", {
    ...folded,
    selects: "author",
    ...canaryOfAuthor(world),
    release: true,
    ...rest,
  });
}

function unpair(world: World): Target | undefined {
  const { routes, stable, settings } = world;
  if (!hasRoutes(routes) || routes.state === "rest") return undefined;
  const toStable = stable === undefined ? {} : { selects: stable.hash, canarySelects: stable.hash };
  // A route that nobody answers for any more must not hold the object for ever.
  if (seenMs(world, "Leaving", "back") > settings.progressDeadlineMs) return undefined;
  if (routes.canaryBp > 0 || routes.effect.kind !== "effective" || routes.state === "mixed") {
    const checkAgainInMs = untilDeadlineMs(world, "Leaving", "back", settings.progressDeadlineMs);
    return leavingTarget(world, "back", { ...toStable, wish: { kind: "paired", canaryBp: 0 }, checkAgainInMs });
  }
  const waitMs = remainingMs(world, "Leaving", "drained", settings.drainMs);
  if (waitMs > 0) return leavingTarget(world, "drained", { ...toStable, checkAgainInMs: waitMs });
  return leavingTarget(world, "drained", { ...toStable, wish: { kind: "rest" } });
}

function handBack(world: World, deployment: Deployment): Target {
  const { settings, replicas, selects, stable } = world;
  const handed = { deployment: { paused: false, replicas, ...optional("template", stable?.template) } };
  const deadlineMs = settings.progressDeadlineMs;
  if (!isUp(world, deployment)) {
    const { stage, mark = "" } = world.status.progress ?? {};
    const isKeeping = stage === "Leaving" && KEEPING.includes(mark) && !selects.startsWith("deployment:");
    const late = isKeeping || seenMs(world, "Leaving", "handBack") > deadlineMs;
    if (late && selects.startsWith("deployment:")) return left(world, handed);
    if (late) return stableAlone(world) ?? left(world, { ...handed, keepPods: true });
    return leavingTarget(world, "handBack", { ...handed, checkAgainInMs: deadlineMs });
  }
  const lead = leadToDeployment(world, "Leaving", replicas);
  if (lead === undefined || seenMs(world, "Leaving", "both") > deadlineMs) return left(world, handed);
  return leavingTarget(world, lead.mark, { ...handed, ...way(lead, deadlineMs) });
}

function way({ selects, sizes, waitMs }: Lead, deadlineMs: number): Partial<Target> {
  return { ...optional("selects", selects), sizes, checkAgainInMs: waitMs ?? deadlineMs };
}

/** On the way to leaving only stable's pods behind. */
const KEEPING: readonly string[] = ["scaling", "moving", "alone", "emptied"];

/** What is kept is stable: once nobody pins the Service a canary's pods would be in it for good. */
function stableAlone(world: World): Target | undefined {
  const { stable, replicas, revisions, settings } = world;
  const others = [...revisions.values()].filter(({ hash, size, pods }) => hash !== stable?.hash && size + pods > 0);
  if (stable === undefined || others.length === 0) return undefined;
  const full = { [stable.hash]: replicas };
  const leftMs = untilDeadlineMs(world, "Leaving", "scaling", settings.progressDeadlineMs);
  if (stable.ready < replicas && leftMs > 0)
    return leavingTarget(world, "scaling", { sizes: full, checkAgainInMs: leftMs });
  const pinned = world.snapshot.service === undefined ? {} : { selects: stable.hash };
  if (settings.service !== undefined && heldMs(world, "Leaving", "emptied") === 0) {
    const moved = world.selects === stable.hash || world.snapshot.service === undefined;
    const waitMs = moved ? remainingMs(world, "Leaving", "alone", settings.drainMs) : settings.drainMs;
    if (waitMs > 0)
      return leavingTarget(world, moved ? "alone" : "moving", { ...pinned, sizes: full, checkAgainInMs: waitMs });
  }
  const none = Object.fromEntries(others.map(({ hash }) => [hash, 0]));
  return leavingTarget(world, "emptied", { ...pinned, sizes: { ...full, ...none } });
}

/** Taking over had only begun: the Deployment goes on as it was, and ours go once only its pods serve. */
function notAdopted(world: World, { spec, status }: Deployment): Target {
  const deadlineMs = world.settings.progressDeadlineMs;
  const free = { deployment: { paused: false } };
  const least = spec.replicas === 0 ? 0 : 1; // Its pods may all have died while ours came up.
  const lead = leadToDeployment(world, "Leaving", Math.max(least, status?.availableReplicas ?? 0));
  if (lead === undefined || seenMs(world, "Leaving", "both") > deadlineMs) return left(world, free);
  return leavingTarget(world, lead.mark, { ...free, ...way(lead, deadlineMs) });
}

/** The Deployment runs the stable template at full size, ready, and nothing else. */
function isUp({ stable, replicas }: World, { spec, status, metadata }: Deployment): boolean {
  return (
    stable !== undefined &&
    sameTemplate(spec.template, stable.template) &&
    spec.paused !== true &&
    spec.replicas === replicas &&
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 1) &&
    (status?.updatedReplicas ?? 0) >= replicas &&
    (status?.availableReplicas ?? 0) >= replicas &&
    (status?.replicas ?? 0) === (status?.updatedReplicas ?? 0)
  );
}

function leavingTarget(world: World, mark: string, rest: Partial<Target>): Target {
  const { status } = world;
  return {
    stage: "Leaving",
    mark,
    phase: "Progressing",
    reason: "Deleting",
    message: "putting back what this Rollout changed",
    ...(world.stable === undefined ? {} : { stable: world.stable.hash }),
    ...(status.progress?.canary === undefined ? {} : { canary: status.progress.canary }),
    stepIndex: 0,
    weightBp: 0,
    sizes: {},
    ...rest,
  };
}
