import type { MetricStatus, Verdict } from "../analysis/model.ts";
import { adopting } from "./adopt.ts";
import { handingOver } from "./hand-over.ts";
import { leaving } from "./leave.ts";
import type { Orders } from "./requests.ts";
import { resting, starting } from "./rest.ts";
import { returning, rollingBack, startReturn, startRollback } from "./return.ts";
import { stepping } from "./step.ts";
import { hasRoutes, heldMs, stageOf, type Target } from "./target.ts";
import type { World } from "./world.ts";

/** What the judge says of the present canary, or of the stable that bakes. */
export interface Judged {
  readonly verdict: Verdict;
  readonly metrics: readonly MetricStatus[];
  /** Whether every metric was answered since this process began to watch it. */
  readonly answered: boolean;
}

export interface Situation {
  readonly world: World;
  readonly judged?: Judged;
  readonly orders?: Orders;
}

export type Rule = (situation: Situation) => Target | undefined;

/** First answer wins. Bad news stands above every reason to wait; waiting above going on. */
const rules: readonly Rule[] = [
  leaving, // A Rollout that is being deleted puts back what it changed.
  cannotGoOn, // Missing or claimed: nothing moves until it is mended.
  adopting, // No stable yet, and the pods are a Deployment's.
  starting, // No stable yet: the first revision becomes it, unjudged.
  rejectedElsewhere, // A rejection that a crash kept from status.
  returning, // Traffic on its way back arrives before anything else is considered.
  rollingBack,
  abortedByUser, // Abort beats everything that goes up.
  analysisFailed, // Bad news outranks every reason to wait.
  rolledBackByUser,
  deadlineMissed,
  canaryLost, // A weighted side without a ready endpoint gives its traffic back.
  undone, // The spec names stable again.
  superseded, // The spec names a third revision.
  handingOver,
  stepping,
  resting,
];

/** Says what should be. Pure and total: every world has an answer. */
export function decide(situation: Situation): Target {
  for (const rule of rules) {
    const target = rule(situation);
    if (target !== undefined) return target;
  }
  throw new Error("No rule answered; `resting` must");
}

/** Whether a canary is on its way up. */
function onTheWay({ status }: World): boolean {
  return status.progress?.stage === "Stepping" || status.progress?.stage === "HandingOver";
}

function cannotGoOn({ world }: Situation): Target | undefined {
  const { snapshot, settings } = world;
  const { claimedBy } = snapshot;
  if (claimedBy !== undefined) {
    return failed(
      world,
      "TargetClaimed",
      `${claimedBy.what} is managed by the older Rollout "${claimedBy.rollout}"; one of both has to go`,
    );
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
  if (snapshot.templateProblem !== undefined) return failed(world, "TemplateRefused", snapshot.templateProblem);
  return undefined;
}

function serviceProblem({ snapshot, settings }: World): string | undefined {
  const { service } = snapshot;
  if (service?.spec.type === "ExternalName")
    return `Service "${settings.service}" is of type ExternalName, which leads to no pods; use a ClusterIP Service`;
  if (Object.keys(service?.spec.selector ?? {}).length === 0)
    return `Service "${settings.service}" has no selector; give it one that matches the pods`;
  return undefined;
}

/** Nothing moves: sizes, routes and Services stay as they are. */
function failed(world: World, reason: string, message: string): Target {
  const { progress, step } = world.status;
  return {
    stage: stageOf(world.status) ?? "Starting",
    mark: progress?.mark ?? "waiting",
    phase: "Failed",
    reason,
    message,
    ...(world.stable === undefined ? {} : { stable: world.stable.hash }),
    ...(progress?.canary === undefined ? {} : { canary: progress.canary }),
    ...(progress?.previous === undefined ? {} : { previous: progress.previous }),
    stepIndex: step?.index ?? 0,
    weightBp: world.routes.canaryBp,
    sizes: {},
    checkAgainInMs: 5_000,
  };
}

function rejectedElsewhere({ world }: Situation): Target | undefined {
  const note = world.unrecordedRejection;
  if (note === undefined || world.stable === undefined) return undefined;
  const rejection = { revision: note.revision, reason: "AnalysisFailed", message: note.reason };
  if (note.revision === world.stable.hash)
    return world.previous === undefined ? undefined : startRollback(world, world.previous, rejection);
  return note.revision === world.status.progress?.canary ? startReturn(world, rejection, rejection) : undefined;
}

function abortedByUser({ world, orders }: Situation): Target | undefined {
  if (orders?.abort !== true || world.canary === undefined) return undefined;
  const rejection = { revision: world.canary.hash, reason: "Aborted", message: "aborted by request" };
  return startReturn(world, rejection, rejection);
}

function analysisFailed({ world, judged }: Situation): Target | undefined {
  if (judged?.verdict.kind !== "Fail") return undefined;
  const subject = onTheWay(world) ? world.canary : world.stable;
  if (subject === undefined) return undefined;
  const rejection = { revision: subject.hash, reason: "AnalysisFailed", message: judged.verdict.message };
  if (onTheWay(world)) return startReturn(world, rejection, rejection);
  return world.previous === undefined ? undefined : startRollback(world, world.previous, rejection);
}

function rolledBackByUser({ world, orders }: Situation): Target | undefined {
  const to = orders?.rollbackTo === undefined ? undefined : world.revisions.get(orders.rollbackTo);
  if (to === undefined || world.stable === undefined) return undefined;
  return startRollback(world, to, {
    revision: world.stable.hash,
    reason: "RolledBack",
    message: "rolled back by request",
  });
}

/** The size of a step must be ready in time, once; afterwards pods may come and go. */
function deadlineMissed({ world }: Situation): Target | undefined {
  const { canary, settings, status, snapshot } = world;
  if (!onTheWay(world) || canary === undefined || status.progress?.stepReady === true) return undefined;
  if (heldMs(world, "Stepping", "scaling") < settings.progressDeadlineMs) return undefined;
  const trouble = snapshot.podTrouble[canary.hash];
  const rejection = {
    revision: canary.hash,
    reason: "ProgressDeadlineExceeded",
    message: `${canary.ready} of ${canary.size} canary pods became ready within the progress deadline${trouble === undefined ? "" : `: ${trouble}`}`,
  };
  return startReturn(world, rejection, rejection);
}

function canaryLost({ world }: Situation): Target | undefined {
  const { canary, routes, settings, status } = world;
  if (!onTheWay(world) || canary === undefined || !hasRoutes(routes) || routes.canaryBp === 0 || canary.ready > 0)
    return undefined;
  if (status.progress?.stage === "HandingOver" && world.selects === canary.hash) return undefined;
  const waited = heldMs(world, stageOf(status) ?? "Stepping", "canaryLost");
  const mark = { ...stay(world, "canaryLost"), phase: "Progressing" as const, reason: "CanaryLost" };
  if (waited < settings.settleMs) {
    return {
      ...mark,
      message: "no canary pod is ready; its traffic goes back if that lasts",
      checkAgainInMs: settings.settleMs - waited,
    };
  }
  const rejection = {
    revision: canary.hash,
    reason: "CanaryLost",
    message: "every canary pod stopped being ready while it had traffic",
  };
  return startReturn(world, rejection, rejection);
}

function undone({ world }: Situation): Target | undefined {
  const { wanted, stable, canary } = world;
  if (!onTheWay(world) || wanted === undefined || wanted.hash !== stable?.hash) return undefined;
  const message = "the spec names the stable revision again";
  return startReturn(world, { revision: canary?.hash ?? "", reason: "Undone", message });
}

function superseded({ world }: Situation): Target | undefined {
  const { wanted, canary, status } = world;
  if (!onTheWay(world) || wanted === undefined || wanted.hash === status.progress?.canary) return undefined;
  return startReturn(world, {
    revision: canary?.hash ?? "",
    reason: "Superseded",
    message: `revision ${wanted.hash} came meanwhile`,
  });
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
    ...(world.canary === undefined ? {} : { canary: world.canary.hash }),
    ...(progress?.previous === undefined ? {} : { previous: progress.previous }),
    stepIndex: step?.index ?? 0,
    weightBp: world.routes.canaryBp,
    sizes: {},
  };
}
