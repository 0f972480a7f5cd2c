import { type Figures, readFigures } from "../test/bench/figures.ts";

/** The table of docs/sizing.md, from test/bench/figures.json: figures stand in one place, each with its day. */

const BEGIN = "<!-- figures: npm run bench -- NAME --save, then npm run generate -->";
const END = "<!-- end of figures -->";

/** The benchmarks whose rows tell how large an install must be, in the order of the page. */
const NAMES = ["plan", "telemetry", "revert", "writes", "baking", "burst", "rest", "flags", "kill"] as const;

/** The page with its table made anew.
 * @throws Error where the page has no place for it */
export function withFigures(page: string): string {
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before === -1 || after < before)
    throw new Error("docs/sizing.md must have the two comments that the table stands between");
  return `${page.slice(0, before + BEGIN.length)}\n${tableOf(readFigures())}\n${page.slice(after)}`;
}

function tableOf(figures: Readonly<Record<string, Figures>>): string {
  const rows = NAMES.flatMap((name) => {
    const command = `\`npm run bench -- ${name}\``;
    const found = figures[name];
    if (found === undefined) return [`| | | not measured on an idle machine yet | ${command} |`];
    const { at, cores, rows } = found;
    return rows.map(
      (row) => `| ${row.what} | ${row.budget} | ${row.measured} | ${command}, ${at}, ${cores} cores: ${row.how} |`,
    );
  });
  return ["| What | Budget | Measured | How |", "|---|---|---|---|", ...rows].join("\n");
}
