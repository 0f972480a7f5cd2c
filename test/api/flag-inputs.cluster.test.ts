import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, type CommandResult, startCluster } from "../cluster/cluster.ts";
import { applyCrds } from "../cluster/playground.ts";
import { changedFlag, GOOD_FLAG, REFUSED_FLAGS, TAKEN_FLAGS } from "./flag-inputs.ts";

/** Inputs 61 to 85 of the ninety, as far as the API server itself refuses or takes them. What it cannot see is in
 * test/core/flags/invalid.test.ts, what programs send in test/serving. */
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
  await applyCrds(cluster);
});

afterAll(async () => await cluster?.stop());

function dryRun(input: string): Promise<CommandResult> {
  return cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { input });
}

function expectRefusal({ code, stderr }: CommandResult, path: string, says: string | RegExp): void {
  expect(code, `kubectl took it: ${stderr}`).not.toBe(0);
  expect(stderr).toContain(path);
  if (typeof says === "string") expect(stderr).toContain(says);
  else expect(stderr).toMatch(says);
}

describe("admission of a FeatureFlag", () => {
  test("takes the one that all others differ from", async () => {
    expect(await dryRun(GOOD_FLAG)).toMatchObject({ code: 0, stderr: "" });
  });

  test.each(TAKEN_FLAGS)("takes $number: $what", async ({ patch }) => {
    expect(await dryRun(changedFlag(patch))).toMatchObject({ code: 0, stderr: "" });
  });

  test.each(REFUSED_FLAGS)("refuses $number: $what", async ({ patch, path, says }) => {
    expectRefusal(await dryRun(changedFlag(patch)), path, says);
  });

  test("refuses 65: the variant __proto__", async () => {
    const input = GOOD_FLAG.replace('"off": false}', '"off": false, __proto__: true}');
    expectRefusal(await dryRun(input), "spec.variants.boolean", "names of variants must be letters, digits, - _ and .");
  });

  test("refuses 85: more than etcd can hold", async () => {
    const texts = Array.from({ length: 48 }, (_, i) => `v${i}: "${"x".repeat(65_000)}"`);
    const { code, stderr } = await dryRun(
      changedFlag(`spec: {variants: {boolean: null, string: {"on": a, "off": b, ${texts.join(", ")}}}}`),
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/too large|larger than/i);
  });

  describe("of changes", () => {
    beforeAll(async () => await cluster.apply(changedFlag("{}", { name: "live" })));

    test.each([
      ["65: another key", "spec: {key: other}", "spec.key", "is immutable: programs would no longer find the flag"],
      [
        "77: another type of variants",
        'spec: {variants: {boolean: null, string: {"on": a, "off": b}}}',
        "spec.variants",
        "the type of variants is immutable, as programs ask for one type; kubectl replace --force makes the flag anew",
      ],
    ])("refuses %s", async (_, patch, path, says) => {
      expectRefusal(await dryRun(changedFlag(patch, { name: "live" })), path, says);
    });

    test("takes 65: the key that it has already, said", async () => {
      expect(await dryRun(changedFlag("spec: {key: live}", { name: "live" }))).toMatchObject({ code: 0, stderr: "" });
    });

    test("takes 77: another type, by force", async () => {
      await cluster.apply(changedFlag("{}", { name: "forced" }));
      const input = changedFlag('spec: {variants: {boolean: null, string: {"on": a, "off": b}}}', { name: "forced" });
      expect(await cluster.kubectl(["replace", "--force", "-f", "-"], { input })).toMatchObject({ code: 0 });
    });
  });
});

const SEGMENT = `
apiVersion: zenith.sh/v1alpha1
kind: FlagSegment
metadata: {name: staff, namespace: default}
`;
const KILL = `
apiVersion: zenith.sh/v1alpha1
kind: KillSwitch
metadata: {name: stop, namespace: default}
`;

describe("admission of the others", () => {
  test.each([
    ["a segment", `${SEGMENT}spec: {included: [alice], excluded: [bob], when: [{attribute: a, is: true}]}`],
    ["a KillSwitch for all", `${KILL}spec: {selector: {}, flags: safe, rollouts: abort, reason: incident}`],
    [
      "a KillSwitch by expressions",
      `${KILL}spec: {selector: {matchExpressions: [{key: tier, operator: NotIn, values: [gold]}]}, flags: safe, reason: a, until: 2027-01-01T00:00:00Z}`,
    ],
  ])("takes %s", async (_, input) => {
    expect(await dryRun(input)).toMatchObject({ code: 0, stderr: "" });
  });

  test.each([
    [
      "71: a segment of itself",
      `${SEGMENT}spec: {when: [{notSegment: staff}]}`,
      "spec.when",
      "a segment must not name itself",
    ],
    [
      "a segment of nobody",
      `${SEGMENT}spec: {excluded: [bob]}`,
      "spec",
      "a segment needs included or when: nobody would belong to it",
    ],
    [
      "a KillSwitch that stops nothing",
      `${KILL}spec: {selector: {}, reason: a}`,
      "spec",
      "must have flags, rollouts or both",
    ],
    [
      "a KillSwitch without a reason",
      `${KILL}spec: {selector: {}, flags: safe, reason: " "}`,
      "spec.reason",
      "must say why",
    ],
    ["a KillSwitch without a selector", `${KILL}spec: {flags: safe, reason: a}`, "spec.selector", /[Rr]equired/],
    [
      "a KillSwitch that turns flags off",
      `${KILL}spec: {selector: {}, flags: "off", reason: a}`,
      "spec.flags",
      'must be one of safe (got "off")',
    ],
    [
      "an operator of selectors that is none",
      `${KILL}spec: {selector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}, flags: safe, reason: a}`,
      "spec.selector.matchExpressions[0].operator",
      '(got "Like")',
    ],
    [
      "values that are missing",
      `${KILL}spec: {selector: {matchExpressions: [{key: a, operator: In}]}, flags: safe, reason: a}`,
      "spec.selector.matchExpressions[0]",
      "values belong to In and NotIn, and both need them",
    ],
    [
      "an end that is no time",
      `${KILL}spec: {selector: {}, flags: safe, reason: a, until: tomorrow}`,
      "spec.until",
      /must be of type date-time/,
    ],
  ])("refuses %s", async (_, input, path, says) => {
    expectRefusal(await dryRun(input), path, says);
  });
});
