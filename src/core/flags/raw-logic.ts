import { RESERVED } from "../../api/targeting.ts";
import type { Logic } from "./definition.ts";
import { FlagInvalid } from "./invalid.ts";

/** Checks JSONLogic that a user wrote. CEL cannot see inside it, so all that could go wrong when it is evaluated is found
 * here: unknown operators, too few arguments, too much depth. None of flagd's operators takes a regular expression. */

/** What each operator takes: the least and the most number of arguments. */
const OPERATORS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  var: [1, 2],
  missing: [1, 100],
  missing_some: [2, 2],
  if: [2, 100],
  "==": [2, 2],
  "===": [2, 2],
  "!=": [2, 2],
  "!==": [2, 2],
  "!": [1, 1],
  "!!": [1, 1],
  or: [1, 100],
  and: [1, 100],
  ">": [2, 2],
  ">=": [2, 2],
  "<": [2, 3],
  "<=": [2, 3],
  max: [1, 100],
  min: [1, 100],
  "+": [1, 100],
  "-": [1, 2],
  "*": [2, 100],
  "/": [2, 2],
  "%": [2, 2],
  map: [2, 2],
  reduce: [2, 3],
  filter: [2, 2],
  all: [2, 2],
  none: [2, 2],
  some: [2, 2],
  merge: [1, 100],
  in: [2, 2],
  cat: [1, 100],
  substr: [2, 3],
  starts_with: [2, 2],
  ends_with: [2, 2],
  sem_ver: [3, 3],
};
const INSTEAD: Readonly<Record<string, string>> = {
  $ref: "name a FlagSegment with segment",
  fractional: "a share of users is what strategy is for",
};
const MOST_DEPTH = 20;
const SEM_VER = ["=", "!=", "<", "<=", ">", ">=", "~", "^"];

/** @param path where it stands in the spec, for the message
 * @throws FlagInvalid */
export function checkedLogic(logic: unknown, path: string, depth = 1): Logic {
  if (typeof logic !== "object" || logic === null) return logic as Logic;
  if (depth > MOST_DEPTH) refuse(path, `must be at most ${MOST_DEPTH} deep`);
  if (Array.isArray(logic))
    return logic.map((item, i) => checkedLogic(item, `${path}[${i}]`, Array.isArray(item) ? depth + 1 : depth));
  const entries = Object.entries(logic);
  const [entry, second] = entries;
  if (entry === undefined || second !== undefined)
    refuse(path, `must be one operator with its arguments (got ${entries.length} members)`);
  const [operator, given] = entry as [string, unknown];
  checkOperator(operator, Array.isArray(given) ? given : [given], path);
  return { [operator]: argumentsOf(given, `${path}.${operator}`, depth) };
}

/** A list of arguments is no depth of its own. */
function argumentsOf(given: unknown, path: string, depth: number): Logic {
  if (!Array.isArray(given)) return checkedLogic(given, path, depth + 1);
  return given.map((argument, i) => checkedLogic(argument, `${path}[${i}]`, depth + 1));
}

function checkOperator(operator: string, args: readonly unknown[], path: string): void {
  const instead = Object.hasOwn(INSTEAD, operator) ? INSTEAD[operator] : undefined;
  if (instead !== undefined) refuse(path, `must not use ${operator}: ${instead}`);
  if (!Object.hasOwn(OPERATORS, operator))
    refuse(path, `must use operators of flagd: ${Object.keys(OPERATORS).join(" ")} (got ${JSON.stringify(operator)})`);
  const [least, most] = OPERATORS[operator] as readonly [number, number];
  if (args.length < least || args.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    refuse(`${path}.${operator}`, `must have ${wanted} ${most === 1 ? "argument" : "arguments"} (got ${args.length})`);
  }
  const [first, second] = args;
  if (
    operator === "var" &&
    String(first)
      .split(".")
      .some((name) => (RESERVED as readonly string[]).includes(name))
  )
    refuse(`${path}.var`, `must not name ${RESERVED.join(", ")}`);
  if (operator === "sem_ver" && typeof second === "string" && !SEM_VER.includes(second))
    refuse(`${path}.sem_ver[1]`, `must be one of ${SEM_VER.join(" ")} (got ${JSON.stringify(second)})`);
}

function refuse(path: string, message: string): never {
  throw new FlagInvalid("ConditionRefused", `${path} ${message}`);
}
