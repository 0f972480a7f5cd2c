import type { Rollout } from "../../api/rollout.ts";
import type { Style } from "../io.ts";
import { tableOf } from "./table.ts";
import { ageOf, phaseOf, phasePaint } from "./words.ts";

export interface RowsOptions {
  readonly wide: boolean;
  readonly namespaces: boolean;
}

/** Rollouts in rows, with the columns that `kubectl get` has. */
export function renderRollouts(
  rollouts: readonly Rollout[],
  { wide, namespaces }: RowsOptions,
  nowMs: number,
  style: Style,
): string[] {
  const heads = [
    ...(namespaces ? ["NAMESPACE"] : []),
    ...["NAME", "STATUS", "STEP", "WEIGHT", "READY", "AGE"],
    ...(wide ? ["CANARY", "STABLE", "ANALYSIS", "MESSAGE"] : []),
  ];
  const rows = rollouts.map(({ metadata, status }) => {
    const phase = phaseOf(status);
    return [
      ...(namespaces ? [metadata.namespace ?? ""] : []),
      metadata.name,
      phasePaint(phase, style)(phase),
      status?.display?.step ?? "",
      status?.display?.weight ?? "",
      status?.display?.ready ?? "",
      ageOf(metadata.creationTimestamp, nowMs),
      ...(wide
        ? [
            status?.canary?.revision ?? "",
            status?.stable?.revision ?? "",
            (status?.analysis?.metrics ?? []).map(({ verdict }) => verdict).join(","),
            status?.message ?? "",
          ]
        : []),
    ];
  });
  return tableOf(heads, rows, style);
}
