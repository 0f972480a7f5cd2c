import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

/** Links of the pages lead somewhere: to a file, and where they name a heading, to one that is there. */

const pages = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "charts/zenith/README.md"],
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const links = pages.flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => ({ page, to: match[1] ?? "" }))
    .filter(({ to }) => !/^[a-z]+:/.test(to)),
);

/** As GitHub makes them. */
function anchorsOf(file: string): string[] {
  const headings = readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test("there are many", () => expect(links.length).toBeGreaterThan(20));

test.each(links)("$page → $to", ({ page, to }) => {
  const [path = "", heading] = to.split("#");
  const file = path === "" ? page : join(dirname(page), path);
  expect(existsSync(file), `${file} is not there`).toBe(true);
  if (heading !== undefined) expect(anchorsOf(file)).toContain(heading);
});
