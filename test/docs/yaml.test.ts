import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Block, blocksIn, ELSEWHERE, hasPlace, isKubernetesYaml, isWhole, PAGES, PARTS } from "./yaml-of.ts";

/**
 * Each block of YAML in the pages is shown by some test: whole objects and the parts in `PARTS` are applied by yaml.cluster.test.ts,
 * those for other tools are evaluated by the test that `ELSEWHERE` names.
 */

/** What is wrong with a block, or undefined. */
function problemOf({ page, language, text }: Block): string | undefined {
  if (language !== "yaml")
    return isKubernetesYaml(text) ? `is YAML, but stands as ${language || "a bare fence"}` : undefined;
  if (isWhole(text)) return undefined;
  const shown = [...PARTS, ...ELSEWHERE].filter((entry) => entry.page === page && hasPlace(text, entry.place));
  return shown.length === 1 ? undefined : `is shown by ${shown.length} tests`;
}

const blocks = PAGES.flatMap((page) => blocksIn(readFileSync(page, "utf8"), page));

test("every block of YAML is shown by one test", () => {
  const problems = blocks.map((block) => [`${block.page}:${block.line}`, problemOf(block)]);
  expect(problems.filter(([, problem]) => problem !== undefined)).toEqual([]);
});

test.each([...PARTS, ...ELSEWHERE])("$page has $place in one block", ({ page, place }) => {
  const found = blocks.filter(
    (block) => block.page === page && block.language === "yaml" && hasPlace(block.text, place),
  );
  expect(found).toHaveLength(1);
});

test.each(ELSEWHERE)("$test evaluates $place of $page", ({ page, place, test: file }) => {
  const text = readFileSync(file, "utf8");
  for (const part of ["fragmentIn<", `"${page}"`, `"${place}"`]) expect(text).toContain(part);
});

describe("a block that nobody would look at", () => {
  const part = "spec:\n  paused: true\n";
  const indented = part.replaceAll(/^/gm, "    ").trimEnd();
  const table: Record<string, { text: string; problems: (string | undefined)[] }> = {
    "is a part that no test has": { text: `\`\`\`yaml\n${part}\`\`\`\n`, problems: ["is shown by 0 tests"] },
    "is a part of a list": {
      text: `- so:\n  \`\`\`yaml\n  spec:\n    paused: true\n  \`\`\`\n`,
      problems: ["is shown by 0 tests"],
    },
    "is indented": { text: `so:\n\n${indented}\n\nend\n`, problems: ["is YAML, but stands as indented"] },
    "has another fence": { text: `\`\`\`text\n${part}\`\`\`\n`, problems: ["is YAML, but stands as text"] },
    "has a fence without a name": {
      text: `\`\`\`\n${part}\`\`\`\n`,
      problems: ["is YAML, but stands as a bare fence"],
    },
  };
  test.each(Object.entries(table))("%s: seen", (_, { text, problems }) => {
    expect(blocksIn(text, "docs/page.md").map(problemOf)).toEqual(problems);
  });

  test("commands, and what they print, are none", () => {
    const text = "```sh\nkubectl get zr\n```\n\n    kubectl zenith status web\n    phase: Healthy\n";
    expect(blocksIn(text, "docs/page.md").map(problemOf)).toEqual([undefined, undefined]);
  });
});
