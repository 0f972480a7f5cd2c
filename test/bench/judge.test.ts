import { expect, test } from "vitest";
import { benchJudge } from "./judge.ts";

test("benchJudge() finds no healthy canary bad and every bad one, in its tables' first rows", async () => {
  const lines: string[] = [];
  await benchJudge({ rollouts: 4, rps: [100], print: (line) => lines.push(line) });
  expect(lines).toHaveLength(17);
  expect(lines.find((line) => line.startsWith("plain 0.1 %"))).toMatch(/ 0 %$/);
  expect(lines.find((line) => line.startsWith("20 %"))).toMatch(/ \d\.\d\d min \(100 %\)$/);
});
