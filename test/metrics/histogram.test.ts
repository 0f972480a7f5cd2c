import { describe, expect, test } from "vitest";
import { quantileOfClassic, slowOfClassic, slowOfNative } from "../../src/metrics/histogram.ts";
import { vectorsOf } from "../core/analysis/vectors.ts";

test.each(vectorsOf("slowCountsClassic"))("slowOfClassic() %s", (_, { input, output }) => {
  expect(slowOfClassic(input.buckets, input.threshold)).toEqual(output);
});

test.each(vectorsOf("slowCountsNative"))("slowOfNative() %s", (_, { input, output }) => {
  expect(slowOfNative(input.buckets, input.threshold)).toEqual(output);
});

describe("quantileOfClassic()", () => {
  const cases: Record<string, { counts: [string, number][]; quantile: number; expect: unknown }> = {
    "is spread evenly within its bucket": {
      counts: [
        ["0.1", 50],
        ["0.2", 100],
        ["+Inf", 100],
      ],
      quantile: 0.75,
      expect: { value: 0.15000000000000002 },
    },
    "begins at 0 in the first": {
      counts: [
        ["0.1", 10],
        ["+Inf", 10],
      ],
      quantile: 0.5,
      expect: { value: 0.05 },
    },
    "adds up one boundary that is written in two ways": {
      counts: [
        ["+Inf", 10],
        ["1.0", 4],
        ["1", 4],
        ["0.5", 0],
      ],
      quantile: 0.8,
      expect: { value: 1 },
    },
    "is only known to be above the highest bucket": {
      counts: [
        ["1", 90],
        ["+Inf", 100],
      ],
      quantile: 0.95,
      expect: { value: 1, atLeast: true },
    },
    "is unknown where nothing was counted": {
      counts: [
        ["1", 0],
        ["+Inf", 0],
      ],
      quantile: 0.95,
      expect: undefined,
    },
    "is unknown without the bucket of all": { counts: [["1", 5]], quantile: 0.95, expect: undefined },
    "is unknown of no series": { counts: [], quantile: 0.95, expect: undefined },
    "is unknown where Prometheus says NaN": { counts: [["+Inf", Number.NaN]], quantile: 0.95, expect: undefined },
  };
  test.each(Object.entries(cases))("%s", (_, { counts, quantile, expect: expected }) => {
    expect(quantileOfClassic(counts, quantile)).toEqual(expected);
  });
});
