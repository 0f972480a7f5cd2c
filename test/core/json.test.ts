import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson, sameJson } from "../../src/core/json.ts";

test("sameJson() says of any two values what their canonical JSON says", () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const alike = value.chain((a) => fc.tuple(fc.constant(a), fc.oneof(value, fc.constant(structuredClone(a)))));
  fc.assert(fc.property(alike, ([a, b]) => sameJson(a, b) === (canonicalJson(a) === canonicalJson(b))));
});

test("sameJson() takes a member that is undefined for none, and keeps lists in order", () => {
  expect(sameJson({ a: 1, b: undefined }, { a: 1 })).toBe(true);
  expect(sameJson({ a: 1 }, { a: 1, b: undefined })).toBe(true);
  expect(sameJson([1, 2], [2, 1])).toBe(false);
  expect(sameJson({ a: [1] }, { a: [1, 2] })).toBe(false);
  expect(sameJson([], {})).toBe(false);
  expect(sameJson(null, {})).toBe(false);
});
