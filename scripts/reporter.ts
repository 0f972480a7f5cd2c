import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/** Writes the counts of a vitest run as JSON to the file named by ZENITH_TEST_COUNTS, for scripts/test.ts to add up. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[kindOf(test.result().state)]++;
      if (module.state() === "failed" && module.errors().length > 0) counts.failed++;
    }
    const file = process.env.ZENITH_TEST_COUNTS;
    if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
  }
}

function kindOf(state: string): "passed" | "failed" | "skipped" {
  return state === "passed" ? "passed" : state === "skipped" ? "skipped" : "failed";
}
