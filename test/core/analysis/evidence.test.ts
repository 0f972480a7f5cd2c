import { describe, expect, test } from "vitest";
import {
  addMetricWindow,
  addWindow,
  BETTING,
  limits,
  logEvidence,
  noEvidence,
  noMetricEvidence,
  RHO,
  type Test,
  testsOf,
  type Window,
  windowIncrement,
} from "../../../src/core/analysis/evidence.ts";
import { logAddExp, logSumExp } from "../../../src/core/analysis/logs.ts";
import { expectSame, functions, vectorsOf } from "./vectors.ts";

describe("the reference vectors", () => {
  test("are those of the functions tested here, in passing.test.ts, counters.test.ts and metrics/histogram.test.ts", () => {
    const here = ["logAddExp", "limits", "windowIncrement", "evidence", "failVerdict"];
    const there = [
      "pass",
      "requestsToDetect",
      "confidenceSequence",
      "counterDelta",
      "slowCountsClassic",
      "slowCountsNative",
    ];
    expect([...functions].sort()).toEqual([...here, ...there].sort());
  });

  test.each(vectorsOf("logAddExp"))("logAddExp() %s", (_, { input, output }) => {
    expectSame(logAddExp(input[0], input[1]), output);
  });

  test.each(vectorsOf("limits"))("limits() %s", (_, { input, output }) => {
    expectSame(limits(input.alpha, input.tests, input.minBadWindows), output);
  });

  test.each(vectorsOf("windowIncrement"))("windowIncrement() %s", (_, { input, output }) => {
    const past = { stable: input.hist.nS, stableBad: input.hist.xS };
    const said = windowIncrement(input.window, testOf(input.test), input.par, past);
    expectSame(said.increments, output.inc);
    expectSame([said.weight, said.expected, said.temper], [output.w0, output.v, output.eta]);
    if (output.pS !== null) expectSame(said.stableRate, output.pS);
  });

  test.each(vectorsOf("evidence"))("addWindow() %s", (_, { input, output }) => {
    let evidence = noEvidence();
    const logs = input.windows.map((window: Window) => {
      evidence = addWindow(evidence, window, testOf(input.test), input.par);
      return logEvidence(evidence);
    });
    expectSame(logs, output.logE);
    expectSame([evidence.n, evidence.logCash], [output.final.n, output.final.logCash]);
    expectSame(evidence.logBets, output.final.logM);
  });

  test.each(vectorsOf("failVerdict"))("testsOf() %s", (_, { input, output }) => {
    const compared = input.metrics[0].compare !== false;
    const comparison = compared ? ({ kind: "stable" } as const) : ({ kind: "none" } as const);
    const { need, cap, logNeed } = limits(input.alpha, compared ? 2 * input.metrics.length : 1, input.minBadWindows);
    const evidences = input.metrics.map(noMetricEvidence);
    const totals = input.windows[0].map((_window: Window, i: number) => {
      const tests = input.metrics.flatMap((metric: { max: number }, m: number) => {
        evidences[m] = addMetricWindow(evidences[m], input.windows[m][i], metric.max, comparison, { ...BETTING, cap });
        return testsOf(evidences[m], comparison);
      });
      return logSumExp(tests);
    });
    expectSame({ need, cap, logTotal: totals }, { need: output.need, cap: output.cap, logTotal: output.logTotal });
    const failedAt = totals.findIndex((total: number) => total >= logNeed);
    expect(failedAt === -1 ? null : failedAt).toBe(output.failAtWindow);
  });
});

function testOf({ ratio, slack, ref }: { ratio: number; slack: number; ref: number }): Test {
  return { ratio, slack, max: ref };
}

describe("addWindow()", () => {
  const absolute: Test = { ratio: 0, slack: 0.01, max: 0.01 };
  const betting = { ...BETTING, cap: limits(0.01, 2).cap };
  const evidenceOf = (windows: readonly Window[]) =>
    windows.reduce((e, w) => addWindow(e, w, absolute, betting), noEvidence());

  test("says the same of equal windows in any order of sides that have no canary traffic", () => {
    const good: Window = [75, 0, 0, 0];
    const empty: Window = [0, 0, 900, 3];
    expect(evidenceOf([good, empty, good, empty])).toEqual(evidenceOf([empty, good, good, empty]));
  });

  test("finds what begins on the second day within three minutes", () => {
    let evidence = evidenceOf(Array.from({ length: 11_520 }, () => [150, 0, 0, 0] as Window)); // 48 h
    let windows = 0;
    while (logEvidence(evidence) < limits(0.01, 2).logNeed && windows < 1000) {
      evidence = addWindow(evidence, [150, 30, 0, 0], absolute, betting);
      windows++;
    }
    expect(windows).toBeLessThanOrEqual(12);
    expect(windows).toBeGreaterThanOrEqual(3);
  });

  test("never stakes more than there is: without evidence the capital stays what it was", () => {
    const evidence = evidenceOf(Array.from({ length: 300 }, () => [1, 0, 0, 0] as Window));
    expect(logEvidence(evidence)).toBeLessThanOrEqual(0);
    expect(evidence.logBets).toHaveLength(RHO.length);
  });
});
