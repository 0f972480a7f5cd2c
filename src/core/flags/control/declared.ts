import type { Strategy } from "../settings.ts";
import { WHOLE } from "../settings.ts";
import type { FlagTarget } from "./target.ts";
import type { FlagWorld } from "./world.ts";

/** A strategy that needs nobody to drive it: flag servers serve what the spec says, and by the clock. */
export function declared({ settings, nowMs, changesAtMs }: FlagWorld): FlagTarget {
  const { strategy, control } = settings;
  const healthy: FlagTarget = {
    phase: "Healthy",
    reason: "Healthy",
    message: sentence(strategy, control),
    weightBp: 0,
    stepIndex: 0,
    promoted: true,
    ...(changesAtMs === undefined ? {} : { checkAgainInMs: Math.max(1, changesAtMs - nowMs) }),
  };
  if (strategy.kind !== "progressive" || nowMs >= strategy.endMs) return healthy;
  const { variant, toParts, startMs, endMs } = strategy;
  const [reason, when] =
    nowMs < startMs ? ["NotBefore", `from ${iso(startMs)} on`] : ["Ramping", `until ${iso(endMs)}`];
  const message = `the share of "${variant}" grows to ${toParts / 1_000} % ${when}`;
  const nextMs = nowMs < startMs ? startMs : Math.min(endMs, nowMs + (endMs - startMs) / SHOWN_STEPS);
  return {
    ...healthy,
    phase: "Progressing",
    reason,
    message,
    promoted: false,
    checkAgainInMs: Math.ceil(nextMs - nowMs),
  };
}

/** Into so many steps a share that grows by the clock is divided for showing it. */
const SHOWN_STEPS = 20;

/** The share of a strategy that grows by the clock, in parts of `WHOLE`, as it is shown. */
export function shownParts(
  { fromParts, toParts, startMs, endMs }: Extract<Strategy, { kind: "progressive" }>,
  nowMs: number,
): number {
  const done = Math.min(Math.max((nowMs - startMs) / (endMs - startMs), 0), 1);
  const shown = Math.floor(done * SHOWN_STEPS + 1e-9) / SHOWN_STEPS;
  return Math.round(fromParts + (toParts - fromParts) * shown);
}

function sentence(strategy: Strategy, control: string): string {
  switch (strategy.kind) {
    case "none":
      return `everyone gets "${control}", whom neither target nor rule treats`;
    case "allAtOnce":
      return `everyone gets "${strategy.variant}"`;
    case "percentage":
      return strategy.weights.map(({ variant, parts }) => `${(100 * parts) / WHOLE} % get "${variant}"`).join(", ");
    case "progressive":
      return `${(100 * strategy.toParts) / WHOLE} % get "${strategy.variant}"`;
    case "driven":
      throw new Error("A ramp that is driven is not declared");
    default:
      return strategy satisfies never;
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
