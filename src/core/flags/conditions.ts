import type { Clause } from "../../api/targeting.ts";
import type { Logic } from "./definition.ts";
import { FlagInvalid } from "./invalid.ts";
import { all, not, variable } from "./logic.ts";
import { checkedLogic } from "./raw-logic.ts";
import { checkAttribute } from "./settings.ts";

/**
 * Conditions as JSONLogic. Each is false where the attribute is missing, whatever the language that evaluates it makes of a
 * comparison with nothing: so each says itself that the attribute is there.
 */

/** What a condition needs of the objects around it. */
export interface Surroundings {
  /** Whether a user belongs to a segment, as JSONLogic. */
  readonly segment: (name: string, path: string) => Logic;
}

/** All conditions of a list.
 * @param path where the list stands, for messages
 * @throws FlagInvalid */
export function conditionsLogic(clauses: readonly Clause[], path: string, around: Surroundings): Logic {
  return all(clauses.map((clause, i) => clauseLogic(clause, `${path}[${i}]`, around)));
}

function clauseLogic(clause: Clause, path: string, { segment }: Surroundings): Logic {
  if (clause.segment !== undefined) return segment(clause.segment, `${path}.segment`);
  if (clause.notSegment !== undefined) return not(segment(clause.notSegment, `${path}.notSegment`));
  if (clause.jsonLogic !== undefined) return checkedLogic(clause.jsonLogic, `${path}.jsonLogic`);
  const value = variable(attributeOf(clause, path));
  const { in: one, notIn: none, startsWith, endsWith, contains, is, exists, semver } = clause;
  if (one !== undefined) return { in: [value, one] };
  if (none !== undefined) return all([isThere(value), not({ in: [value, none] })]);
  if (startsWith !== undefined) return all([isText(value), { starts_with: [value, startsWith] }]);
  if (endsWith !== undefined) return all([isText(value), { ends_with: [value, endsWith] }]);
  if (contains !== undefined) return all([isText(value), { in: [contains, value] }]);
  if (is !== undefined) return { "===": [value, is] };
  if (exists !== undefined) return exists ? isThere(value) : { "===": [value, null] };
  if (semver !== undefined) return { sem_ver: [value, ...semverOf(semver, path)] };
  return comparison(clause, value, path);
}

function comparison({ greaterThan, atLeast, lessThan, atMost }: Clause, value: Logic, path: string): Logic {
  const compared = (operator: string, limit: number) => all([...isNumber(value), { [operator]: [value, limit] }]);
  if (greaterThan !== undefined) return compared(">", greaterThan);
  if (atLeast !== undefined) return compared(">=", atLeast);
  if (lessThan !== undefined) return compared("<", lessThan);
  if (atMost !== undefined) return compared("<=", atMost);
  throw new FlagInvalid("SpecImpossible", `${path} must have an operator`);
}

/** Conditions that together hold of a number alone. JSONLogic compares anything: nothing counts as 0, and at text that is no
 * number or at an object flagd-core throws, so that the program gets its code's default. */
function isNumber(value: Logic): readonly Logic[] {
  const first = { substr: [{ cat: ["", value] }, 0, 1] };
  const isNoList = { in: [value, { merge: [value] }] };
  return [isThere(value), not(isText(value)), { in: [first, "-0123456789"] }, isNoList];
}

/** Whether an attribute is text: JSONLogic has no word for it, but nothing else is the same as its own text. (Two arguments, as
 * flagd-core 4.0.1 throws at `cat` of nothing but null.) */
export function isText(value: Logic): Logic {
  return { "===": [value, { cat: ["", value] }] };
}

function isThere(value: Logic): Logic {
  return { "!==": [value, null] };
}

function attributeOf({ attribute }: Clause, path: string): string {
  if (attribute === undefined) throw new FlagInvalid("SpecImpossible", `${path} must have an attribute`);
  checkAttribute(attribute, `${path}.attribute`);
  return attribute;
}

/** @example semverOf(">=2.1.0") // [">=", "2.1.0"] */
function semverOf(text: string, path: string): [operator: string, version: string] {
  const match = /^(=|!=|<=|<|>=|>|~|\^)? *([0-9].*)$/.exec(text);
  if (match === null)
    throw new FlagInvalid("SpecImpossible", `${path}.semver must be such as ">=2.1.0" (got "${text}")`);
  return [match[1] ?? "=", match[2] ?? ""];
}
