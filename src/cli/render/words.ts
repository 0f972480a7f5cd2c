import type { RolloutStatus } from "../../api/rollout.ts";
import type { Step } from "../../core/steps.ts";
import type { Paint, Style } from "../io.ts";

/** Words in which times, weights and phases are told everywhere. */

/** `12s`, `3m40s`, `2h`, `5d`: as kubectl tells an age. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes}m${seconds % 60 === 0 ? "" : `${seconds % 60}s`}`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

/** A time that status holds, as an age; empty where there is none. */
export function ageOf(iso: string | undefined, nowMs: number): string {
  const ms = iso === undefined ? Number.NaN : Date.parse(iso);
  return Number.isNaN(ms) ? "" : age(nowMs - ms);
}

/** A duration as people write it in a spec: `90s`, `10m`, `1h 30m`, `7d`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor((seconds % 86_400) / 3600), "h"],
    [Math.floor((seconds % 3600) / 60), "m"],
    [seconds % 60, "s"],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .slice(0, 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

export function stepSaid(step: Step): string {
  switch (step.kind) {
    case "weight":
      return `${step.weightBp / 100} %`;
    case "pause":
      return step.forMs === undefined ? "approval" : duration(step.forMs);
    case "analysis":
      return step.forMs === 0 ? "analysis" : `analysis ${duration(step.forMs)}`;
  }
}

export function phasePaint(phase: string | undefined, style: Style): Paint {
  if (phase === "Healthy" || phase === "Baking") return style.green;
  if (phase === "Reverted" || phase === "Failed") return style.red;
  return phase === "Paused" ? style.yellow : style.blue;
}

/** `Progressing`, or what stands for a Rollout that no operator has looked at yet. */
export function phaseOf(status: RolloutStatus | undefined): string {
  return status?.phase ?? "Unseen";
}
