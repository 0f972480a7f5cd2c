import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Band, bandsOf } from "../../../src/core/flags/bands.ts";
import { type Weight, WHOLE } from "../../../src/core/flags/settings.ts";

const NAMES = ["a", "b", "c", "d", "e", "f", "g"];

function split(parts: readonly number[]): Weight[] {
  const treated = parts.map((n, i) => ({ variant: NAMES[i] ?? "", parts: n }));
  const left = WHOLE - parts.reduce((sum, n) => sum + n, 0);
  return [...treated, { variant: "off", parts: left }];
}
const bandsFor = (parts: readonly number[]) => bandsOf(split(parts), "off");
const partsOf = (bands: readonly Band[], variant: string) =>
  bands.filter((band) => band.variant === variant).reduce((sum, { parts }) => sum + parts, 0);

/** Where each band of a layout ends. */
function endsOf(bands: readonly Band[]): number[] {
  return bands.map((_, i) => bands.slice(0, i + 1).reduce((sum, { parts }) => sum + parts, 0));
}

/** Whose a place is. */
function at(bands: readonly Band[], place: number): string | undefined {
  return bands[endsOf(bands).findIndex((end) => place < end)]?.variant;
}

/** How much of the line leaves a treatment between two layouts. */
function moved(before: readonly Band[], after: readonly Band[]): number {
  const places = [...new Set([0, ...endsOf(before), ...endsOf(after)])].sort((x, y) => x - y);
  return places.slice(0, -1).reduce((sum, place, i) => {
    const was = at(before, place);
    return was === "off" || was === at(after, place) ? sum : sum + (places[i + 1] ?? 0) - place;
  }, 0);
}

const weightsOf = (count: number, most: number) =>
  fc.array(fc.nat({ max: most }), { minLength: count, maxLength: count });
const fits = (parts: readonly number[]) => parts.reduce((sum, n) => sum + n, 0) <= WHOLE;

describe("bandsOf()", () => {
  test.each([1, 2, 3, 4, 5, 7])("gives each of %i treatments what it asks for, and control the rest", (count) => {
    fc.assert(
      fc.property(weightsOf(count, WHOLE).filter(fits), (parts) => {
        const bands = bandsFor(parts);
        expect(bands.reduce((sum, band) => sum + band.parts, 0)).toBe(WHOLE);
        expect(bands.every((band) => Number.isInteger(band.parts) && band.parts > 0)).toBe(true);
        for (const { variant, parts: wanted } of split(parts)) expect(partsOf(bands, variant)).toBe(wanted);
      }),
    );
  });

  test.each([1, 2])("moves nobody when %i treatments grow, however far", (count) => {
    const growth = fc.tuple(weightsOf(count, WHOLE), weightsOf(count, WHOLE)).map(([from, more]) => {
      return [from, from.map((n, i) => n + (more[i] ?? 0))] as const;
    });
    fc.assert(
      fc.property(
        growth.filter(([, to]) => fits(to)),
        ([from, to]) => moved(bandsFor(from), bandsFor(to)) === 0,
      ),
      { numRuns: 1000 },
    );
  });

  test.each([3, 4, 5, 6, 7])("moves nobody when %i treatments grow up to an even split", (count) => {
    const even = Math.floor(WHOLE / (2 * Math.ceil(count / 2)));
    const growth = fc.tuple(weightsOf(count, even), weightsOf(count, even)).map(([a, b]) => {
      return [a.map((n, i) => Math.min(n, b[i] ?? 0)), a.map((n, i) => Math.max(n, b[i] ?? 0))] as const;
    });
    fc.assert(
      fc.property(growth, ([from, to]) => moved(bandsFor(from), bandsFor(to)) === 0),
      { numRuns: 1000 },
    );
  });

  test("leaves the first two where they are when a third and a fourth come", () => {
    const two = bandsFor([20_000, 15_000]);
    expect(moved(two, bandsFor([20_000, 15_000, 10_000]))).toBe(0);
    expect(moved(two, bandsFor([20_000, 15_000, 10_000, 10_000]))).toBe(0);
  });

  test("puts control between", () => {
    expect(bandsFor([10_000, 20_000])).toEqual([
      { variant: "a", parts: 10_000 },
      { variant: "off", parts: 70_000 },
      { variant: "b", parts: 20_000 },
    ]);
  });
});
