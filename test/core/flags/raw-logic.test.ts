import fc from "fast-check";
import { expect, test } from "vitest";
import type { Logic } from "../../../src/core/flags/definition.ts";
import { FlagInvalid } from "../../../src/core/flags/invalid.ts";
import { checkedLogic } from "../../../src/core/flags/raw-logic.ts";
import { evaluator } from "./evaluate.ts";

/** JSONLogic as somebody may write it who knows the names of the operators, and little else. */
const OPERATORS = [
  ...[
    "var",
    "missing",
    "missing_some",
    "if",
    "==",
    "===",
    "!=",
    "!==",
    "!",
    "!!",
    "or",
    "and",
    ">",
    ">=",
    "<",
    "<=",
    "max",
  ],
  ...["min", "+", "-", "*", "/", "%", "map", "reduce", "filter", "all", "none", "some", "merge", "in", "cat", "substr"],
  ...["starts_with", "ends_with", "sem_ver"],
];
const words = ["a", "a.b", "", "$flagd.timestamp", "$flagd.other", "=", ">=", "1.2.3", "v1.0.0", "1", "01.2.3"];
const versions: readonly Logic[] = [
  "1.2.3",
  "v1.0.0",
  "1",
  "01.2.3",
  "1.2.3-rc.1+b.2",
  "1.2.3-01",
  "1.2.3-",
  { var: "v" },
];
const { logic } = fc.letrec<{ logic: Logic; list: Logic }>((tie) => ({
  logic: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constantFrom<Logic>(...words, true, false, null),
      fc.integer({ min: -2, max: 3 }),
      fc.constantFrom<Logic>({ var: "a" }, { var: ["a", 1] }, { missing: ["a"] }),
    ),
    fc
      .tuple(fc.constantFrom(...OPERATORS), fc.oneof(tie("list"), tie("list"), tie("logic")))
      .map(([operator, args]): Logic => ({ [operator]: args as Logic })),
    fc
      .tuple(fc.constantFrom(...versions), fc.constantFrom("=", ">=", "~", "^", "=>"), fc.constantFrom(...versions))
      .map((args): Logic => ({ sem_ver: args })),
    tie("list"),
  ),
  list: fc.array(tie("logic"), { minLength: 1, maxLength: 3 }) as fc.Arbitrary<Logic>,
}));
const operator = logic.filter((l) => typeof l === "object" && l !== null && !Array.isArray(l));

function accepted(candidate: Logic): boolean {
  try {
    return checkedLogic(candidate, "") !== undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(FlagInvalid);
    return false;
  }
}

test("what checkedLogic() takes, flagd's published schema takes too, and its engine builds", () => {
  let taken = 0;
  fc.assert(
    fc.property(operator, (condition) => {
      if (!accepted(condition)) return;
      taken++;
      const ask = evaluator({
        state: "ENABLED",
        variants: { on: true, off: false },
        defaultVariant: "off",
        targeting: { if: [condition, "on", "off"] },
      });
      expect(ask({}).errorCode).not.toBe("PARSE_ERROR");
    }),
    { numRuns: 3000 },
  );
  expect(taken).toBeGreaterThan(100);
});
