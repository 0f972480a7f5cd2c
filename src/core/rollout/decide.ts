import { overdue } from "../analysis/judge.ts";
import type { Judged } from "../analysis/memory.ts";
import { adopting } from "./adopt.ts";
import { anotherGoesBackFirst } from "./bake.ts";
import { hasTraffic } from "./gates.ts";
import { handingOver } from "./hand-over.ts";
import { leaving } from "./leave.ts";
import { scalingMark } from "./marks.ts";
import { problemOf, templateRefused } from "./problems.ts";
import { puttingBack } from "./put-back.ts";
import { abortedBefore } from "./rejection.ts";
import type { Orders } from "./requests.ts";
import { resting } from "./rest.ts";
import { type Because, returning, startReturn } from "./return.ts";
import { rollingBack, startRollback } from "./roll-back.ts";
import { starting } from "./start.ts";
import { stepping } from "./step.ts";
import { flagReverted, killedBySwitch } from "./stops.ts";
import { hasRoutes, heldMs, seenMs, stageOf, type Target } from "./target.ts";
import { isWaking } from "./wake.ts";
import type { World } from "./world.ts";

export interface Situation {
  readonly world: World;
  readonly judged?: Judged;
  readonly orders?: Orders;
}

export type Rule = (situation: Situation) => Target | undefined;

/** First answer wins. Bad news stands above every reason to wait; waiting above going on. */
const rules: readonly Rule[] = [
  leaving, // A Rollout that is being deleted puts back what it changed.
  rejectedElsewhere, // A rejection that a crash kept from status.
  returning, // Traffic on its way back arrives before anything else is considered.
  rollingBack,
  abortedByUser, // Abort beats everything that goes up.
  killedBySwitch,
  revertedWithFlag, // A flag that follows it went back, and takes it along.
  anotherGoesBackFirst, // The latest change is the likeliest cause.
  analysisFailed, // Bad news outranks every reason to wait.
  rolledBackByUser,
  silent, // No data, or too few requests, for so long that the user wants it back.
  deadlineMissed,
  lostWhileBaking, // A weighted side without a ready endpoint gives its traffic back.
  canaryLost,
  undone, // The spec names stable again.
  scaledToZero, // Nothing serves, so nothing can be compared.
  puttingBack, // Objects that the spec no longer names.
  cannotGoOn, // Missing or claimed: nothing goes up until it is mended.
  adopting, // No stable yet, and the pods are a Deployment's.
  starting, // No stable yet: the first revision becomes it, unjudged.
  superseded, // The spec names a third revision.
  handingOver,
  stepping,
  resting,
];

/** Says what should be. Pure and total: every world has an answer. */
export function decide(situation: Situation): Target {
  for (const rule of rules) {
    const target = rule(situation);
    if (target !== undefined) return rejectingWhatWaits(situation, target);
  }
  throw new Error("No rule answered; `resting` must");
}

/** Whatever else keeps a release from beginning, a person's no to it holds. */
function rejectingWhatWaits({ world, orders }: Situation, target: Target): Target {
  const rejected = abortedBefore(world, orders);
  if (rejected === undefined || target.stage !== "Resting" || target.rejected !== undefined) return target;
  return { ...target, rejected };
}

/** Whether a canary is on its way up, and there is something to go back to. */
function onTheWay({ status, stable }: World): boolean {
  const moving = status.progress?.stage === "Stepping" || status.progress?.stage === "HandingOver";
  return moving && stable !== undefined;
}

function cannotGoOn({ world }: Situation): Target | undefined {
  const { snapshot, settings } = world;
  const { claimedBy } = snapshot;
  if (claimedBy !== undefined) {
    const message = `${claimedBy.what} is managed by the older Rollout "${claimedBy.rollout}"; one of both has to go`;
    return { ...failed(world, "TargetClaimed", message), sizes: {} };
  }
  if (settings.workload !== undefined && snapshot.deployment === undefined) {
    return failed(
      world,
      "WorkloadMissing",
      `Deployment "${settings.workload}" does not exist; create it, or name another in spec.workloadRef`,
    );
  }
  if (settings.service !== undefined && snapshot.service === undefined) {
    return failed(
      world,
      "ServiceMissing",
      `Service "${settings.service}" does not exist; create it, or take spec.traffic out`,
    );
  }
  const unusable = settings.service === undefined ? undefined : serviceProblem(world);
  if (unusable !== undefined) return failed(world, "ServiceUnusable", unusable);
  // Later the others keep a release from starting; one that is on its way they do not stop.
  const unfit = world.stable === undefined ? problemOf(world) : world.serviceOfOthers;
  const problem = templateRefused(world) ?? unfit;
  return problem === undefined ? undefined : failed(world, problem.reason, problem.message);
}

function serviceProblem({ snapshot, settings }: World): string | undefined {
  const { service } = snapshot;
  if (service?.spec.type === "ExternalName")
    return `Service "${settings.service}" is of type ExternalName, which leads to no pods; use a ClusterIP Service`;
  if (Object.keys(service?.spec.selector ?? {}).length === 0)
    return `Service "${settings.service}" has no selector; give it one that matches the pods`;
  return undefined;
}

/** Routes, Services and the canary stay as they are. Stable still follows `replicas`: its load does not wait for the mending. */
function failed(world: World, reason: string, message: string): Target {
  const { stable, status } = world;
  const { progress, step } = status;
  const scales = stable !== undefined && (hasRoutes(world.routes) || progress?.stage === "Resting");
  return {
    stage: stageOf(status) ?? "Starting",
    mark: progress?.mark ?? "waiting",
    phase: "Failed",
    reason,
    message,
    ...(stable === undefined ? {} : { stable: stable.hash }),
    ...(progress?.canary === undefined ? {} : { canary: progress.canary }),
    ...(progress?.previous === undefined ? {} : { previous: progress.previous }),
    ...(progress?.first === undefined ? {} : { first: progress.first }),
    stepIndex: step?.index ?? 0,
    ...(progress?.stepReady === true ? { stepReady: true } : {}),
    weightBp: world.routes.canaryBp,
    sizes: scales ? { [stable.hash]: world.replicas } : {},
    checkAgainInMs: 5_000,
  };
}

function rejectedElsewhere({ world }: Situation): Target | undefined {
  const note = world.unrecordedRejection;
  if (note === undefined || world.stable === undefined) return undefined;
  if (note.revision === world.stable.hash)
    return world.previous === undefined ? undefined : startRollback(world, world.previous, note);
  return onTheWay(world) && note.revision === world.status.progress?.canary ? startReturn(world, note) : undefined;
}

function abortedByUser({ world, orders }: Situation): Target | undefined {
  const revision = world.status.progress?.canary;
  if (orders?.abort !== true || revision === undefined || !onTheWay(world)) return undefined;
  return startReturn(world, { revision, reason: "Aborted", message: "aborted by request" });
}

function revertedWithFlag({ world }: Situation): Target | undefined {
  const because = flagReverted(world);
  return because === undefined ? undefined : takeBack(world, because.reason, because.message);
}

function analysisFailed({ world, judged }: Situation): Target | undefined {
  if (judged?.verdict.kind !== "Fail") return undefined;
  return takeBack(world, "AnalysisFailed", judged.verdict.message);
}

/** What is being judged goes back: a canary to stable, a stable that bakes to the revision before it. */
function takeBack(world: World, reason: string, message: string): Target | undefined {
  const { stable, previous, status } = world;
  if (onTheWay(world)) return startReturn(world, { revision: status.progress?.canary ?? "", reason, message });
  if (stable === undefined || previous === undefined || status.bake === undefined) return undefined;
  return startRollback(world, previous, { revision: stable.hash, reason, message });
}

function rolledBackByUser({ world, orders }: Situation): Target | undefined {
  const to = orders?.rollbackTo === undefined ? undefined : world.revisions.get(orders.rollbackTo);
  if (to === undefined || world.stable === undefined) return undefined;
  const because: Because = {
    revision: world.stable.hash,
    reason: "RolledBack",
    message: "rolled back by request",
  };
  return startRollback(world, to, because);
}

function silent({ world, judged }: Situation): Target | undefined {
  const { analysis } = world.settings;
  if (analysis === undefined || judged === undefined || (onTheWay(world) && !hasTraffic(world))) return undefined;
  if (overdue(analysis, judged.verdict, world.nowMs) !== "revert") return undefined;
  const reason = judged.verdict.kind === "NoData" ? "NoData" : "TooFewRequests";
  return takeBack(world, reason, judged.verdict.message);
}

/** The size of a step must be ready in time, once; afterwards pods may come and go. */
function deadlineMissed({ world }: Situation): Target | undefined {
  const { canary, settings, status, snapshot } = world;
  const revision = status.progress?.canary;
  if (!onTheWay(world) || revision === undefined || status.progress?.stepReady === true) return undefined;
  if (seenMs(world, "Stepping", scalingMark(status.step?.index ?? 0)) < settings.progressDeadlineMs) return undefined;
  const trouble = snapshot.podTrouble[revision];
  const message = `${canary?.ready ?? 0} of ${canary?.size ?? 0} canary pods became ready within the progress deadline${trouble === undefined ? "" : `: ${trouble}`}`;
  return startReturn(world, { revision, reason: "ProgressDeadlineExceeded", message });
}

/** No ready pod of the new stable for `settle`, while the one before can still be brought back. */
function lostWhileBaking({ world }: Situation): Target | undefined {
  const { stable, previous, settings, status, replicas } = world;
  const baking = status.progress?.stage === "Resting" && status.bake !== undefined;
  if (!baking || stable === undefined || previous === undefined || stable.ready > 0 || replicas === 0) return undefined;
  if (isWaking(world)) return undefined;
  const leftMs = settings.settleMs - heldMs(world, "Resting", "lost");
  if (leftMs > 0) {
    const message = "no pod of the promoted revision is ready; it is rolled back if that lasts";
    const waiting = { ...stay(world, "lost"), phase: "Baking" as const, reason: "StableLost", baking: true };
    return { ...waiting, sizes: { [stable.hash]: replicas }, message, checkAgainInMs: leftMs };
  }
  return takeBack(world, "StableLost", "every pod of the promoted revision stopped being ready");
}

/** A canary that has traffic and no ready endpoint gives it back; it may have it again once it is ready, in time. */
function canaryLost({ world }: Situation): Target | undefined {
  const { canary, routes, settings, status, stable, canaryEndpoints } = world;
  const hash = status.progress?.canary ?? "";
  if (!onTheWay(world) || !hasRoutes(routes) || !hasTraffic(world) || (stable?.ready ?? 0) === 0) return undefined;
  // At 0 in a hand-over the Service leads to the canary; its slices may be behind, its pods cannot be.
  const leads = routes.canaryBp === 0 || (canaryEndpoints.byRevision.get(hash) ?? 0) > 0;
  if ((canary?.ready ?? 0) > 0 && leads) return undefined;
  const handing = status.progress?.stage === "HandingOver";
  const leftMs = settings.settleMs - heldMs(world, stageOf(status) ?? "Stepping", "canaryLost");
  if (leftMs > 0) {
    const message = "no canary pod is ready; its traffic goes back if that lasts";
    return { ...stay(world, "canaryLost"), reason: "CanaryLost", message, checkAgainInMs: leftMs };
  }
  const message = "every canary pod stopped being ready while it had traffic";
  if (handing) return startReturn(world, { revision: hash, reason: "CanaryLost", message });
  return {
    ...stay(world, scalingMark(status.step?.index ?? 0)),
    stepReady: false,
    reason: "CanaryLost",
    message: `holding at 0 %: ${message}`,
    wish: { kind: "paired", canaryBp: 0 },
    checkAgainInMs: settings.progressDeadlineMs,
  };
}

function undone({ world }: Situation): Target | undefined {
  const { wanted, stable, status } = world;
  if (!onTheWay(world) || wanted === undefined || wanted.hash !== stable?.hash) return undefined;
  const message = "the spec names the stable revision again";
  return startReturn(world, { revision: status.progress?.canary ?? "", reason: "Undone", message });
}

function superseded({ world }: Situation): Target | undefined {
  const { wanted, status } = world;
  if (!onTheWay(world) || wanted === undefined || wanted.hash === status.progress?.canary) return undefined;
  const message = `revision ${wanted.hash} came meanwhile`;
  return startReturn(world, { revision: status.progress?.canary ?? "", reason: "Superseded", message });
}

function scaledToZero({ world }: Situation): Target | undefined {
  if (!onTheWay(world) || world.replicas > 0) return undefined;
  const message = "replicas is 0; the release begins anew once it is not";
  return startReturn(world, { revision: world.status.progress?.canary ?? "", reason: "ScaledToZero", message });
}

/** The present state as a target, with another mark: nothing moves but clocks. */
function stay(world: World, mark: string): Target {
  const { progress, step } = world.status;
  return {
    stage: stageOf(world.status) ?? "Resting",
    mark,
    phase: "Progressing",
    reason: "",
    message: "",
    ...(world.stable === undefined ? {} : { stable: world.stable.hash }),
    ...(progress?.canary === undefined ? {} : { canary: progress.canary }),
    ...(progress?.previous === undefined ? {} : { previous: progress.previous }),
    stepIndex: step?.index ?? 0,
    ...(progress?.stepReady === true ? { stepReady: true } : {}),
    weightBp: world.routes.canaryBp,
    sizes: {},
  };
}
