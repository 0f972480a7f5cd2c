import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Context, definitionOf, evaluator } from "./evaluate.ts";
import { aFlag, aSegment } from "./flag.ts";

/**
 * The cases by which flagd's evaluators are told to agree (flagd-testbed 3.9.0, evaluator/gherkin, Apache-2.0), as far as a
 * FeatureFlag can say them: what each flag gives to whom. Not to be said are flags without a default variant, expressions
 * within weights, and what we refuse as flagd's schema does: operators that are none, parts of versions.
 */
beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterAll(() => {
  vi.useRealTimers();
});

const named = (...names: string[]) => `variants: {string: {${names.map((name) => `${name}: ${name}`).join(", ")}}}`;
const rule = (clause: string, serve: string) => `{when: [${clause}], serve: ${serve}}`;
const version = (version: string): Context => ({ version });

interface Case {
  readonly feature: string;
  readonly spec: string;
  readonly gives: readonly (readonly [context: Context, value: unknown, reason?: string])[];
}

const CASES: Record<string, Case> = {
  "a boolean": {
    feature: "evaluation",
    spec: "{strategy: {allAtOnce: {variant: 'on'}}}",
    gives: [[{}, true, "STATIC"]],
  },
  "a text": {
    feature: "evaluation",
    spec: "{variants: {string: {greeting: hi, parting: bye}}, defaultVariant: greeting}",
    gives: [[{}, "hi", "STATIC"]],
  },
  "a whole number": {
    feature: "evaluation",
    spec: "{variants: {number: {one: 1, ten: 10}}, defaultVariant: ten}",
    gives: [[{}, 10, "STATIC"]],
  },
  "a fraction": {
    feature: "evaluation",
    spec: "{variants: {number: {tenth: 0.1, half: 0.5}}, defaultVariant: half}",
    gives: [[{}, 0.5, "STATIC"]],
  },
  "an object": {
    feature: "evaluation",
    spec: "{variants: {object: {empty: {}, template: {showImages: true, title: Check out these pics!, imagesPerPage: 100}}}, defaultVariant: template}",
    gives: [[{}, { showImages: true, title: "Check out these pics!", imagesPerPage: 100 }, "STATIC"]],
  },
  false: { feature: "zero", spec: "{}", gives: [[{}, false, "STATIC"]] },
  "no text": {
    feature: "zero",
    spec: `{variants: {string: {zero: "", other: str}}, defaultVariant: zero}`,
    gives: [[{}, "", "STATIC"]],
  },
  "0": {
    feature: "zero",
    spec: "{variants: {number: {zero: 0, other: 1}}, defaultVariant: zero}",
    gives: [[{}, 0, "STATIC"]],
  },
  "an empty object": {
    feature: "zero",
    spec: "{variants: {object: {zero: {}, other: {a: 1}}}, defaultVariant: zero}",
    gives: [[{}, {}, "STATIC"]],
  },
  "a targeted 0": {
    feature: "zero",
    spec: `{variants: {number: {zero: 0, other: 1}}, defaultVariant: other, rules: [${rule("{attribute: email, in: [ballmer@macrosoft.com]}", "zero")}]}`,
    gives: [
      [{ email: "ballmer@macrosoft.com" }, 0, "TARGETING_MATCH"],
      [{}, 1, "DEFAULT"],
    ],
  },
  "a disabled flag": {
    feature: "disabled",
    spec: "{enabled: false, strategy: {allAtOnce: {variant: 'on'}}}",
    gives: [[{}, "code default", "DISABLED"]],
  },
  "a targeting key": {
    feature: "targeting",
    spec: `{${named("miss", "hit")}, defaultVariant: miss, targets: [{variant: hit, keys: [5c3d8535-f81a-4478-a6d3-afaa4d51199e]}]}`,
    gives: [
      [{ targetingKey: "5c3d8535-f81a-4478-a6d3-afaa4d51199e" }, "hit", "TARGETING_MATCH"],
      [{ targetingKey: "f20bd32d-703b-48b6-bc8e-79d53c85134a" }, "miss", "DEFAULT"],
    ],
  },
  "a rule that flags share": {
    feature: "evaluator-refs",
    spec: `{${named("hi", "bye")}, defaultVariant: bye, rules: [${rule("{segment: ballmer}", "hi")}]}`,
    gives: [
      [{ email: "ballmer@macrosoft.com" }, "hi"],
      [{ email: "user@example.com" }, "bye"],
    ],
  },
  "beginnings and ends of text": {
    feature: "string",
    spec: `{${named("prefix", "postfix", "none")}, defaultVariant: none, rules: [${rule("{attribute: id, startsWith: abc}", "prefix")}, ${rule("{attribute: id, endsWith: xyz}", "postfix")}]}`,
    gives: [
      [{ id: "abcdef" }, "prefix"],
      [{ id: "uvwxyz" }, "postfix"],
      [{ id: "abcxyz" }, "prefix"],
      [{ id: "lmnopq" }, "none"],
      [{ id: 123 }, "none", "DEFAULT"],
    ],
  },
  "versions compared": {
    feature: "semver",
    spec: `{${named("equal", "greater", "lesser", "none")}, defaultVariant: none, rules: [${rule('{attribute: version, semver: "=2.0.0"}', "equal")}, ${rule('{attribute: version, semver: ">2.0.0"}', "greater")}, ${rule('{attribute: version, semver: "<2.0.0"}', "lesser")}]}`,
    gives: [
      [version("2.0.0"), "equal"],
      [version("2.1.0"), "greater"],
      [version("1.9.0"), "lesser"],
      [version("2.0.0-alpha"), "lesser"],
      [version("2.0.0.0"), "none"],
    ],
  },
  "versions of one minor, of one major": {
    feature: "semver",
    spec: `{${named("minor", "major", "none")}, defaultVariant: none, rules: [${rule('{attribute: version, semver: "~3.0.0"}', "minor")}, ${rule('{attribute: version, semver: "^3.0.0"}', "major")}]}`,
    gives: [
      [version("3.0.1"), "minor"],
      [version("3.1.0"), "major"],
      [version("4.0.0"), "none"],
    ],
  },
  "versions with a v, and builds": {
    feature: "semver",
    spec: `{${named("match", "not")}, defaultVariant: not, rules: [${rule('{attribute: version, semver: "1.0.0+build"}', "match")}]}`,
    gives: [
      [version("1.0.0"), "match"],
      [version("v1.0.0"), "match"],
      [version("1.0.0+other"), "match"],
      [version("2.0.0"), "not"],
      [version("not-a-version"), "not"],
    ],
  },
};

describe.each(Object.keys(CASES))("flagd-testbed: %s", (name) => {
  const { spec = "{}", gives = [] } = CASES[name] ?? {};
  const segments = new Map([
    ["ballmer", aSegment("ballmer", "when: [{attribute: email, in: [ballmer@macrosoft.com]}]")],
  ]);

  test.each([false, true])("interpreted: %s", (interpreted) => {
    const ask = evaluator(definitionOf(aFlag(spec), { segments }), interpreted);
    for (const [context, value, reason] of gives)
      expect(ask(context)).toMatchObject({ value, ...(reason === undefined ? {} : { reason }) });
  });
});

/** Shares there are four bands in a row, ours lie otherwise: but in which quarter of the line a key lies must be the same. */
function quarterOf(seed: string, attribute: string, context: Context): number {
  const treatedAt = (weight: number) => {
    const weights = `[{variant: "on", weight: ${weight}}, {variant: "off", weight: ${100 - weight}}]`;
    const spec = `{stickiness: {attribute: ${attribute}, seed: "${seed}"}, strategy: {percentage: {weights: ${weights}}}}`;
    return evaluator(definitionOf(aFlag(spec)))(context).variant === "on";
  };
  return [25, 50, 75, 100].findIndex(treatedAt);
}
const [clubs, diamonds, hearts, spades] = [0, 1, 2, 3] as const;

describe("flagd-testbed: places of keys", () => {
  test.each([
    ["fractional-flag", "jack", hearts],
    ["fractional-flag", "queen", spades],
    ["fractional-flag", "ten", clubs],
    ["fractional-flag", "nine", diamonds],
    ["shared-seed", "seven", hearts],
    ["shared-seed", "eight", diamonds],
    ["shared-seed", "nine", clubs],
    ["shared-seed", "two", spades],
  ])("of %s and %s", (seed, name, quarter) => {
    expect(quarterOf(seed, "user.name", { user: { name } })).toBe(quarter);
  });

  test.each([
    ["jon@company.com", 0],
    ["jane@company.com", 1],
  ])("by the shorthand, of %s", (targetingKey, half) => {
    expect(Math.floor(quarterOf("fractional-flag-shorthand", "targetingKey", { targetingKey }) / 2)).toBe(half);
  });
});
