import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** Each promise of docs/guarantees.md names a file and the title of a test in it. */
const rows = readFileSync("docs/guarantees.md", "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| Promise"))
  .map((line) => {
    const [, promise = "", shown = ""] = line.split("|").map((cell) => cell.trim());
    const [, file = "", title = ""] = /^`([^`]+)`: ([^;|]+)/.exec(shown) ?? [];
    return { promise, file, title: title.trim() };
  });

describe("docs/guarantees.md", () => {
  test("has promises", () => expect(rows.length).toBeGreaterThan(10));

  test.each(rows)("$promise", ({ file, title }) => {
    expect(existsSync(file), `${file} does not exist`).toBe(true);
    expect(readFileSync(file, "utf8")).toContain(`test("${title}"`);
  });
});
