import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { rampHash, servedHash } from "../../../src/core/flags/hashes.ts";
import { flagSettingsOf } from "../../../src/core/flags/settings.ts";
import { type Ask, type Context, definitionOf, evaluator, NOW, users } from "./evaluate.ts";
import { aFlag } from "./flag.ts";
import { placeOf } from "./murmur.ts";

/**
 * Assignment, as flagd evaluates what we compile: 100,000 users are asked for each time, and compared with themselves.
 */

const EVERYONE = users(100_000);
const HOUR = 3_600_000;

beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterAll(() => {
  vi.useRealTimers();
});

const contexts: readonly Context[] = EVERYONE.map((targetingKey) => ({ targetingKey }));
const ask = (spec: string, status: object = {}): Ask => evaluator(definitionOf(aFlag(spec, stringify({ status }))));
const askAll = (one: Ask, atMs = NOW): (string | undefined)[] => contexts.map((context) => one(context, atMs).variant);
const share = (variants: readonly (string | undefined)[], variant: string) =>
  variants.filter((v) => v === variant).length / variants.length;

/** Users who had a treatment and have another variant now. */
function moved(before: readonly (string | undefined)[], after: readonly (string | undefined)[], control: string) {
  return EVERYONE.filter((_, i) => before[i] !== control && before[i] !== after[i]);
}

/** Five standard deviations of a share of 100,000 users: a healthy hash leaves them once in a million tries. */
const near = (share: number) => 5 * Math.sqrt((share * (1 - share)) / EVERYONE.length);
function expectShare(variants: readonly (string | undefined)[], variant: string, wanted: number): void {
  expect(
    Math.abs(share(variants, variant) - wanted),
    `${variant}: wanted ${wanted}, found ${share(variants, variant)}`,
  ).toBeLessThanOrEqual(near(wanted)); // 0 and 1 leave no room at all.
}

const CANARY = 'strategy: {canary: {variant: "on", steps: [{weight: 10}, {weight: 50}]}}';
const settingsOf = (spec: string) => flagSettingsOf(aFlag(spec));
const atWeight = (weightBp: number) => ({ serving: { rampHash: rampHash(settingsOf(CANARY)), weightBp } });
const percent = (on: number) =>
  `strategy: {percentage: {weights: [{variant: "on", weight: ${on}}, {variant: "off", weight: ${100 - on}}]}}`;
const progressive = (mode: string, from = 10, to = 50) =>
  `strategy: {progressive: {variant: "on", mode: ${mode}, from: ${from}, to: ${to}, start: 2027-01-01T00:00:00Z, end: 2027-01-01T10:00:00Z}}`;
const throughTheRamp = [-1, 0, 1, 4.5, 9, 10.5].map((hour) => NOW + hour * HOUR);

/** The same ramp from 10 to 50 %, by each way there is to make one; the last state is of an edit to 50 % for good. */
const RAMPS: Record<string, () => (string | undefined)[][]> = {
  continuous: () => {
    const one = ask(progressive("continuous"));
    return [...throughTheRamp.slice(0, -1).map((atMs) => askAll(one, atMs)), askAll(ask(percent(50)))];
  },
  stepped: () =>
    throughTheRamp.map((atMs) => askAll(evaluator(definitionOf(aFlag(progressive("stepped")), { nowMs: atMs })))),
  "by a canary's steps": () => [1000, 2000, 3725, 5000].map((weightBp) => askAll(ask(CANARY, atWeight(weightBp)))),
  "by hand": () => [10, 20, 37, 50].map((on) => askAll(ask(percent(on)))),
  "one after another": () => [
    askAll(ask(percent(10))),
    askAll(ask(progressive("continuous")), NOW - HOUR),
    askAll(ask(progressive("continuous")), NOW + 5 * HOUR),
    askAll(ask(CANARY, atWeight(3000))),
    askAll(ask(progressive("continuous", 30, 50)), NOW),
    askAll(ask(progressive("stepped", 30, 50))),
    askAll(ask(percent(50))),
  ],
};

describe.each(Object.keys(RAMPS))("a ramp from a tenth to a half, %s,", (way) => {
  test("moves no treated user, and treats as many as it says", () => {
    const states = RAMPS[way]?.() ?? [];
    for (const [i, state] of states.slice(1).entries()) expect(moved(states[i] ?? [], state, "off")).toEqual([]);
    expectShare(states[0] ?? [], "on", 0.1);
    expectShare(states.at(-1) ?? [], "on", 0.5);
  });
});

test("a continuous ramp is a straight line", () => {
  const one = ask(progressive("continuous"));
  for (const hour of [0, 2.5, 9.99])
    expectShare(askAll(one, NOW + hour * HOUR), "on", 0.1 + 0.4 * Math.min(hour / 10, 1));
  expectShare(askAll(one, NOW - 100 * HOUR), "on", 0.1);
});

describe("a three-way split", () => {
  const split = (a: number, b: number) =>
    `{variants: {string: {a: A, b: B, none: N}}, defaultVariant: none, strategy: {percentage: {weights: [{variant: a, weight: ${a}}, {variant: b, weight: ${b}}, {variant: none, weight: ${100 - a - b}}]}}}`;

  test("grows from 10/10/80 to 20/20/60, to 70/30/0, and moves no treated user", () => {
    const sizes = [
      [0, 5],
      [10, 10],
      [20, 20],
      [33, 30],
      [70, 30],
    ] as const;
    const states = sizes.map(([a, b]) => askAll(ask(split(a, b))));
    for (const [i, state] of states.slice(1).entries()) expect(moved(states[i] ?? [], state, "none")).toEqual([]);
    for (const [i, [a, b]] of sizes.entries()) {
      expectShare(states[i] ?? [], "a", a / 100);
      expectShare(states[i] ?? [], "b", b / 100);
    }
  });

  test("shrinks the other way round: the last in are the first out", () => {
    const [much, little] = [askAll(ask(split(40, 40))), askAll(ask(split(15, 25)))];
    expect(moved(little, much, "none")).toEqual([]);
  });
});

describe("a graceful revert", () => {
  const pivot = { weightBp: 2500, at: "2027-01-01T00:00:00Z", until: "2027-01-01T10:00:00Z" };
  const override = { kind: "gracefulRevert", servedHash: servedHash(settingsOf(CANARY)), pivot };

  test("exposes nobody new, and lets the last in go first", () => {
    const ramp = [500, 1000, 2500].map((weightBp) => askAll(ask(CANARY, atWeight(weightBp))));
    const one = ask(CANARY, { ...atWeight(2500), override });
    const back = [0, 2, 4, 6, 9.99, 10].map((hour) => askAll(one, NOW + hour * HOUR));
    const [at5, at10, at25] = ramp;
    for (const [i, state] of back.entries()) {
      const before = i === 0 ? at25 : back[i - 1];
      expect(EVERYONE.filter((_, user) => state[user] === "on" && before?.[user] !== "on")).toEqual([]);
    }
    expectShare(back[3] ?? [], "on", 0.1); // 40 % of 25 %
    expect(moved(at5 ?? [], back[3] ?? [], "off")).toEqual([]); // The first in are still there,
    expect(share(back[3] ?? [], "on")).toBeCloseTo(share(at10 ?? [], "on"), 4); // and only they.
    expect(share(back.at(-1) ?? [], "on")).toBe(0);
  });

  test("before it began it is not more than the pivot had", () => {
    const early = askAll(ask(CANARY, { ...atWeight(2500), override }), NOW - 5 * HOUR);
    const at25 = askAll(ask(CANARY, atWeight(2500)));
    expect(EVERYONE.filter((_, i) => early[i] === "on" && at25[i] !== "on")).toEqual([]);
  });
});

describe("a user", () => {
  const spec = percent(10);

  test("gets the same again, whoever compiles and whatever else the flag says", () => {
    const twin = `{description: twin, lifecycle: {owner: me}, safeVariant: "off", ${spec}, stickiness: {seed: new-checkout}}`;
    expect(askAll(ask(twin))).toEqual(askAll(ask(spec)));
  });

  test("keeps it when the flag is renamed and the seed is not", () => {
    const renamed = evaluator(definitionOf(aFlag(`{key: other, ${spec}, stickiness: {seed: new-checkout}}`)));
    expect(askAll(renamed)).toEqual(askAll(ask(spec)));
  });

  test("is what flagd's own shorthand makes of the flag", () => {
    const shorthand = evaluator({
      state: "ENABLED",
      variants: { on: true, off: false },
      defaultVariant: "off",
      targeting: {
        fractional: [
          ["on", 10],
          ["off", 90],
        ],
      },
    });
    // The evaluator calls every flag "flag".
    expect(askAll(ask(`{key: flag, ${spec}}`))).toEqual(askAll(shorthand));
  });

  test("has the place that docs/flags.md says", () => {
    const treated = askAll(ask(percent(37)));
    expect(treated).toEqual(EVERYONE.map((key) => (placeOf("new-checkout", key) < 37_000 ? "on" : "off")));
  });

  test("is treated by one flag as if the other did not exist", () => {
    const [one, other] = [askAll(ask(spec)), askAll(ask(`{key: other, ${spec}}`))];
    const both = EVERYONE.filter((_, i) => one[i] === "on" && other[i] === "on").length / EVERYONE.length;
    expect(Math.abs(both - 0.01)).toBeLessThanOrEqual(near(0.01));
  });
});

/** Contexts without a key that could tell users apart. */
const KEYLESS: Record<string, Context> = {
  "no key": {},
  "an empty key": { targetingKey: "" },
  "a key that is null": { targetingKey: null as unknown as string },
  "a number for a key": { targetingKey: 42 as unknown as string },
  "true for a key": { targetingKey: true as unknown as string },
  "a list for a key": { targetingKey: ["user-1"] as unknown as string },
  "an object for a key": { targetingKey: { id: "user-1" } as unknown as string },
};

describe.each(Object.keys(KEYLESS))("with %s", (which) => {
  const context = KEYLESS[which];
  test.each([1, 50, 99])("%i %% treat nobody", (on) => {
    for (const interpreted of [false, true]) {
      expect(evaluator(definitionOf(aFlag(percent(on))), interpreted)(context)).toEqual({
        value: false,
        variant: "off",
        reason: "DEFAULT",
        errorCode: undefined,
      });
    }
  });

  test("missing: safe gives the safe variant, at 0 % too, and 100 % are everyone", () => {
    const safe = (on: number) => ask(`{safeVariant: "on", stickiness: {missing: safe}, ${percent(on)}}`);
    expect(safe(10)(context).variant).toBe("on");
    expect(ask(`{safeVariant: "on", stickiness: {missing: safe}, ${CANARY}}`)(context).variant).toBe("on");
    expect(ask(percent(100))(context).variant).toBe("on");
  });
});

test("any text is a key, and always the same one", () => {
  const one = ask(percent(50));
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(text, (targetingKey) => {
      const { variant, errorCode } = one({ targetingKey });
      return errorCode === undefined && variant === one({ targetingKey }).variant;
    }),
  );
  for (const targetingKey of ["k".repeat(10_240), "😀", "é", "e\u0301", "null", "0", " "])
    expect(one({ targetingKey }).reason).toBe("TARGETING_MATCH");
});
