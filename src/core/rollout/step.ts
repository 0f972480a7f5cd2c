import { canarySizeWithRoutes, nextSizes, resolveSurge, splitReplicas } from "../replicas.ts";
import type { Situation } from "./decide.ts";
import { handOverTarget } from "./hand-over.ts";
import { restingAs } from "./rest.ts";
import { resumeAt, type Step, stepsFingerprint, weightAt } from "./steps.ts";
import { hasRoutes, heldMs, remainingMs, type Target } from "./target.ts";
import type { Revision, World } from "./world.ts";

/**
 * Going up, one step at a time: capacity → ready → route → effective → (wait) → next step.
 * Weight rises only onto ready pods, and counts only once it is effective and has settled.
 */
export function stepping(situation: Situation): Target | undefined {
  const { world } = situation;
  const { stable, canary, status } = world;
  const canaryHash = status.progress?.canary;
  if (status.progress?.stage !== "Stepping" || stable === undefined || canaryHash === undefined) return undefined;
  const walked = walk(situation, status.step?.index ?? 0, false);
  return { ...walked, ...(canary === undefined ? {} : { canary: canary.hash }) };
}

/** Takes step `index`, and the next where it is complete already. */
function walk(situation: Situation, index: number, changed: boolean): Target {
  const { world } = situation;
  const { steps } = world.settings;
  const at = edited(world, index);
  if (at === undefined)
    return held(
      situation,
      index,
      "StepsEdited",
      "the steps were edited and none has the present weight; promote, abort, or edit again",
    );
  const step = steps[at] as Step;
  const weightBp = promotesFully(world, situation) ? 10_000 : weightAt(steps, at);
  const target = { ...base(world, at, weightBp), ...(changed || at !== index ? { stepChanged: true } : {}) };
  const onTheWay = firstPods(situation, target) ?? capacity(world, target) ?? route(situation, target);
  if (onTheWay !== undefined) return onTheWay;
  if (weightBp === 10_000 && (at === steps.length - 1 || promotesFully(world, situation)))
    return finish(situation, target);
  const wait = waitOf(situation, step, target, changed);
  if (wait !== undefined) return wait;
  const rises = !hasRoutes(world.routes) && weightAt(steps, at + 1) > weightBp;
  const gate = rises ? mayRaise(situation, target) : undefined;
  if (gate !== undefined) return gate;
  return changed && step.kind !== "weight" ? target : walk(situation, at + 1, true);
}

function promotesFully(world: World, { orders }: Situation): boolean {
  return orders?.promoteFull === true || world.status.progress?.full === true;
}

/** Where to go on after the steps were edited: undefined where no step has the present weight. */
function edited(world: World, index: number): number | undefined {
  const { steps } = world.settings;
  const before = world.status.progress?.steps;
  if ((before === undefined || before === stepsFingerprint(steps)) && index < steps.length) return index;
  const presentBp = world.routes.canaryBp;
  return presentBp === 0 ? 0 : resumeAt(steps, presentBp);
}

function base(world: World, stepIndex: number, weightBp: number): Target {
  const { stable, status, canary } = world;
  const hash = stable?.hash ?? "";
  return {
    stage: "Stepping",
    mark: status.progress?.mark ?? "scaling",
    phase: "Progressing",
    reason: "Stepping",
    message: "",
    stable: hash,
    ...(status.progress?.canary === undefined ? {} : { canary: status.progress.canary }),
    ...(status.progress?.previous === undefined ? {} : { previous: status.progress.previous }),
    stepIndex,
    weightBp,
    stepReady: status.progress?.stepReady === true,
    ...(hasRoutes(world.routes) ? { selects: hash } : { selects: "all" }),
    sizes: sizesAt(world, weightBp, canary),
  };
}

/** Pods of each side while the canary should have `weightBp` of the traffic. With routes stable stays at full size. */
function sizesAt(world: World, weightBp: number, canary: Revision | undefined): Record<string, number> {
  const { stable, replicas, settings, status } = world;
  const canaryHash = status.progress?.canary ?? canary?.hash ?? "";
  if (stable === undefined) return {};
  if (hasRoutes(world.routes)) {
    const share = canarySizeWithRoutes(replicas, weightBp);
    const serving = canarySizeWithRoutes(replicas, world.routes.canaryBp); // not below what it serves now
    return { [stable.hash]: replicas, [canaryHash]: Math.max(share, serving) };
  }
  const { maxSurge, maxUnavailable } = resolveSurge(replicas, settings.maxSurge, settings.maxUnavailable);
  const side = (r: Revision | undefined) => ({ size: r?.size ?? 0, available: r?.ready ?? 0 });
  const next = nextSizes({
    replicas,
    canaryBp: weightBp,
    maxSurge,
    maxUnavailable,
    stable: side(stable),
    canary: side(canary),
    others: 0,
  });
  return { [stable.hash]: next.stable, [canaryHash]: next.canary };
}

/** Without routes the first canary pod is the first traffic: the gate stands before it. */
function firstPods(situation: Situation, target: Target): Target | undefined {
  const { world } = situation;
  if (hasRoutes(world.routes) || target.weightBp === 0 || (world.canary?.size ?? 0) > 0) return undefined;
  const gate = mayRaise(situation, target);
  if (gate === undefined) return undefined;
  return { ...gate, sizes: world.stable === undefined ? {} : { [world.stable.hash]: world.replicas } };
}

/** Waits for pods. Undefined once this step's size was ready. */
function capacity(world: World, target: Target): Target | undefined {
  const { canary, settings, snapshot } = world;
  const wantedSize = hasRoutes(world.routes)
    ? (target.sizes[target.canary ?? ""] ?? 0)
    : finalSplit(world, target.weightBp).canary;
  const ready = canary?.ready ?? 0;
  const stableMoves = !hasRoutes(world.routes) && world.stable?.size !== finalSplit(world, target.weightBp).stable;
  const enough = canary !== undefined && canary.size >= wantedSize && ready >= wantedSize && !stableMoves;
  const scaledDown = hasRoutes(world.routes) || (canary?.size ?? 0) <= wantedSize;
  if ((enough && scaledDown) || (wantedSize === 0 && !stableMoves)) return undefined;
  if (target.stepReady === true && hasRoutes(world.routes) && ready > 0 && world.routes.canaryBp >= target.weightBp)
    return undefined;
  const trouble = snapshot.podTrouble[target.canary ?? ""];
  return {
    ...target,
    stepReady: false,
    mark: "scaling",
    reason: "CanaryNotReady",
    message: `waiting for canary pods: ${ready} of ${wantedSize} ready${trouble === undefined ? "" : ` (${trouble})`}`,
    checkAgainInMs: remainingMs(world, "Stepping", "scaling", settings.progressDeadlineMs),
  };
}

function finalSplit({ replicas, settings }: World, weightBp: number): { stable: number; canary: number } {
  const { maxSurge } = resolveSurge(replicas, settings.maxSurge, settings.maxUnavailable);
  return splitReplicas(replicas, weightBp, maxSurge);
}

/** Leads the routes to the weight of the step. Undefined once it is effective and has settled. */
function route(situation: Situation, ready: Target): Target | undefined {
  const { world } = situation;
  const target = { ...ready, stepReady: true };
  if (!hasRoutes(world.routes)) return undefined;
  const { routes, settings } = world;
  const { weightBp } = target;
  const wish = { kind: "paired" as const, canaryBp: weightBp };
  if (routes.problem !== undefined)
    return {
      ...target,
      reason: routes.problem.reason,
      message: `holding: ${routes.problem.message}`,
      checkAgainInMs: 5_000,
    };
  if (routes.effect.kind === "refused")
    return {
      ...target,
      reason: "RouteNotAccepted",
      message: `holding: ${routes.effect.message}`,
      ...backWhereRefused(world),
    };
  if (routes.state !== "paired") return enter(situation, target);
  if (routes.canaryBp > weightBp)
    return { ...target, wish, mark: `at:${weightBp}`, message: `lowering the canary to ${percent(weightBp)}` };
  const mark = `at:${routes.canaryBp}`;
  if (routes.effect.kind === "pending")
    return {
      ...target,
      mark,
      message: `waiting for the routes to take ${percent(routes.canaryBp)} in: ${routes.effect.message}`,
    };
  const waitMs = remainingMs(world, "Stepping", mark, settings.settleMs);
  if (waitMs > 0)
    return { ...target, mark, message: `letting ${percent(routes.canaryBp)} settle`, checkAgainInMs: waitMs };
  if (routes.canaryBp === weightBp) return undefined;
  return (
    mayRaise(situation, { ...target, mark }) ?? {
      ...target,
      mark: `at:${weightBp}`,
      wish,
      message: `raising the canary to ${percent(weightBp)}`,
    }
  );
}

/** A route that nobody takes in for half a minute goes back to what its author wrote. */
function backWhereRefused(world: World): Partial<Target> {
  const heldFor = heldMs(world, "Stepping", "refused");
  return heldFor < 30_000
    ? { mark: "refused", checkAgainInMs: 30_000 - heldFor }
    : { mark: "refused", wish: { kind: "rest" } };
}

/** The pair enters at an explicit 0, behind it a Service that already leads to ready canary pods. */
function enter(situation: Situation, target: Target): Target | undefined {
  const { world } = situation;
  const { canary, routes, status } = world;
  if (target.weightBp === 0 && routes.state === "rest") return undefined;
  const hash = canary?.hash ?? "";
  const leads =
    (world.canaryEndpoints.byRevision.get(hash) ?? 0) === world.canaryEndpoints.pods.size &&
    world.canaryEndpoints.pods.size > 0;
  if (world.canarySelects !== hash)
    return {
      ...target,
      mark: "canaryService",
      canarySelects: hash,
      message: "pointing the canary Service at the canary",
    };
  if (!leads)
    return { ...target, mark: "canaryService", message: "waiting until the canary Service leads to the canary's pods" };
  const writtenBp = status.weights?.writtenBp ?? 0;
  const drift =
    writtenBp > 0 &&
    writtenBp <= target.weightBp &&
    (situation.judged?.answered ?? world.settings.analysis === undefined);
  const canaryBp = drift ? writtenBp : 0;
  const gate = drift ? undefined : mayRaise(situation, target);
  if (gate !== undefined) return gate;
  return {
    ...target,
    mark: `at:${canaryBp}`,
    wish: { kind: "paired", canaryBp },
    message: drift ? "putting the canary's weight back on the route" : "entering the canary into the route at 0 %",
  };
}

/** Undefined where nothing speaks against more traffic for the canary; else why it holds. */
function mayRaise({ world, judged, orders }: Situation, target: Target): Target | undefined {
  const { analysis } = world.settings;
  if (world.settings.paused || pausedByRequest(world, orders?.pause))
    return paused(target, "PausedByUser", "paused by a person; resume to go on");
  if (analysis === undefined || promotesFully(world, { world, ...(orders === undefined ? {} : { orders }) }))
    return undefined;
  const { source } = world.snapshot.metrics;
  const hold = (reason: string, message: string): Target => ({
    ...target,
    reason,
    message: `holding: ${message}`,
    checkAgainInMs: analysis.intervalMs,
  });
  if (source.kind === "none")
    return hold(
      "NoPrometheus",
      "analysis needs a Prometheus; start the operator with --prometheus-url, or set spec.analysis.disabled",
    );
  if (source.kind === "unusable") return hold("SourceCannotSeparate", source.message);
  if (judged === undefined || !judged.answered)
    return hold("WaitingForMetrics", "Prometheus has not answered for every metric yet");
  const serving =
    world.routes.state === "none" ? (world.canary?.ready ?? 0) > 0 && target.stepIndex > 0 : world.routes.canaryBp > 0;
  const { verdict } = judged;
  if (verdict.kind === "Error") return hold("MetricsUnavailable", verdict.message);
  if (verdict.kind === "Hold") return hold("BothVersionsBad", verdict.message);
  if (serving && verdict.kind === "NoData") return hold("NoData", verdict.message);
  if (serving && verdict.kind === "Unsure") return hold("TooFewRequests", verdict.message);
  return undefined;
}

/** Waits that belong to the step itself. Undefined once it is complete. */
function waitOf(situation: Situation, step: Step, target: Target, changed: boolean): Target | undefined {
  const { world, judged, orders } = situation;
  if (step.kind === "weight") return undefined;
  const startedMs = changed
    ? world.nowMs
    : Date.parse(world.status.step?.startedAt ?? new Date(world.nowMs).toISOString());
  if (orders?.promote === true && !changed) return undefined;
  if (step.kind === "pause" && step.forMs === undefined) {
    return paused(
      target,
      "WaitingForApproval",
      `waiting for approval at ${percent(target.weightBp)}; promote to go on`,
    );
  }
  const leftMs = startedMs + (step.forMs ?? 0) - world.nowMs;
  if (leftMs > 0) {
    const what = step.kind === "pause" ? "holding" : "analysing";
    return {
      ...target,
      reason: step.kind === "pause" ? "Pausing" : "Analysing",
      message: `${what} at ${percent(target.weightBp)}`,
      checkAgainInMs: leftMs,
    };
  }
  if (
    step.kind === "analysis" &&
    judged?.verdict.kind !== "Continue" &&
    judged?.verdict.kind !== "Pass" &&
    world.settings.analysis !== undefined
  ) {
    return {
      ...target,
      reason: "Analysing",
      message: `analysing at ${percent(target.weightBp)}: ${judged?.verdict.message ?? "no answer yet"}`,
      checkAgainInMs: world.settings.analysis.intervalMs,
    };
  }
  return undefined;
}

function finish(situation: Situation, target: Target): Target {
  const { world } = situation;
  const gate = mayRaise(situation, target);
  if (gate !== undefined) return gate;
  if (hasRoutes(world.routes)) return handOverTarget(world, "selecting");
  const canary = world.canary as Revision;
  return {
    ...restingAs(world, canary),
    promoted: canary.hash,
    ...(world.stable === undefined ? {} : { previous: world.stable.hash }),
    checkAgainInMs: 0,
  };
}

function held(situation: Situation, index: number, reason: string, message: string): Target {
  return {
    ...base(
      situation.world,
      Math.min(index, situation.world.settings.steps.length - 1),
      situation.world.routes.canaryBp,
    ),
    reason,
    message,
  };
}

function paused(target: Target, reason: string, message: string): Target {
  const { checkAgainInMs: _none, ...rest } = target;
  return { ...rest, phase: "Paused", reason, message };
}

export function pausedByRequest({ status }: World, order: boolean | undefined): boolean {
  return order ?? status.progress?.paused === true;
}

/** `25 %`, `0.5 %`. */
export function percent(bp: number): string {
  return `${bp / 100} %`;
}
