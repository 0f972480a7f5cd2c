import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** Lists that pages keep by hand have all that there is. */

const contributing = readFileSync("CONTRIBUTING.md", "utf8");

describe("docs/architecture.md", () => {
  const page = readFileSync("docs/architecture.md", "utf8");
  const NOT_SHOWN = /^(\.|docs$|node_modules$|dist$|coverage$)/;
  const folders = readdirSync(".", { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !NOT_SHOWN.test(entry.name) && entry.name !== "src")
    .map(({ name }) => `${name}/`);
  const rooms = readdirSync("src").map((name) => `src/${name}`);

  test.each([...folders, ...rooms])("says what %s is", (name) => expect(page).toContain(`\`${name}\``));
});

describe("CONTRIBUTING.md", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const benches = [...readFileSync("test/bench/main.ts", "utf8").matchAll(/^ {2}([a-z]+) {2,}[a-z]/gm)];

  test.each(Object.keys(scripts))("says what npm run %s does", (name) =>
    expect(contributing).toMatch(new RegExp(`^\\| \`npm (run )?${name}\\b`, "m")),
  );

  test("names every bench", () => {
    const [row = ""] = contributing.match(/^\| `npm run bench.*$/m) ?? [];
    const named = [...row.matchAll(/`([a-z]+)`/g)].map(([, name]) => name);
    expect(named).toEqual(benches.map(([, name]) => name));
    expect(named.length).toBeGreaterThan(8);
  });
});

test("docs/install.md removes every definition", () => {
  const [, named = ""] = readFileSync("docs/install.md", "utf8").match(/^ {4}kubectl delete crd (.*)$/m) ?? [];
  const files = readdirSync("crds").filter((name) => name.startsWith("zenith.sh_"));
  expect(named.split(" ").sort()).toEqual(files.map((name) => `${name.slice(10, -5)}.zenith.sh`).sort());
});
