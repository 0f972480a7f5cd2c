import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isMismatch, sampleRatioOf } from "../../../../src/core/flags/control/sample-ratio.ts";

/** Chance that repeats itself. */
function rngOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Users come one by one and send requests in bunches of 1 to 39; is there an alarm at any look?
 * @param share of the users who get the variant */
function alarms(share: number, weightBp: number, users: number, random: () => number): boolean {
  const seen: [number, number] = [0, 0];
  for (let i = 0; i < users; i++) {
    seen[random() < share ? 0 : 1] += 1 + Math.floor(random() * 39);
    const ratio = sampleRatioOf(seen, weightBp);
    if (ratio !== undefined && isMismatch(ratio)) return true;
  }
  return false;
}

describe("sampleRatioOf()", () => {
  test("alarms nobody when users come as they should, however often it is looked at", () => {
    const random = rngOf(1);
    const alarmed = [500, 2_500, 5_000].flatMap((weightBp) =>
      Array.from({ length: 60 }, () => alarms(weightBp / 10_000, weightBp, 4_000, random)),
    );
    expect(alarmed.filter((is) => is)).toHaveLength(0);
  });

  test.each([
    ["a third of the treated are missing", 0.18, 2_500],
    ["everyone without a key is treated", 0.35, 2_500],
    ["half of the control is missing", 0.667, 5_000],
  ])("alarms when %s", (_, share, weightBp) => {
    const random = rngOf(2);
    const alarmed = Array.from({ length: 20 }, () => alarms(share, weightBp, 12_000, random));
    expect(alarmed.filter((is) => is)).toHaveLength(20);
  });

  test("says nothing of nobody and of everybody", () => {
    expect(sampleRatioOf([0, 0], 2_500)).toBeUndefined();
    expect(sampleRatioOf([10, 10], 0)).toBeUndefined();
    expect(sampleRatioOf([10, 10], 10_000)).toBeUndefined();
  });

  test("is a number for any counts", () => {
    const count = fc.integer({ min: 0, max: 1e12 });
    fc.assert(
      fc.property(count, count, fc.integer({ min: 1, max: 9_999 }), (treated, control, weightBp) => {
        const ratio = sampleRatioOf([treated, control], weightBp);
        if (ratio === undefined) return treated + control === 0;
        return Number.isFinite(ratio.evidence) && ratio.evidence >= 0 && ratio.evidence <= 1_000_000;
      }),
    );
  });
});
