import { describe, expect, test } from "vitest";
import { readCoverage, readTests } from "../../../src/core/gates/results.ts";

const JUNIT = `<?xml version="1.0"?>
<testsuites name="all" tests="999">
  <testsuite name="a">
    <testcase name="1"/>
    <testcase name="2"><failure message="no &lt;b&gt;"><![CDATA[<testcase/>]]></failure></testcase>
    <testcase name="3"><skipped/></testcase>
    <testsuite name="nested"><testcase name="4"><system-out>error</system-out></testcase><testcase name="5"><error/></testcase></testsuite>
  </testsuite>
</testsuites>`;

describe("readTests()", () => {
  const read = (ran: number, passed: number) => ({ kind: "read", value: { ran, passed } });
  const table: Record<string, { given: string; expect: object }> = {
    "counts the cases of JUnit, whatever its heads say": { given: JUNIT, expect: read(4, 2) },
    "reads counts": { given: '{"tests": 10, "failures": 1, "errors": 1, "skipped": 2}', expect: read(8, 6) },
    "reads passed and failed": { given: '{"passed": 9, "failed": 1}', expect: read(10, 9) },
    "reads Jest's and Vitest's": {
      given: '{"numTotalTests": 12, "numPassedTests": 10, "numFailedTests": 1, "numPendingTests": 1}',
      expect: read(11, 10),
    },
    "reads pytest's": { given: '{"summary": {"passed": 5, "failed": 0, "total": 5}}', expect: read(5, 5) },
    "reads Mocha's": { given: '{"stats": {"tests": 4, "passes": 3, "failures": 1, "pending": 0}}', expect: read(4, 3) },
    "reads Playwright's, where what passed in the end passed": {
      given: '{"stats": {"expected": 7, "unexpected": 1, "flaky": 2, "skipped": 1}}',
      expect: read(10, 9),
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) => expect(readTests(given)).toEqual(wanted));

  test.each([
    ["", "it is neither XML nor JSON that can be read"],
    ["[]", "the JSON has none of the summaries that are known"],
    ["null", "the JSON has none of the summaries that are known"],
    ['{"tests": -1, "failures": 0}', "the JSON has none of the summaries that are known"],
    ['{"tests": 1, "failures": 2}', "the JSON has none of the summaries that are known"],
    ['{"tests": "10", "failures": 0}', "the JSON has none of the summaries that are known"],
    ['{"passed": 0, "failed": 0}', "no test ran"],
    ["<testsuite></testsuite>", "no test ran"],
    ["<html><body/></html>", "the XML has no <testsuite>"],
    ["<testsuite><testcase>", /^it is no XML: /],
    ['<!DOCTYPE a [<!ENTITY b "x">]><testsuite><testcase name="&b;"/></testsuite>', /^it is no XML: /],
  ])("cannot read %j", (text, why) => {
    const read = readTests(text);
    expect(read.kind).toBe("unreadable");
    expect(read.kind === "unreadable" ? read.message : "").toMatch(why);
  });
});

describe("readCoverage()", () => {
  const table: Record<string, { given: string; expect: number }> = {
    Cobertura: { given: '<coverage line-rate="0.67" branch-rate="0.1"><packages/></coverage>', expect: 0.67 },
    "JaCoCo, the whole report alone": {
      given:
        '<report><package><counter type="LINE" missed="9" covered="1"/></package><counter type="LINE" missed="1" covered="3"/></report>',
      expect: 0.75,
    },
    LCOV: { given: "TN:\nSF:a\nLF:10\nLH:5\nend_of_record\nSF:b\nLF:10\nLH:10\nend_of_record\n", expect: 0.75 },
    Istanbul: { given: '{"total": {"lines": {"pct": 81.5}}}', expect: 0.815 },
    "coverage.py": { given: '{"totals": {"percent_covered": 50}}', expect: 0.5 },
    "a number": { given: '{"coverage": 67}', expect: 0.67 },
  };
  test.each(Object.entries(table))("reads %s", (_, { given, expect: share }) => {
    expect(readCoverage(given)).toEqual({ kind: "read", value: share });
  });
  test.each(["", "LF:0", '{"coverage": 101}', '{"coverage": "67"}', "<coverage/>", "<a/>", "{"])(
    "cannot read %j",
    (text) => {
      expect(readCoverage(text).kind).toBe("unreadable");
    },
  );
});
