import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** Each promise of docs/guarantees.md links to the files of its tests, each with the title of a test in it. */
const PAGE = "docs/guarantees.md";

const [, ...sections] = readFileSync(PAGE, "utf8").split(/^## .*$/m);
const lines = sections.flatMap((section) => section.split("\n")).filter((line) => line !== "");
const HEAD = ["| Promise | Shown by |", "|---|---|"];
const rows = lines
  .filter((line) => !HEAD.includes(line))
  .map((line) => {
    const [before, promise = "", shown = "", ...after] = line.split("|").map((cell) => cell.trim());
    return { line, promise, shown: shown.split(/; (?=\[)/), isRow: before === "" && after.join() === "" };
  });
const tests = rows.flatMap(({ promise, shown }) => shown.map((part) => ({ promise, part })));

/** `[`test/a.test.ts`](../test/a.test.ts): title of a test in it` */
const LINK = /^\[`(?<file>test\/[^`]+\.test\.ts)`\]\(\.\.\/(?<link>[^)]+)\): (?<title>.+)$/;

/** A title stands where `test(` or `test.each(…)(` is called with it. */
function hasTest(file: string, title: string): boolean {
  const source = readFileSync(file, "utf8");
  return source
    .split(JSON.stringify(title))
    .some((before, i, all) => i < all.length - 1 && /(test|\))\(\s*$/.test(before));
}

describe(PAGE, () => {
  test("has promises", () => expect(rows.length).toBeGreaterThan(10));

  test("has no sentence without a test", () => {
    expect(rows.filter(({ isRow }) => !isRow).map(({ line }) => line)).toEqual([]);
  });

  test.each(tests)("$promise: $part", ({ part }) => {
    const { file = "", link, title = "" } = LINK.exec(part)?.groups ?? {};
    expect({ part, link, isThere: existsSync(file) }).toEqual({ part, link: file, isThere: true });
    expect(hasTest(file, title), `${file} has no test "${title}"`).toBe(true);
  });
});
