import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

/** One stage of `npm test`. */
export interface Stage {
  readonly title: string;
  readonly command: readonly string[];
  /** A vitest run brings its own counts; another stage counts as one test. */
  readonly vitest?: boolean;
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What failed, by the name under which it is found, and why. */
export interface Failure {
  readonly title: string;
  readonly why: string;
}

/** What the reporter of a vitest run writes. */
export interface Written extends Counts {
  readonly failures: readonly Failure[];
}

const REPORTERS = ["--reporter=default", "--reporter=./scripts/reporter.ts"];

/** Whether the files are as `tidyStages` would leave them. */
export const checkStages: readonly Stage[] = [
  { title: "Generated files are current", command: ["node", "scripts/generate.ts", "--check"] },
  { title: "Lint and format", command: ["biome", "check", "--error-on-warnings", "."] },
];

/** Makes them so. */
export const tidyStages: readonly Stage[] = [
  { title: "Generate", command: ["node", "scripts/generate.ts"] },
  { title: "Lint and format", command: ["biome", "check", "--write", "--error-on-warnings", "."] },
];

/** What needs no cluster. */
export const fastStages: readonly Stage[] = [
  { title: "Types", command: ["tsc", "--noEmit", "-p", "."] },
  { title: "Unit tests", command: ["vitest", "run", "--project", "unit", ...REPORTERS], vitest: true },
];

/** What takes longer: a thousand simulated releases and some hundred flags, and everything on a real control plane. */
export const slowStages: readonly Stage[] = [
  { title: "Long unit tests", command: ["vitest", "run", "--project", "long", ...REPORTERS], vitest: true },
  { title: "Simulation", command: ["node", "test/simulation/main.ts", "--seeds", "1000"] },
  { title: "Simulation of flags", command: ["node", "test/simulation/main.ts", "--flags", "--seeds", "400"] },
  {
    title: "Real OpenFeature clients",
    command: ["vitest", "run", "--project", "clients", ...REPORTERS],
    vitest: true,
  },
  {
    title: "Real traffic, with a core each",
    command: ["vitest", "run", "--project", "quiet", ...REPORTERS],
    vitest: true,
  },
  {
    title: "Tests on a real control plane",
    command: ["vitest", "run", "--project", "cluster", ...REPORTERS],
    vitest: true,
  },
];

/** Runs the stages in turn; one that fails does not stop the next. Ends with what failed, and the line
 * `N passed, N failed, N skipped`.
 * @returns the exit code: 1 when anything failed, 130 when interrupted */
export async function runStages(stages: readonly Stage[]): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), "zenith-test-"));
  const all: Written[] = [];
  try {
    for (const stage of stages) {
      const written = await runStage(stage, join(scratch, "counts.json"));
      if (written === "interrupted") return 130;
      all.push(written);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const sum = addUp(all);
  const recap = recapOf(all.flatMap(({ failures }) => failures));
  if (recap !== "") console.log(`\n${recap}`);
  console.log(`\n${closingLine(sum)}`);
  return sum.failed === 0 ? 0 : 1;
}

/** The last line of `npm test`, which tools read. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

export function addUp(counts: readonly Counts[]): Counts {
  const total = (count: (c: Counts) => number) => counts.reduce((sum, c) => sum + count(c), 0);
  return { passed: total((c) => c.passed), failed: total((c) => c.failed), skipped: total((c) => c.skipped) };
}

const RECAP = { failures: 10, characters: 600 };

/** What failed, once more at the end, where a reader of a long log looks first: how it reads in full stands with its stage. */
export function recapOf(failures: readonly Failure[]): string {
  if (failures.length === 0) return "";
  const lines = failures.slice(0, RECAP.failures).flatMap(({ title, why }) => {
    const short = why.length > RECAP.characters ? `${why.slice(0, RECAP.characters)}…` : why;
    return [`  ${title}`, ...short.split("\n").map((line) => `      ${line}`)];
  });
  const others = failures.length - RECAP.failures;
  return ["What failed:", ...lines, ...(others > 0 ? [`  and ${others} more`] : [])].join("\n");
}

/** What a stage counts for. A run that ends badly has failed, whatever it counted: it may have died before it could count.
 * @param written what the reporter wrote; undefined where it wrote nothing */
export function countsOf({ title, vitest }: Stage, code: number, written: Written | undefined): Written {
  const failures = [{ title, why: `exit code ${code}` }];
  if (vitest !== true && code === 0) return { passed: 1, failed: 0, skipped: 0, failures: [] };
  if (vitest !== true || written === undefined) return { passed: 0, failed: 1, skipped: 0, failures };
  return code !== 0 && written.failed === 0 ? { ...written, failed: 1, failures } : written;
}

async function runStage(stage: Stage, file: string): Promise<Written | "interrupted"> {
  const started = performance.now();
  console.log(`\n== ${stage.title}`);
  rmSync(file, { force: true });
  const code = await runCommand(stage.command, { ZENITH_TEST_COUNTS: file });
  if (code === "interrupted") return code;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`-- ${stage.title}: ${code === 0 ? "ok" : "FAILED"} in ${seconds} s`);
  const written = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Written) : undefined;
  return countsOf(stage, code, written);
}

/** Runs a command with our terminal. Signals are passed on, so that what it started can clean up. */
export function runCommand(
  [command = "", ...args]: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<number | "interrupted"> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    const child: ChildProcess = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], env });
    let interrupted = false;
    const handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => {
      const handler = (): void => {
        interrupted = true;
        child.kill(signal);
      };
      process.on(signal, handler);
      return () => process.off(signal, handler);
    });
    const end = (code: number): void => {
      for (const off of handlers) off();
      resolve(interrupted ? "interrupted" : code);
    };
    child.on("error", (error) => {
      console.error(`Cannot run ${command}: ${error.message}`);
      end(127);
    });
    child.on("exit", (code, signal) => end(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
