import { expect, test } from "vitest";
import {
  addPassWindow,
  isPassed,
  logPass,
  noPassEvidence,
  rateInterval,
  requestsToDetect,
  requestsToPass,
} from "../../../src/core/analysis/passing.ts";
import { expectSame, vectorsOf } from "./vectors.ts";

test.each(vectorsOf("pass"))("addPassWindow(), isPassed(), requestsToPass() %s", (_, { input, output }) => {
  const windows: [number, number, number, number][] = input.windows;
  const evidence = windows.reduce((e, [n, x]) => addPassWindow(e, n, x, input.max, input.sigma2), noPassEvidence());
  expectSame(evidence, output.c);
  expectSame(logPass(evidence), output.logE);
  expect(isPassed(evidence, input.beta)).toBe(output.passed);
  expect(requestsToPass(evidence, input.max, input.pHat, input.beta) ?? null).toBe(output.requestsNeeded);
});

test.each(vectorsOf("requestsToDetect"))("requestsToDetect() %s", (_, { input, output }) => {
  expect(requestsToDetect(input.max, input.factor, input.alpha, input.tests)).toBe(output);
});

test.each(vectorsOf("confidenceSequence"))("rateInterval() %s", (_, { input, output }) => {
  expectSame(rateInterval(input.x, input.n, input.alpha), output);
});
