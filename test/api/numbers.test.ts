import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { REFUSED } from "./refused.ts";
import { TAKEN } from "./taken.ts";
import { TOLD } from "./told.ts";

/** The ninety inputs are numbered. Those that are Rollouts are 1 to 60 and 86 to 90, and each is shown by some row or test. */
const NUMBERS = [...Array.from({ length: 60 }, (_, i) => i + 1), 86, 87, 88, 89, 90];

/** Shown elsewhere, in whole or in part: what takes a gateway, or answers that only Prometheus gives. */
const ELSEWHERE: readonly { number: number; what: string; file: string; title: string }[] = [
  {
    number: 22,
    what: "weights beside ours, that sum to anything",
    file: "test/traffic/contract.ts",
    title: "the pair stands side by side, with the port and filters of its entry, and siblings keep their ratio",
  },
  {
    number: 29,
    what: "a query that answers with nothing, NaN, infinity or a range",
    file: "test/metrics/measure.test.ts",
    title: "%j is %s",
  },
  {
    number: 32,
    what: "a window above what Prometheus keeps",
    file: "test/metrics/prometheus.cluster.test.ts",
    title: "a window longer than all that Prometheus keeps is judged on what there is, and one before it is no data",
  },
  {
    number: 87,
    what: "weights that someone else sets in mid-release",
    file: "test/e2e/gitops.cluster.test.ts",
    title: "who resets a route without end is named and not fought, and no traffic rises meanwhile",
  },
];

/** Numbers in the titles of inputs.cluster.test.ts: `test("57: …"`, `test("refuses 49: …"`, and the first member of a row of `test.each`. */
function titled(): number[] {
  const text = readFileSync("test/api/inputs.cluster.test.ts", "utf8");
  const patterns = [/test\("(?:refuses )?(\d+): /g, /\)\("(\d+): /g, /^ {4}\["?(\d+)"?, "/gm, /^ {4}number: (\d+),$/gm];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, number]) => Number(number)));
}

test("every number is shown", () => {
  const rows = [...REFUSED, ...TAKEN, ...TOLD, ...ELSEWHERE].map(({ number }) => number);
  const shown = new Set([...rows, ...titled()]);
  expect(NUMBERS.filter((number) => !shown.has(number))).toEqual([]);
});

test.each(ELSEWHERE)("$number, $what, is shown by $file", ({ file, title }) => {
  expect(readFileSync(file, "utf8")).toContain(`("${title}"`);
});
