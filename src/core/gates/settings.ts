import type { RolloutGate } from "../../api/gates.ts";
import { parseDurationMs, parsePercent, UnitError } from "../../api/units.ts";
import type { Gate, Source } from "./model.ts";

const PASS_RATE = "95%";
const COVERED = "80%";
const HEALTHY_FOR = "30m";

/** Reads `spec.gates`.
 * @param namespace of the Rollout that has them
 * @throws UnitError with the path, where another version of the CRD let in what cannot be read */
export function gatesOf(gates: readonly RolloutGate[] | undefined, namespace: string): Gate[] {
  return (gates ?? []).map((gate, i) => {
    try {
      return gateOf(gate, namespace);
    } catch (error) {
      throw error instanceof UnitError ? new UnitError(`spec.gates[${i}] ${error.message}`) : error;
    }
  });
}

function gateOf({ tests, coverage, metric, rollout, flags, window, approval }: RolloutGate, namespace: string): Gate {
  if (tests !== undefined)
    return { kind: "tests", source: sourceOf(tests.configMap), passRate: parsePercent(tests.passRate ?? PASS_RATE) };
  if (coverage !== undefined)
    return { kind: "coverage", source: sourceOf(coverage.configMap), min: parsePercent(coverage.min ?? COVERED) };
  if (metric !== undefined) {
    const { name, promql, max, min } = metric;
    return {
      kind: "metric",
      name,
      promql,
      ...(max === undefined ? {} : { max }),
      ...(min === undefined ? {} : { min }),
    };
  }
  if (rollout !== undefined)
    return {
      kind: "rollout",
      namespace: rollout.namespace ?? namespace,
      name: rollout.name,
      forMs: parseDurationMs(rollout.for ?? HEALTHY_FOR),
    };
  if (flags !== undefined) return { kind: "flags", selector: flags.selector };
  if (window !== undefined)
    return { kind: "window", schedule: window as Extract<Gate, { kind: "window" }>["schedule"] };
  if (approval !== undefined) return { kind: "approval" };
  throw new UnitError("must have exactly one of tests, coverage, metric, rollout, flags, window, approval");
}

function sourceOf({ name, key }: { name: string; key?: string | undefined }): Source {
  return { configMap: name, ...(key === undefined ? {} : { key }) };
}
