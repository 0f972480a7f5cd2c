import type { Situation } from "./decide.ts";
import { isOwnedBy } from "./objects.ts";
import { restingAs } from "./rest.ts";
import { startReturn } from "./return.ts";
import { hasRoutes, type Target } from "./target.ts";
import { namesAsked } from "./traffic-names.ts";
import type { World } from "./world.ts";

/**
 * What the spec no longer names is put back before anything else moves:
 *
 *     a release goes back to stable ─▶ routes folded ─▶ no pod but stable's is left ─▶ Service unpinned ─▶ the spec's names count
 */
export function puttingBack({ world }: Situation): Target | undefined {
  const { settings, status, stable } = world;
  if (!settings.outdated) return undefined;
  const message = "putting back what spec.traffic no longer names";
  const { stage, canary } = status.progress ?? {};
  if (stable === undefined) return notStarted(world, message);
  if (stage === "Stepping" || stage === "HandingOver")
    return startReturn(world, { revision: canary ?? "", reason: "TrafficEdited", message });
  const rest: Target = {
    ...restingAs(world, stable),
    phase: "Progressing",
    reason: "TrafficEdited",
    message,
    checkAgainInMs: 5_000,
  };
  const folded = !hasRoutes(world.routes) || world.routes.state === "rest" || world.routes.problem !== undefined;
  const pods = [...world.revisions.values()].some((r) => r.pods > 0 && r !== stable && r !== world.previous);
  if (!folded || pods) return rest;
  const unpinned = { ...rest, ...unpin(world) };
  return isUnpinned(world) ? { ...unpinned, putBack: true, checkAgainInMs: 0 } : unpinned;
}

function notStarted(world: World, message: string): Target {
  return {
    stage: "Starting",
    mark: "waiting",
    phase: "Pending",
    reason: "TrafficEdited",
    message,
    ...(world.status.progress?.first === undefined ? {} : { first: world.status.progress.first }),
    stepIndex: 0,
    weightBp: 0,
    sizes: {},
    ...unpin(world),
    ...(isUnpinned(world) ? { putBack: true } : {}),
    checkAgainInMs: isUnpinned(world) ? 0 : 5_000,
  };
}

/** Whether the spec names another Service; with the same one only routes are put back. */
function isRenamed({ rollout, settings }: World): boolean {
  return settings.service !== namesAsked(rollout).service;
}

function isUnpinned(world: World): boolean {
  return !isRenamed(world) || world.snapshot.service === undefined || world.selects === "author";
}

function unpin(world: World): Pick<Target, "selects" | "canarySelects"> {
  const other = world.settings.canaryService !== namesAsked(world.rollout).canaryService;
  return { ...(isRenamed(world) ? { selects: "author" } : {}), ...(other ? canaryOfAuthor(world) : {}) };
}

/** A canary Service that its author made is given back to him; ours goes with the Rollout. */
export function canaryOfAuthor({ snapshot, rollout }: World): Pick<Target, "canarySelects"> {
  const { canaryService } = snapshot;
  const theirs = canaryService !== undefined && !isOwnedBy(canaryService, rollout.metadata.uid);
  return theirs ? { canarySelects: "author" } : {};
}
