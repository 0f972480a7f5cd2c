import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Json } from "../../src/api/crd.ts";
import { lintObject, pathSaid } from "../../src/cli/lint/object.ts";
import { changedFlag, GOOD_FLAG, REFUSED_FLAGS, TAKEN_FLAGS } from "../api/flag-inputs.ts";
import { changed } from "../api/live.ts";
import { GOOD, REFUSED } from "../api/refused.ts";
import { TAKEN } from "../api/taken.ts";
import { runOffline } from "./terminal.ts";

/** What lint says of an object, a line for each finding. */
function linted(text: string): string[] {
  return (lintObject(parse(text) as Json) ?? []).map(({ path, message }) => `${pathSaid(path)}: ${message}`);
}

/** The very inputs, paths and sentences with which the API server is tested. */
describe("lint says what the API server says at apply: of Rollouts", () => {
  test.each(REFUSED.map((row) => [`${row.number} ${row.what}`, row] as const))("%s", (_, { patch, path, says }) => {
    expectRefusal(linted(changed(patch)), path, says);
  });
  test("nothing, of what is good", () => expect(linted(GOOD)).toEqual([]));
});

describe("lint says what the API server says at apply: of FeatureFlags", () => {
  test.each(REFUSED_FLAGS.map((row) => [`${row.number} ${row.what}`, row] as const))(
    "%s",
    (_, { patch, path, says }) => {
      expectRefusal(linted(changedFlag(patch)), path, says);
    },
  );
  test("nothing, of what is good", () => expect(linted(GOOD_FLAG)).toEqual([]));
});

describe("lint has nothing to say of what the API server takes", () => {
  test.each(TAKEN.map((row) => [`${row.number} ${row.what}`, row] as const))("a Rollout: %s", (_, { patch }) => {
    expect(linted(changed(patch))).toEqual([]);
  });
  test.each(TAKEN_FLAGS.map((row) => [`${row.number} ${row.what}`, row] as const))("a flag: %s", (_, { patch }) => {
    expect(linted(changedFlag(patch))).toEqual([]);
  });
});

describe("kubectl zenith lint", () => {
  test("finds every sample good, in a folder", async () => {
    const { code, out, err } = await runOffline(["lint", "manifests/samples"]);
    expect(out).toBe("");
    expect(err).toMatch(/^\d+ objects, no mistakes; \d+ of other kinds were passed over\.\n$/);
    expect(code).toBe(0);
  });

  test("tells all mistakes at once, each with its line, and ends with 1", async () => {
    const input = `apiVersion: v1
kind: List
items:
- apiVersion: zenith.sh/v1alpha1
  kind: Rollout
  metadata: {name: web}
  spec:
    workloadRef: {kind: Deployment, name: web}
    strategy:
      canary:
        steps:
        - weight: 150
        - pause: {fro: 10m}
        - analysis: {for: soon}
    bake: 5
---
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: zenith.sh/v1alpha1
kind: Rolout
metadata: {name: other}
---
a: [1
`;
    const { code, out, err } = await runOffline(["lint", "-"], { input });
    const weight = 'must be a percentage from 0 to 100, as a number or as text such as "0.5%" (got 150)';
    expect(out.split("\n")).toEqual([
      `-:12: Rollout "web": spec.strategy.canary.steps[0].weight: ${weight}`,
      '-:13: Rollout "web": spec.strategy.canary.steps[1].pause.fro: unknown field; did you mean for?',
      '-:14: Rollout "web": spec.strategy.canary.steps[2].analysis.for: must be one integer and s, m, h or d, such as "10m" (got "soon")',
      '-:15: Rollout "web": spec.bake: must be of type string: "integer"',
      '-:22: Rolout "other": kind: must be one of Rollout, FeatureFlag, FlagSegment, KillSwitch (got "Rolout"); did you mean Rollout?',
      expect.stringMatching(/^-:2[56]: Flow sequence in block collection must be/),
      "",
    ]);
    expect(err).toBe("2 objects, 6 mistakes; 1 of other kinds were passed over.\n");
    expect(code).toBe(1);
  });

  test("knows what no schema can see: a variable that there is not", async () => {
    const input = changed(
      "spec: {analysis: {metrics: [{query: {name: load, promql: \"up{a='{{canary.pod}}'}\", max: 1}}]}}",
    );
    const { out } = await runOffline(["lint", "-"], { input });
    expect(out).toMatch(
      /^-:\d+: Rollout "web": spec\.analysis\.metrics\[0\]\.query\.promql: {{canary\.pod}} is unknown; there are namespace, /,
    );
  });

  test("knows a flag that cannot be compiled, with what the other files have", async () => {
    const cyclic = (name: string, of: string) =>
      changedFlag(`spec: {key: ${name}, prerequisites: [{flag: ${of}, variants: ["on"]}]}`, { name });
    const input = `${cyclic("one", "two")}\n---\n${cyclic("two", "one")}`;
    const { code, out } = await runOffline(["lint", "-"], { input });
    expect(out).toMatch(/FeatureFlag "one": spec\.prerequisites\[0\] leads back to the flag: one → two → one\n/);
    expect(code).toBe(1);
  });

  test("says of aliases that name nothing, or make too much of a text, where they are", async () => {
    const many = Array.from({ length: 8 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(", ")}]`);
    const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]", ...many].join("\n");
    const { code, out } = await runOffline(["lint", "-"], { input: `a: 1\n---\na: *nothing\n---\n${bomb}\n` });
    expect({ code, out }).toEqual({
      code: 1,
      out: [
        "-:3: Unresolved alias (the anchor must be set before the alias): nothing",
        "-:5: Excessive alias count indicates a resource exhaustion attack\n",
      ].join("\n"),
    });
  });

  test("says where there is nothing", async () => {
    expect(await runOffline(["lint"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("There is nothing to look at"),
    });
    expect(await runOffline(["lint", "nowhere"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^Error: There is no file or folder "nowhere"\n/),
    });
    expect(await runOffline(["lint", "-"], { input: "" })).toEqual({
      code: 0,
      out: "",
      err: "Nothing of Zenith's was found.\n",
    });
  });
});

function expectRefusal(findings: readonly string[], path: string, says: string | RegExp): void {
  const at = findings.filter((finding) => finding.startsWith(path));
  expect(at.length, findings.join("\n")).toBeGreaterThan(0);
  const matches = at.some((finding) => (typeof says === "string" ? finding.includes(says) : says.test(finding)));
  expect(matches, `${says} in\n${at.join("\n")}`).toBe(true);
}
