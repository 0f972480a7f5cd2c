import { describe, expect, test } from "vitest";
import { addUp, closingLine, countsOf, runCommand } from "../../scripts/stages.ts";

const plain = { title: "Types", command: ["tsc"] };
const vitest = { title: "Unit tests", command: ["vitest"], vitest: true };
const counted = { passed: 5, failed: 0, skipped: 1 };

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
    expect(given).toEqual({ passed, failed, skipped });
  });
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
