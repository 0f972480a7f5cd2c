import { describe, expect, test } from "vitest";
import { firstBroken } from "../frame.ts";
import keptSeeds from "./kept-seeds.json" with { type: "json" };
import { PLANTED_IN_FLAGS } from "./planted.ts";
import { playFlag } from "./run.ts";

test("playFlag() of the same seed tells the same story", async () => {
  expect((await playFlag(7)).story).toEqual((await playFlag(7)).story);
});

test("seeds that once failed stay mended", async () => {
  for (const { seed, was } of keptSeeds as { seed: number; was: string }[])
    expect({ was, ...(await playFlag(seed)) }).toMatchObject({ violations: [] });
});

test("the first seeds break no invariant", async () => {
  for (let seed = 1; seed <= 25; seed++) expect(await playFlag(seed)).toMatchObject({ seed, violations: [] });
});

describe("a planted mistake is found:", () => {
  test.each(PLANTED_IN_FLAGS)("$name", async ({ name: _name, ...mistake }) => {
    expect(await firstBroken((seed) => playFlag(seed, mistake), 2_000)).toMatchObject({
      violation: { invariant: expect.stringMatching(/^F\d+$/) },
    });
  });
});
