import { expect, test } from "vitest";
import { benchJudge, cell, PROMISED, WORSE } from "./judge.ts";

const ROLLOUTS = 300;
const RPS = 100;
const SEED = 7;

test("reverts at most 1 % of healthy releases, be their failures plain, in bunches, or of a dependency that both share", async () => {
  for (const traffic of PROMISED) {
    const reverted = await cell(traffic, RPS, ROLLOUTS, SEED);
    expect(reverted.length / ROLLOUTS, traffic.name).toBeLessThanOrEqual(0.01);
  }
});

test("reverts every release that fails in 5 % or 20 %", async () => {
  for (const traffic of WORSE.slice(-2)) expect(await cell(traffic, RPS, 50, SEED), traffic.name).toHaveLength(50);
});

test("benchJudge() prints a row for each traffic, a column for each rate", async () => {
  const lines: string[] = [];
  await benchJudge({ rollouts: 2, rps: [10, 100], print: (line) => lines.push(line) });
  expect(lines).toContainEqual(expect.stringMatching(/^plain 0\.1 % +0 % +0 %$/));
  expect(lines).toContainEqual(expect.stringMatching(/^0\.9 %, own noise +\d+ % +\d+ %$/));
  expect(lines).toContainEqual(expect.stringMatching(/^20 % +\d\.\d\d min \(100 %\) +\d\.\d\d min \(100 %\)$/));
});
