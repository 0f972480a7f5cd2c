import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Every reason that the code can give is told in docs/reference/reasons.md, and none that it cannot. */

const FOLDERS = ["src/core/rollout", "src/core", "src/traffic"];
const FILES = [
  ...["faults.ts", "preflight.ts", "rollout/make.ts"].map((name) => `src/controllers/${name}`),
  "src/core/analysis/obstacle.ts",
];

/** What else is written in CamelCase there. */
const NO_REASONS = new Set([
  ...["Rollout", "Deployment", "ReplicaSet", "ControllerRevision", "Service", "HTTPRoute", "GRPCRoute"], // kinds
  ...["Starting", "Resting", "Returning", "RollingBack", "Leaving"], // stages
  ...["Pending", "Progressing", "Failed"], // phases
  ...["Fail", "Hold", "Pass", "Continue", "Unsure", "Error"], // verdicts
  ...["Ready", "True", "False", "Normal", "Warning"], // conditions and Events
  ...["Undecidable"], // an error
  ...["In", "NotIn", "Exists", "DoesNotExist"], // operators of label selectors
  ...["Accepted", "ResolvedRefs", "PartiallyInvalid", "Gateway", "ExternalName"], // others' words
]);

function filesOf(folder: string): string[] {
  const names = readdirSync(folder, { recursive: folder !== "src/core", encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => `${folder}/${name}`);
}

function wordsOf(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/"([A-Z][A-Za-z]+)"/g)].map((match) => match[1] ?? "");
}

const files = [...FOLDERS.flatMap(filesOf), ...FILES];
const given = new Set(files.flatMap(wordsOf).filter((word) => !NO_REASONS.has(word)));
const page = readFileSync("docs/reference/reasons.md", "utf8");
const told = [...page.matchAll(/^\| `([A-Za-z]+)` \|/gm)].map((match) => match[1] ?? "");

test("every reason is told", () => {
  expect(given.size).toBeGreaterThan(50);
  expect([...given].filter((reason) => !told.includes(reason)).sort()).toEqual([]);
});

test("what is told exists, and once", () => {
  expect(told.filter((reason) => !given.has(reason))).toEqual([]);
  expect(told.filter((reason, i) => told.indexOf(reason) !== i)).toEqual([]);
});

test("each says what it means, and what to do", () => {
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  for (const row of rows) expect(row.split(" | ").every((cell) => cell.replace(/[| ]/g, "") !== "")).toBe(true);
});
