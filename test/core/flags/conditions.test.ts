import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Ask, type Context, definitionOf, evaluator } from "./evaluate.ts";
import { aFlag, aSegment } from "./flag.ts";

/** What each condition makes of what programs send: in code that flagd-core generates, and interpreted. */
beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterAll(() => {
  vi.useRealTimers();
});

const when = (clause: string) => `rules: [{when: [${clause}], serve: "on"}]`;
/** Values that are odd for every operator. */
const ODD: readonly Context[string][] = [null, "", 0, -1, true, false, [], {}, ["pro"], { a: 1 }, Number.NaN, "NaN"];

const CONDITIONS: Record<
  string,
  { clause: string; holds: readonly Context[string][]; not: readonly Context[string][] }
> = {
  in: { clause: "in: [pro, 5]", holds: ["pro", 5], not: ["team", "5", "pr", 6, ...ODD] },
  notIn: { clause: "notIn: [pro, 5]", holds: ["team", "5", 6, "", 0, true], not: ["pro", 5, null] },
  startsWith: { clause: "startsWith: pro", holds: ["pro", "prolog"], not: ["a pro", "PRO", ...ODD] },
  endsWith: { clause: 'endsWith: "@example.com"', holds: ["a@example.com"], not: ["a@example.com.evil", ...ODD] },
  contains: { clause: "contains: bot", holds: ["bot", "a bot", "robots"], not: ["BOT", ["bot"], ...ODD] },
  "is true": { clause: "is: true", holds: [true], not: ["true", 1, "on", false, null, "", 0, [], {}] },
  "is false": { clause: "is: false", holds: [false], not: ["false", 0, "", null, true, [], {}] },
  exists: { clause: "exists: true", holds: ["", 0, false, [], {}, "a"], not: [null] },
  "exists not": { clause: "exists: false", holds: [null], not: ["", 0, false, [], {}, "a"] },
  greaterThan: { clause: "greaterThan: 5", holds: [5.1, 6, 1e300], not: [5, "6", "6 years", [6], ...ODD] },
  atLeast: { clause: "atLeast: 5", holds: [5, 6], not: [4.9, "5", [5], ...ODD] },
  "atLeast 0": { clause: "atLeast: 0", holds: [0, 1e-9], not: [null, "", "0", [0], {}, false] },
  lessThan: {
    clause: "lessThan: 5",
    holds: [4.9, -1, 0, -1e300],
    not: [5, 6, null, "", "4", "abc", {}, [], [4], false],
  },
  atMost: { clause: "atMost: 5", holds: [5, 0, -1], not: [5.1, null, "", "5", "abc", {}, [], [5], false] },
  "atMost below 0": { clause: "atMost: -1", holds: [-1, -2], not: [0, null, "", {}, [-1], "-1"] },
  "semver >=": {
    clause: 'semver: ">=2.1.0"',
    holds: ["2.1.0", "2.10.0", "v3.0.0"],
    not: ["2.0.9", "2.1.0-rc.1", "x", ...ODD],
  },
  "semver ~": { clause: 'semver: "~2.1.5"', holds: ["2.1.0", "2.1.9"], not: ["2.2.0", "3.1.5", ...ODD] },
  "semver ^": { clause: 'semver: "^2.1.5"', holds: ["2.0.0", "2.9.9"], not: ["3.0.0", ...ODD] },
  "semver without an operator": { clause: 'semver: "2.1.0"', holds: ["2.1.0"], not: ["2.1.1", ...ODD] },
};

function both(spec: string, ...segments: readonly [name: string, spec: string][]): readonly [Ask, Ask] {
  const around = { segments: new Map(segments.map(([name, s]) => [name, aSegment(name, s)])) };
  const definition = definitionOf(aFlag(spec), around);
  return [evaluator(definition), evaluator(definition, true)];
}

describe.each(Object.keys(CONDITIONS))("the condition %s", (name) => {
  const { clause = "", holds = [], not = [] } = CONDITIONS[name] ?? {};
  const asks = both(when(`{attribute: a, ${clause}}`));

  test.each(holds.map((value) => [JSON.stringify(value), value]))("holds of %s", (_, value) => {
    for (const ask of asks) expect(ask({ a: value as string })).toMatchObject({ variant: "on", errorCode: undefined });
  });
  test.each(not.map((value) => [JSON.stringify(value), value]))("does not hold of %s", (_, value) => {
    for (const ask of asks) expect(ask({ a: value as string })).toMatchObject({ variant: "off", errorCode: undefined });
  });
  test("fails on nothing", () => {
    for (const ask of asks) expect(ask({}).errorCode).toBeUndefined();
  });
});

const variants = (asks: readonly [Ask, Ask], contexts: readonly Context[]) =>
  contexts.map((context) =>
    asks
      .map((ask) => ask(context).variant)
      .join("/")
      .replace(/^(.*)\/\1$/, "$1"),
  );

describe("rules", () => {
  test("hold when all of their conditions do, and the first that holds wins", () => {
    const asks = both(
      `{variants: {string: {a: A, b: B, none: N}}, defaultVariant: none, rules: [
        {when: [{attribute: plan, in: [pro]}, {attribute: beta, is: true}], serve: a},
        {when: [{attribute: plan, in: [pro]}], serve: b}, {when: [{attribute: beta, is: true}], serve: a}]}`,
    );
    const contexts = [{ plan: "pro", beta: true }, { plan: "pro" }, { beta: true }, {}];
    expect(variants(asks, contexts)).toEqual(["a", "b", "a", "none"]);
  });

  test("come after targets, before the strategy, and one without conditions is for everyone", () => {
    const asks = both(
      'targets: [{variant: "off", keys: [alice]}]\nrules: [{when: [], serve: "on"}]\nstrategy: {allAtOnce: {variant: "off"}}',
    );
    expect(variants(asks, [{ targetingKey: "alice" }, { targetingKey: "bob" }, {}])).toEqual(["off", "on", "on"]);
  });

  test("ask for what lies within objects", () => {
    const asks = both(when("{attribute: company.size, atLeast: 10}"));
    expect(variants(asks, [{ company: { size: 10 } }, { company: { size: 9 } }, { company: "x" }])).toEqual([
      "on",
      "off",
      "off",
    ]);
  });
});

describe("segments", () => {
  test("are who is included, and whoever the conditions hold for and is not excluded", () => {
    const asks = both(when("{segment: staff}"), [
      "staff",
      "included: [alice]\nexcluded: [alice, mallory]\nwhen: [{attribute: staff, is: true}]",
    ]);
    const contexts = [
      { targetingKey: "alice" },
      { targetingKey: "mallory", staff: true },
      { targetingKey: "bob", staff: true },
      { targetingKey: "bob" },
      { staff: true },
    ];
    expect(variants(asks, contexts)).toEqual(["on", "off", "on", "off", "on"]);
  });

  test("are left out by notSegment", () => {
    const asks = both(when("{notSegment: staff}"), ["staff", "included: [alice]"]);
    expect(variants(asks, [{ targetingKey: "alice" }, { targetingKey: "bob" }, {}])).toEqual(["off", "on", "on"]);
  });
});
