import { overdue } from "../analysis/judge.ts";
import type { Situation } from "./decide.ts";
import { isPromoted } from "./promote.ts";
import { hasRoutes, type Target } from "./target.ts";
import type { World } from "./world.ts";

/**
 * What must hold before the canary gets more traffic. Lowering never waits for any of it.
 *
 * - "answered": nobody paused, and since this process began Prometheus has answered for every metric.
 * - "judged": the present weight has also been seen with enough requests to have shown harm.
 */
export type Gate = "answered" | "judged";

/** Undefined where nothing speaks against more traffic for the canary; else why it holds. */
export function mayRaise({ world, judged, orders }: Situation, target: Target, gate: Gate): Target | undefined {
  const { analysis } = world.settings;
  if (world.settings.paused || pausedByRequest(world, orders?.pause))
    return paused(target, "PausedByUser", "paused by a person; resume to go on");
  if (analysis === undefined || promotesFully({ world, ...(orders === undefined ? {} : { orders }) })) return undefined;
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
  if (source.kind === "unusable") return hold(source.reason ?? "SourceCannotSeparate", source.message);
  if (judged?.verdict.kind === "Error") return hold("MetricsUnavailable", judged.verdict.message);
  if (judged === undefined || !judged.answered)
    return hold("WaitingForMetrics", "Prometheus has not answered for every metric yet");
  const { verdict } = judged;
  if (verdict.kind === "Hold") return hold("BothVersionsBad", verdict.message);
  if (gate === "answered" || isPromoted(world, orders, target.stepIndex) || !hasTraffic(world)) return undefined;
  if (verdict.kind === "NoData") return hold("NoData", verdict.message);
  if (verdict.kind !== "Unsure") return undefined;
  const late = overdue(analysis, verdict, world.nowMs);
  if (late === "promote") return undefined;
  if (late === "pause")
    return paused(target, "TooFewRequests", `too few requests to judge by: ${verdict.message}; promote to go on`);
  return hold("TooFewRequests", verdict.message);
}

/** Whether the canary is being sent requests. */
export function hasTraffic({ routes, canary, status, selects }: World): boolean {
  if (!hasRoutes(routes)) return (canary?.ready ?? 0) > 0;
  return routes.canaryBp > 0 || (status.progress?.stage === "HandingOver" && selects === canary?.hash);
}

/** All that remains at once, without judging, because a person said so. */
export function promotesFully({ world, orders }: Pick<Situation, "world" | "orders">): boolean {
  return orders?.promoteFull === true || world.status.progress?.full === true;
}

export function paused(target: Target, reason: string, message: string): Target {
  const { checkAgainInMs: _none, ...rest } = target;
  return { ...rest, phase: "Paused", reason, message };
}

export function pausedByRequest({ status }: World, order: boolean | undefined): boolean {
  return order ?? status.progress?.paused === true;
}
