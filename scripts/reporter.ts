import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";
import type { Failure, Written } from "./stages.ts";

type Problem = { readonly message: string; readonly stack?: string | undefined };

/** Writes what a vitest run counted, and what failed in it, as JSON to the file named by ZENITH_TEST_COUNTS, for
 * scripts/stages.ts to add up. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly Problem[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures: Failure[] = errors.map((error) => failure("outside of any test", [error]));
    for (const module of modules) {
      const file = relative(process.cwd(), module.moduleId);
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        counts[kindOf(state)]++;
        if (kindOf(state) === "failed") failures.push(failure(`${file} > ${test.fullName}`, errors ?? []));
      }
      const groups = [{ title: file, errors: module.errors() }];
      for (const suite of module.children.allSuites()) {
        groups.push({ title: `${file} > ${suite.fullName}`, errors: suite.errors() });
      }
      for (const { title, errors } of groups) {
        if (errors.length === 0) continue;
        counts.failed++;
        failures.push(failure(title, errors));
      }
    }
    const written: Written = { ...counts, failed: counts.failed + errors.length, failures };
    const file = process.env.ZENITH_TEST_COUNTS;
    if (file !== undefined) writeFileSync(file, JSON.stringify(written));
  }
}

/** Where it failed, in our own files, the first line of the stack that is not a package's; then why. */
function failure(title: string, problems: readonly Problem[]): Failure {
  const place = problems[0]?.stack
    ?.split("\n")
    .find((line) => /^\s+at /.test(line) && !/node_modules|node:/.test(line));
  const lines = [place?.trim() ?? "", ...problems.map(({ message }) => message)];
  return { title, why: lines.filter((line) => line !== "").join("\n") || "no word of why" };
}

function kindOf(state: string): "passed" | "failed" | "skipped" {
  return state === "passed" ? "passed" : state === "skipped" ? "skipped" : "failed";
}
