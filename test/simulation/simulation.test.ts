import { describe, expect, test } from "vitest";
import { firstBroken } from "./frame.ts";
import keptSeeds from "./kept-seeds.json" with { type: "json" };
import { FOUND_AT, PLANTED } from "./planted.ts";
import { play } from "./run.ts";

test("play() of the same seed tells the same story", async () => {
  expect((await play(7)).story).toEqual((await play(7)).story);
});

test.each(keptSeeds)("seed $seed stays mended: $was", async ({ seed }) => {
  expect((await play(seed)).violations).toEqual([]);
});

test("the first seeds break no invariant", async () => {
  for (let seed = 1; seed <= 25; seed++) expect(await play(seed)).toMatchObject({ seed, violations: [] });
});

describe("a planted mistake is found:", () => {
  test.each(PLANTED)("$name", async ({ name, ...mistake }) => {
    expect(await firstBroken((seed) => play(seed, mistake), 200, FOUND_AT[name])).toMatchObject({
      violation: { invariant: expect.stringMatching(/^I\d+$/) },
    });
  });
});
