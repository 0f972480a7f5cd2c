import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** Every reason that the code can give is told in docs/reference, and none that it cannot. */

const SHARED = ["src/controllers/faults.ts", "src/controllers/preflight.ts", "src/core/analysis/obstacle.ts"];

/** What else is written in CamelCase there. */
const NO_REASONS = [
  ...["Rollout", "Deployment", "ReplicaSet", "ControllerRevision", "Service", "HTTPRoute", "GRPCRoute"], // kinds
  ...["Starting", "Resting", "Returning", "RollingBack", "Leaving"], // stages
  ...["Pending", "Progressing", "Failed"], // phases
  ...["Fail", "Hold", "Pass", "Continue", "Unsure", "Error"], // verdicts
  ...["Ready", "WriteFailure", "True", "False", "Normal", "Warning"], // conditions and Events
  ...["Stalled", "Unknown"], // a condition of kstatus, and what one may say
  ...["Undecidable"], // an error
  ...["In", "NotIn", "Exists", "DoesNotExist"], // operators of label selectors
  ...["Accepted", "ResolvedRefs", "PartiallyInvalid", "Gateway", "ExternalName"], // others' words
];
const OF_FLAGS = [
  ...["Stale", "FlagInvalid", "UTC", "GMT"], // a condition, an error, and time zones
  ...["FeatureFlag", "FlagSegment", "KillSwitch"], // kinds
  ...["Created", "Edited", "Requested", "Raised"], // what history calls things
];

interface Page {
  readonly page: string;
  readonly files: readonly string[];
  readonly noReasons: readonly string[];
  readonly atLeast: number;
}

function filesOf(folder: string, recursive = true): string[] {
  const names = readdirSync(folder, { recursive, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => `${folder}/${name}`);
}

const PAGES: readonly Page[] = [
  {
    page: "docs/reference/reasons.md",
    files: [
      ...filesOf("src/core/rollout"),
      ...filesOf("src/core", false),
      ...filesOf("src/traffic"),
      ...SHARED,
      "src/controllers/rollout/make.ts",
    ],
    noReasons: NO_REASONS,
    atLeast: 50,
  },
  {
    page: "docs/reference/flag-reasons.md",
    files: [
      ...filesOf("src/core/flags/control"),
      ...["schedule.ts", "invalid.ts", "kill-switch.ts", "segment-status.ts", "delivery.ts"].map(
        (name) => `src/core/flags/${name}`,
      ),
      ...["src/core/walk.ts"],
      ...SHARED,
    ],
    noReasons: [...NO_REASONS, ...OF_FLAGS],
    atLeast: 40,
  },
];

function wordsOf(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/"([A-Z][A-Za-z]+)"/g)].map((match) => match[1] ?? "");
}

describe.each(PAGES)("$page", ({ page, files, noReasons, atLeast }) => {
  const given = new Set(files.flatMap(wordsOf).filter((word) => !noReasons.includes(word)));
  const text = readFileSync(page, "utf8");
  const told = [...text.matchAll(/^\| `([A-Za-z]+)` \|/gm)].map((match) => match[1] ?? "");

  test("tells every reason", () => {
    expect(given.size).toBeGreaterThan(atLeast);
    expect([...given].filter((reason) => !told.includes(reason)).sort()).toEqual([]);
  });

  test("tells what exists, and once", () => {
    expect(told.filter((reason) => !given.has(reason))).toEqual([]);
    expect(told.filter((reason, i) => told.indexOf(reason) !== i)).toEqual([]);
  });

  test("says of each what it means, and what to do", () => {
    const rows = text.split("\n").filter((line) => line.startsWith("| `"));
    for (const row of rows) expect(row.split(" | ").every((cell) => cell.replace(/[| ]/g, "") !== "")).toBe(true);
  });
});
