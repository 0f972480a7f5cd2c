import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `npm test`: every stage that CI runs. A stage that fails does not stop the next; the last line sums up. */
interface Stage {
  readonly title: string;
  readonly command: readonly string[];
  /** A vitest run brings its own counts; another stage counts as one test. */
  readonly vitest?: boolean;
}

const reporters = ["--reporter=default", "--reporter=./scripts/reporter.ts"];
const stages: readonly Stage[] = [
  { title: "Generated files are current", command: ["node", "scripts/generate.ts", "--check"] },
  { title: "Lint and format", command: ["biome", "check", "--error-on-warnings", "."] },
  { title: "Types", command: ["tsc", "--noEmit", "-p", "."] },
  { title: "Unit tests", command: ["vitest", "run", "--project", "unit", ...reporters], vitest: true },
  {
    title: "Tests on a real control plane",
    command: ["vitest", "run", "--project", "cluster", "--passWithNoTests", ...reporters],
    vitest: true,
  },
];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

function run(stage: Stage, scratch: string): Counts {
  const started = performance.now();
  console.log(`\n== ${stage.title}`);
  const file = join(scratch, "counts.json");
  rmSync(file, { force: true });
  const [command = "", ...args] = stage.command;
  const { status } = spawnSync(command, args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ZENITH_TEST_COUNTS: file },
  });
  console.log(
    `-- ${stage.title}: ${status === 0 ? "ok" : "FAILED"} in ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
  const counted =
    stage.vitest === true && existsSync(file)
      ? (JSON.parse(readFileSync(file, "utf8")) as Counts)
      : { passed: 0, failed: 0, skipped: 0 };
  if (stage.vitest !== true && status === 0) counted.passed++;
  if (status !== 0 && counted.failed === 0) counted.failed++;
  return counted;
}

const scratch = mkdtempSync(join(tmpdir(), "zenith-test-"));
const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
for (const stage of stages) {
  if (stage.command[1]?.startsWith("scripts/") && !existsSync(stage.command[1])) continue;
  const counts = run(stage, scratch);
  sum.passed += counts.passed;
  sum.failed += counts.failed;
  sum.skipped += counts.skipped;
}
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 ? 0 : 1;
