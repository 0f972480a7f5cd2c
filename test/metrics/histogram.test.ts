import { expect, test } from "vitest";
import { slowOfClassic, slowOfNative } from "../../src/metrics/histogram.ts";
import { vectorsOf } from "../core/analysis/vectors.ts";

test.each(vectorsOf("slowCountsClassic"))("slowOfClassic() %s", (_, { input, output }) => {
  expect(slowOfClassic(input.buckets, input.threshold)).toEqual(output);
});

test.each(vectorsOf("slowCountsNative"))("slowOfNative() %s", (_, { input, output }) => {
  expect(slowOfNative(input.buckets, input.threshold)).toEqual(output);
});
