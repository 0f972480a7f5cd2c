import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { addUp, closingLine, countsOf, recapOf, runCommand, type Written } from "../../scripts/stages.ts";

const plain = { title: "Types", command: ["tsc"] };
const vitest = { title: "Unit tests", command: ["vitest"], vitest: true };
const counted = { passed: 5, failed: 0, skipped: 1, failures: [] };

describe("countsOf()", () => {
  const table = {
    "counts a plain stage as one test": { given: countsOf(plain, 0, undefined), expect: [1, 0, 0] },
    "counts a plain stage that fails": { given: countsOf(plain, 2, undefined), expect: [0, 1, 0] },
    "takes the counts of a vitest run": { given: countsOf(vitest, 0, counted), expect: [5, 0, 1] },
    "believes the exit code over the counts": { given: countsOf(vitest, 1, counted), expect: [5, 1, 1] },
    "does not take a run that died before counting for a pass": {
      given: countsOf(vitest, 0, undefined),
      expect: [0, 1, 0],
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: [passed, failed, skipped] }) => {
    expect(given).toMatchObject({ passed, failed, skipped });
  });

  test("names what failed", () => {
    expect(countsOf(plain, 2, undefined).failures).toEqual([{ title: "Types", why: "exit code 2" }]);
    expect(countsOf(vitest, 1, counted).failures).toEqual([{ title: "Unit tests", why: "exit code 1" }]);
    expect(countsOf(plain, 0, undefined).failures).toEqual([]);
  });
});

describe("recapOf()", () => {
  test("says nothing when all went well", () => expect(recapOf([])).toBe(""));

  test("says what failed and why, and no more than one reads", () => {
    const failures = [
      { title: "a.test.ts > adds up", why: "at a.test.ts:3:1\nexpected 1 to be 2" },
      { title: "Simulation", why: "x".repeat(5_000) },
      ...Array.from({ length: 12 }, (_, i) => ({ title: `b${i}`, why: "exit code 1" })),
    ];
    const lines = recapOf(failures).split("\n");
    expect(lines.slice(0, 4)).toEqual([
      "What failed:",
      "  a.test.ts > adds up",
      "      at a.test.ts:3:1",
      "      expected 1 to be 2",
    ]);
    expect(lines[5]).toHaveLength(6 + 600 + 1);
    expect(lines.at(-1)).toBe("  and 4 more");
  });
});

test("the reporter writes what failed in a run, where, and why", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "zenith-reporter-"));
  try {
    symlinkSync(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
    writeFileSync(
      join(folder, "sums.test.ts"),
      `import { beforeAll, describe, expect, test } from "vitest";
      describe("sums", () => {
        test("right", () => expect(1 + 1).toBe(2));
        test("wrong", () => expect(1 + 1).toBe(3));
        test.skip("later", () => {});
      });
      describe("broken", () => {
        beforeAll(() => { throw new Error("no power"); });
        test("never runs", () => {});
      });
      test("leaves a promise behind", () => { void Promise.reject(new Error("nobody waits")); });`,
    );
    const file = join(folder, "counts.json");
    const reporter = `--reporter=${join(import.meta.dirname, "../../scripts/reporter.ts")}`;
    const code = await runCommand(["vitest", "run", "--root", folder, reporter], { ZENITH_TEST_COUNTS: file });
    const { failures, ...counts } = JSON.parse(readFileSync(file, "utf8")) as Written;
    expect({ code, ...counts }).toEqual({ code: 1, passed: 2, failed: 3, skipped: 2 });
    expect(failures.map(({ title, why }) => `${title}: ${why.split("\n").at(-1)}`)).toEqual([
      "outside of any test: nobody waits",
      expect.stringMatching(/sums\.test\.ts > sums > wrong: expected 2 to be 3/),
      expect.stringMatching(/sums\.test\.ts > broken: no power/),
    ]);
    expect(failures[1]?.why).toMatch(/^at .*sums\.test\.ts:4:/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("closingLine() sums all stages", () => {
  expect(closingLine(addUp([counted, { passed: 1, failed: 2, skipped: 0 }]))).toBe("6 passed, 2 failed, 1 skipped");
});

describe("runCommand()", () => {
  test("gives the exit code, and the environment", async () => {
    const code = await runCommand(["node", "-e", "process.exit(Number(process.env.CODE))"], { CODE: "7" });
    expect(code).toBe(7);
  });
  test("counts a death by a signal, and a missing program, as failures", async () => {
    expect(await runCommand(["node", "-e", "process.kill(process.pid, 'SIGKILL')"])).toBe(137);
    expect(await runCommand(["no-such-program-of-zenith"])).toBe(127);
  });
});
