import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import type { CompileInput } from "../../../src/core/flags/compile.ts";
import type { InvalidReason } from "../../../src/core/flags/invalid.ts";
import { compile, definitionOf } from "./evaluate.ts";
import { aFlag, aKillSwitch, aSegment } from "./flag.ts";

/**
 * What CEL cannot see, by its number in the list of ninety: each is invalid with a reason and a sentence that says where it
 * stood, what was found and how to mend it. Whoever serves then keeps what was served before.
 */

const when = (clause: string) => `rules: [{when: [${clause}], serve: "on"}]`;
const raw = (logic: unknown) => when(`{jsonLogic: ${JSON.stringify(logic)}}`);
const nested = (depth: number): unknown => (depth === 0 ? { var: "a" } : { "!": [nested(depth - 1)] });
const wide = { or: Array.from({ length: 99 }, () => ({ and: Array.from({ length: 99 }, () => ({ var: "a" })) })) };

interface Invalid {
  readonly number: number;
  readonly spec: string;
  readonly around?: Partial<CompileInput>;
  readonly reason: InvalidReason;
  readonly says: string;
}

const segments = (all: Record<string, string>) => ({
  segments: new Map(Object.entries(all).map(([name, spec]) => [name, aSegment(name, spec)])),
});
const named = (name: string, spec: string): FeatureFlag => aFlag(spec, stringify({ metadata: { name } }));
const others = (all: Record<string, string>) => ({
  others: new Map(Object.entries(all).map(([name, spec]) => [name, named(name, spec)])),
});
const needs = (...flags: string[]) =>
  `prerequisites: [${flags.map((f) => `{flag: ${f}, variants: ["on"]}`).join(", ")}]`;

const INVALID: Record<string, Invalid> = {
  "an object of more than 64 KiB": {
    number: 64,
    spec: `{variants: {object: {big: {text: ${"x".repeat(65_536)}}}}, defaultVariant: big}`,
    reason: "TooLarge",
    says: "spec.variants.object.big must be at most 64 KiB of JSON (got 65547 characters)",
  },
  "a rule that serves no variant, let in by another version of the CRD": {
    number: 67,
    spec: "rules: [{when: [], serve: blue}]",
    reason: "VariantUnknown",
    says: 'spec.rules[0].serve must be one of variants: on, off (got "blue")',
  },
  "shares that do not sum up, let in likewise": {
    number: 66,
    spec: 'strategy: {percentage: {weights: [{variant: "on", weight: "33.3%"}, {variant: "off", weight: "66.6%"}]}}',
    reason: "SpecImpossible",
    says: "spec.strategy.percentage.weights must sum to 100 % (got 99.9 %)",
  },
  "an operator that flagd does not know": {
    number: 68,
    spec: raw({ regex: [{ var: "a" }, "(a+)+$"] }),
    reason: "ConditionRefused",
    says: "spec.rules[0].when[0].jsonLogic must use operators of flagd: var missing",
  },
  "the operator __proto__": {
    number: 68,
    spec: when(`{jsonLogic: {"__proto__": [1]}}`),
    reason: "ConditionRefused",
    says: "must use operators of flagd",
  },
  "too few arguments": {
    number: 69,
    spec: raw({ and: [{ "<": [{ var: "a" }] }] }),
    reason: "ConditionRefused",
    says: "spec.rules[0].when[0].jsonLogic.and[0].< must have 2 to 3 arguments (got 1)",
  },
  "too many arguments": {
    number: 69,
    spec: raw({ "!": [{ var: "a" }, 2] }),
    reason: "ConditionRefused",
    says: "spec.rules[0].when[0].jsonLogic.! must have 1 argument (got 2)",
  },
  "two operators in one": {
    number: 69,
    spec: raw({ "==": [1, 1], "!=": [1, 1] }),
    reason: "ConditionRefused",
    says: "spec.rules[0].when[0].jsonLogic must be one operator with its arguments (got 2 members)",
  },
  "what is the same for everyone": {
    number: 69,
    spec: raw({ or: [{ var: "a" }, { "==": ["a", 1] }] }),
    reason: "ConditionRefused",
    says: "spec.rules[0].when[0].jsonLogic.or[1].== must ask for something with var, as it is the same for everyone",
  },
  "a wrong kind of argument": {
    number: 69,
    spec: raw({ "+": [{ var: "a" }, "1"] }),
    reason: "ConditionRefused",
    says: 'spec.rules[0].when[0].jsonLogic.+[1] must be a number or an operator (got "1")',
  },
  "a context of flagd's own that there is not": {
    number: 69,
    spec: raw({ ">": [{ var: "$flagd.time" }, 1] }),
    reason: "ConditionRefused",
    says: 'must be $flagd.timestamp or $flagd.flagKey (got "$flagd.time")',
  },
  "no operator": { number: 69, spec: raw({}), reason: "ConditionRefused", says: "(got 0 members)" },
  "rules too deep": {
    number: 70,
    spec: raw(nested(20)), // 21 operators, each within the other
    reason: "ConditionRefused",
    says: "must be at most 20 deep",
  },
  "lists too deep": {
    number: 70,
    spec: raw({ in: [{ var: "a" }, Array.from({ length: 20 }).reduce((inner) => [inner], [1])] }),
    reason: "ConditionRefused",
    says: "must be at most 20 deep",
  },
  "a flag of 10,000 operators and one": {
    number: 70,
    spec: `rules: [${Array.from({ length: 2 }, () => `{when: [{jsonLogic: ${JSON.stringify(wide)}}], serve: "on"}`).join(", ")}]`,
    reason: "TooLarge",
    says: "once prerequisites and segments are written out; at most 10000 are served",
  },
  "prerequisites that multiply": {
    number: 70,
    spec: needs("a0"),
    around: others(
      Object.fromEntries(
        Array.from({ length: 8 }, (_, i) => [
          `a${i}`,
          `{${i === 7 ? when("{attribute: a, is: true}") : needs(...Array.from({ length: 10 }, () => `a${i + 1}`))}, strategy: {allAtOnce: {variant: "on"}}}`,
        ]),
      ),
    ),
    reason: "TooLarge",
    says: "prerequisites and segments come to more than 20000 operators",
  },
  "a chain of eleven flags": {
    number: 70,
    spec: needs("a0"),
    around: others(Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`a${i}`, needs(`a${i + 1}`)]))),
    reason: "TooLarge",
    says: "is the end of a chain of more than 10 flags",
  },
  "a reference in flagd's way": {
    number: 71,
    spec: raw({ $ref: "staff" }),
    reason: "ConditionRefused",
    says: "spec.rules[0].when[0].jsonLogic must not use $ref: name a FlagSegment with segment",
  },
  "a segment that is missing": {
    number: 71,
    spec: when("{segment: staff}"),
    reason: "SegmentMissing",
    says: 'spec.rules[0].when[0].segment must be the name of a FlagSegment in the same namespace (got "staff")',
  },
  "a segment of a segment that is missing": {
    number: 71,
    spec: when("{segment: staff}"),
    around: segments({ staff: "when: [{notSegment: guests}]" }),
    reason: "SegmentMissing",
    says: 'FlagSegment "staff" spec.when[0].notSegment must be the name of a FlagSegment',
  },
  "segments that name each other": {
    number: 71,
    spec: when("{segment: a}"),
    around: segments({ a: "when: [{segment: b}]", b: "when: [{segment: a}]" }),
    reason: "SegmentCycle",
    says: "leads to segments that name each other: a → b → a",
  },
  "a prerequisite that is missing": {
    number: 71,
    spec: needs("new-api"),
    reason: "PrerequisiteMissing",
    says: 'spec.prerequisites[0].flag must be the key of a flag in "shop" (got "new-api")',
  },
  "a prerequisite of itself": {
    number: 71,
    spec: needs("new-checkout"),
    reason: "PrerequisiteCycle",
    says: "spec.prerequisites[0] leads back to the flag: new-checkout → new-checkout",
  },
  "prerequisites that need each other": {
    number: 71,
    spec: needs("a"),
    around: others({ a: needs("b"), b: needs("new-checkout") }),
    reason: "PrerequisiteCycle",
    says: "leads back to the flag: new-checkout → a → b → new-checkout",
  },
  "a prerequisite that cannot be served": {
    number: 71,
    spec: needs("a"),
    around: others({ a: when("{segment: staff}") }),
    reason: "PrerequisiteInvalid",
    says: 'spec.prerequisites[0] names FeatureFlag "a", which cannot be served: spec.rules[0].when[0].segment must be',
  },
  "a version comparison that flagd does not know": {
    number: 72,
    spec: raw({ sem_ver: [{ var: "v" }, "=>", "1.0.0"] }),
    reason: "ConditionRefused",
    says: 'spec.rules[0].when[0].jsonLogic.sem_ver[1] must be one of = != < <= > >= ~ ^ (got "=>")',
  },
  "a share within a condition": {
    number: 66,
    spec: raw({
      fractional: [
        ["on", 50],
        ["off", 50],
      ],
    }),
    reason: "ConditionRefused",
    says: "must not use fractional: a share of users is what strategy is for",
  },
  "another namespace's flag set": {
    number: 82,
    spec: "flagSet: shopping",
    reason: "FlagSetForeign",
    says: 'spec.flagSet must be the namespace, "shop" or begin with "shop/" (got "shopping")',
  },
  "a key in two targets": {
    number: 67,
    spec: 'targets: [{variant: "on", keys: [alice]}, {variant: "off", keys: [bob, alice]}]',
    reason: "TargetTwice",
    says: 'spec.targets gives "alice" both on and off; take one out',
  },
  "an attribute that leads into what JavaScript has": {
    number: 65,
    spec: when("{attribute: a.__proto__.b, exists: true}"),
    reason: "ConditionRefused",
    says: 'spec.rules[0].when[0].attribute must not name __proto__ (got "a.__proto__.b")',
  },
  "the same in JSONLogic": {
    number: 65,
    spec: raw({ var: "constructor.name" }),
    reason: "ConditionRefused",
    says: "must not name __proto__, constructor, prototype",
  },
  "a key of JavaScript's, let in by another version of the CRD": {
    number: 65,
    spec: "key: constructor",
    reason: "KeyReserved",
    says: "spec.key must not be constructor, which every object of JavaScript has",
  },
  "a ramp too slow to count in seconds": {
    number: 66,
    spec: 'strategy: {progressive: {variant: "on", to: "0.001%", start: 2027-01-01T00:00:00Z, end: 2028-01-01T00:00:00Z}}',
    reason: "RampTooFine",
    says: "spec.strategy.progressive grows by 0.001 % over 31536000 s, which is too slow to count in; use mode stepped",
  },
};

describe("compileFlag() finds invalid", () => {
  test.each(Object.entries(INVALID))("%s", (_, { spec, around, reason, says }) => {
    expect(compile(aFlag(spec), around)).toMatchObject({
      kind: "invalid",
      reason,
      message: expect.stringContaining(says),
    });
  });
});

describe("compileFlag() takes", () => {
  test.each([
    ["conditions 20 deep", raw(nested(19))],
    [
      "every operator of flagd but shares",
      raw({
        and: [
          { missing: ["a"] },
          { if: [{ var: "b" }, 1, 2] },
          { "<": [1, { var: ["a", 5] }, 3] },
          { in: ["a", { merge: [["a"], { var: "b" }] }] },
        ],
      }),
    ],
    [
      "slow ramps in steps",
      'strategy: {progressive: {variant: "on", mode: stepped, to: "0.001%", start: 2027-01-01T00:00:00Z, end: 2028-01-01T00:00:00Z}}',
    ],
    ["the flag set of the namespace, and below", "flagSet: shop/web/checkout"],
  ])("%s", (_, spec) => {
    expect(compile(aFlag(spec))).toMatchObject({ kind: "compiled" });
  });

  test("a flag that is killed, whatever else is wrong with it", () => {
    const broken = aFlag(`{${needs("missing")}, ${when("{segment: missing}")}}`);
    expect(compile(broken)).toMatchObject({ kind: "invalid" });
    expect(definitionOf(broken, { kills: [aKillSwitch()] })).toMatchObject({ targeting: { if: [true, "off"] } });
  });

  test("a prerequisite that is killed, whatever else is wrong with it", () => {
    const around = others({ a: `{safeVariant: "on", ${when("{segment: missing}")}}` });
    const flag = aFlag(`{${needs("a")}, strategy: {allAtOnce: {variant: "on"}}}`);
    expect(compile(flag, around)).toMatchObject({ kind: "invalid" });
    const kill = aKillSwitch("{selector: {matchLabels: {only: a}}, flags: safe, reason: test}");
    const killed = new Map(
      [...around.others].map(([k, f]) => [k, { ...f, metadata: { ...f.metadata, labels: { only: k } } }]),
    );
    expect(definitionOf(flag, { others: killed, kills: [kill] })).toMatchObject({ defaultVariant: "on" });
  });
});

test("compileFlag() says what a flag was compiled from, found or not", () => {
  const around = {
    ...others({ a: `{${needs("b")}, ${when("{segment: s}")}}`, b: "{}" }),
    ...segments({ s: "when: [{segment: t}]" }),
  };
  const compiled = compile(aFlag(`{${needs("a")}, ${when("{segment: u}")}}`), around);
  expect(compiled).toMatchObject({ kind: "invalid" });
  // What comes first is looked at first; whatever is missing is named all the same.
  expect([...compiled.uses.flags, ...compiled.uses.segments]).toEqual(["u"]);
  const complete = { ...around, ...segments({ s: "included: [a]", u: "when: [{segment: s}]" }) };
  const { uses } = compile(aFlag(`{${needs("a")}, ${when("{segment: u}")}}`), complete);
  expect([[...uses.flags].sort(), [...uses.segments].sort()]).toEqual([
    ["a", "b"],
    ["s", "u"],
  ]);
});
