import type { Style } from "../io.ts";
import { padded } from "../io.ts";
import type { Check } from "../preflight/checks.ts";

const NAME_WIDTH = 13;

/** A line for each check, below it what to do, and the sum. */
export function renderPreflight(checks: readonly Check[], style: Style): string[] {
  const { marks } = style;
  const lines = checks.flatMap(({ name, outcome, message, problems }) => {
    const mark = { passed: style.green(marks.good), failed: style.red(marks.bad), skipped: style.dim(marks.waiting) }[
      outcome
    ];
    const said = outcome === "skipped" ? style.dim(message) : outcome === "failed" ? "" : message;
    const head = `${mark} ${style.bold(padded(name, NAME_WIDTH))}   ${said}`.trimEnd();
    return [head, ...problems.map((problem) => `    ${marks.arrow} ${problem}`)];
  });
  const passed = checks.filter(({ outcome }) => outcome !== "failed").length;
  const skipped = checks.filter(({ outcome }) => outcome === "skipped").length;
  const sum = `${passed}/${checks.length}${skipped === 0 ? "" : `, of which ${skipped} not asked for`}`;
  return [...lines, "", passed === checks.length ? style.green(sum) : style.red(sum)];
}
