import { SaxesParser } from "saxes";

/** Results that CI keeps in a ConfigMap, whoever wrote them. */

export type Read<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "unreadable"; readonly message: string };

/** Tests that passed, of those that ran: what was skipped did not run. */
export interface TestResults {
  readonly ran: number;
  readonly passed: number;
}

/** JUnit XML, or a JSON summary: `{"tests", "failures", "errors", "skipped"}`, `{"passed", "failed"}`, or those of Jest, Vitest,
 * Playwright, Mocha and pytest. */
export function readTests(text: string): Read<TestResults> {
  const read = text.trimStart().startsWith("<") ? fromJUnit(text) : fromJson(text, testsIn);
  if (read.kind === "read" && read.value.ran === 0) return unreadable("no test ran");
  return read;
}

/** The covered share of lines, a fraction: Cobertura or JaCoCo XML, LCOV, or a JSON summary: `{"coverage"}` in percent, that of
 * Istanbul, or of coverage.py. */
export function readCoverage(text: string): Read<number> {
  const trimmed = text.trimStart();
  const read = trimmed.startsWith("<")
    ? coverageInXml(text)
    : trimmed.startsWith("{")
      ? fromJson(text, coverageIn)
      : coverageInLcov(text);
  if (read.kind === "read" && !(read.value >= 0 && read.value <= 1))
    return unreadable("the share is not from 0 to 100 %");
  return read;
}

function unreadable(message: string): { kind: "unreadable"; message: string } {
  return { kind: "unreadable", message };
}

type Json = Readonly<Record<string, unknown>>;

function fromJson<T>(text: string, find: (json: Json) => T | undefined): Read<T> {
  try {
    const json: unknown = JSON.parse(text);
    const value = typeof json === "object" && json !== null ? find(json as Json) : undefined;
    return value === undefined
      ? unreadable("the JSON has none of the summaries that are known")
      : { kind: "read", value };
  } catch {
    return unreadable("it is neither XML nor JSON that can be read");
  }
}

/** A whole number that is not negative. */
function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function testsIn(json: Json): TestResults | undefined {
  const summary = (json.summary ?? json.stats ?? json) as Json;
  const failed = sum(summary, ["failures", "errors", "failed", "numFailedTests", "error", "unexpected"]);
  // Playwright: what passed when it was tried again has passed.
  const expected = sum(summary, ["expected", "flaky"]);
  const passed = count(summary.passed ?? summary.passes ?? summary.numPassedTests ?? expected);
  if (passed !== undefined && failed !== undefined) return { ran: passed + failed, passed };
  const all = count(summary.tests ?? summary.total);
  const skipped = sum(summary, ["skipped", "pending"]) ?? 0;
  if (all === undefined || failed === undefined || failed + skipped > all) return undefined;
  return { ran: all - skipped, passed: all - skipped - failed };
}

/** Undefined where none of the fields is there, or one is no count. */
function sum(json: Json, fields: readonly string[]): number | undefined {
  const present = fields.filter((field) => json[field] !== undefined).map((field) => count(json[field]));
  if (present.length === 0 || present.includes(undefined)) return undefined;
  return present.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** Every test case is counted: the numbers in the heads of suites are written in many ways. */
function fromJUnit(text: string): Read<TestResults> {
  let [all, bad, skipped] = [0, 0, 0];
  let outcome: "passed" | "bad" | "skipped" = "passed";
  let isJUnit = false;
  const problem = eachTag(text, {
    open: (name) => {
      if (name === "testsuites" || name === "testsuite") isJUnit = true;
      if (name === "testcase") outcome = "passed";
      if (name === "failure" || name === "error") outcome = "bad";
      if (name === "skipped" && outcome === "passed") outcome = "skipped";
    },
    close: (name) => {
      if (name !== "testcase") return;
      all++;
      if (outcome === "bad") bad++;
      if (outcome === "skipped") skipped++;
    },
  });
  if (problem !== undefined) return unreadable(problem);
  if (!isJUnit) return unreadable("the XML has no <testsuite>");
  return { kind: "read", value: { ran: all - skipped, passed: all - skipped - bad } };
}

function coverageInXml(text: string): Read<number> {
  let share: number | undefined;
  let depth = 0;
  const problem = eachTag(text, {
    open: (name, attributes) => {
      depth++;
      if (name === "coverage" && depth === 1) share = Number(attributes["line-rate"]);
      // JaCoCo: the counters of the whole report stand right below its root.
      if (name === "counter" && depth === 2 && attributes.type === "LINE") {
        const [covered, missed] = [Number(attributes.covered), Number(attributes.missed)];
        share = covered / (covered + missed);
      }
    },
    close: () => {
      depth--;
    },
  });
  if (problem !== undefined) return unreadable(problem);
  if (share === undefined || Number.isNaN(share))
    return unreadable("the XML has neither a line-rate nor a LINE counter");
  return { kind: "read", value: share };
}

function coverageInLcov(text: string): Read<number> {
  const total = (mark: string) =>
    [...text.matchAll(new RegExp(`^${mark}:(\\d{1,9})\\s*$`, "gm"))].reduce((all, match) => all + Number(match[1]), 0);
  const [found, hit] = [total("LF"), total("LH")];
  return found === 0 ? unreadable("it is neither XML, JSON nor LCOV with lines") : { kind: "read", value: hit / found };
}

function coverageIn(json: Json): number | undefined {
  const istanbul = ((json.total as Json | undefined)?.lines as Json | undefined)?.pct;
  const python = (json.totals as Json | undefined)?.percent_covered;
  const percent = json.coverage ?? istanbul ?? python;
  return typeof percent === "number" ? percent / 100 : undefined;
}

interface Handlers {
  readonly open: (name: string, attributes: Readonly<Record<string, string>>) => void;
  readonly close: (name: string) => void;
}

/** @returns why the text is no XML; undefined where it is */
function eachTag(text: string, { open, close }: Handlers): string | undefined {
  const parser = new SaxesParser();
  let problem: string | undefined;
  parser.on("error", ({ message }) => {
    problem ??= `it is no XML: ${message}`;
  });
  parser.on("opentag", ({ name, attributes }) => open(name, attributes));
  parser.on("closetag", ({ name }) => close(name));
  parser.write(text).close();
  return problem;
}
