import { RESERVED, VERSION } from "../../api/targeting.ts";
import type { Logic } from "./definition.ts";
import { FlagInvalid } from "./invalid.ts";

/**
 * Checks JSONLogic that a user wrote. CEL cannot see inside it, so whatever flagd would refuse is found here: unknown operators,
 * too few arguments, arguments of a wrong kind, too much depth. None of flagd's operators takes a regular expression.
 */

/** What an argument may be; KINDS says it. */
type Kind = keyof typeof KINDS;
interface Shape {
  readonly least: number;
  readonly most: number;
  /** Of each argument; those beyond are as the last. */
  readonly kinds: readonly Kind[];
}

const shape = (least: number, most = least, ...kinds: readonly Kind[]): Shape => ({
  least,
  most,
  kinds: kinds.length === 0 ? ["any"] : kinds,
});
const MANY = 100;
const [one, several] = [shape(1), shape(1, MANY)];
const [compared, each] = [shape(2, 2, "single"), shape(2, 2, "operator", "any")];
const OPERATORS: Readonly<Record<string, Shape>> = {
  missing: shape(0, MANY, "plainText"),
  missing_some: shape(2, 2, "number", "texts"),
  if: shape(2, MANY),
  ...{ "==": compared, "===": compared, "!=": compared, "!==": compared, ">": compared, ">=": compared },
  ...{ "<": shape(2, 3, "single"), "<=": shape(2, 3, "single") },
  ...{ "!": one, "!!": one, or: several, and: several, merge: several, cat: several },
  ...{ "+": shape(2, MANY, "numeric"), "*": shape(2, MANY, "numeric"), "-": shape(1, 2, "numeric") },
  ...{ "/": shape(2, 2, "numeric", "divisor"), "%": shape(2, 2, "numeric", "divisor") },
  ...{ max: shape(1, MANY, "numeric"), min: shape(1, MANY, "numeric") },
  ...{ map: each, filter: each, all: each, none: each, some: each, reduce: shape(3, 3, "operator", "any", "single") },
  ...{ in: shape(2), substr: shape(2, 3) },
  starts_with: shape(2, 2, "text"),
  ends_with: shape(2, 2, "text"),
  sem_ver: shape(3, 3, "version", "comparator", "version"),
};
const INSTEAD: Readonly<Record<string, string>> = {
  $ref: "name a FlagSegment with segment",
  fractional: "a share of users is what strategy is for",
};
const COMPARATORS = ["=", "!=", "<", "<=", ">", ">=", "~", "^"];
const MOST_DEPTH = 20;

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
  const below = `${path}.${operator}`;
  if (operator === "var") return { var: checkedVariable(given, below) };
  const { least, most, kinds } = shapeOf(operator, path);
  if (!Array.isArray(given)) return refuse(below, "must have a list of arguments");
  if (given.length < least || given.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    refuse(below, `must have ${wanted} ${most === 1 ? "argument" : "arguments"} (got ${given.length})`);
  }
  // flagd-core works constants out when it reads a flag, and one that cannot be worked out voids the whole flag.
  if (!operator.startsWith("missing") && given.every(isConstant))
    refuse(below, "must ask for something with var, as it is the same for everyone; write what it comes to");
  return {
    [operator]: given.map((argument, i) => {
      const at = `${below}[${i}]`;
      checkKind(argument, kinds[Math.min(i, kinds.length - 1)] as Kind, at);
      return checkedLogic(argument, at, depth + 1);
    }),
  };
}

function shapeOf(operator: string, path: string): Shape {
  const instead = Object.hasOwn(INSTEAD, operator) ? INSTEAD[operator] : undefined;
  if (instead !== undefined) refuse(path, `must not use ${operator}: ${instead}`);
  const known = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
  const names = ["var", ...Object.keys(OPERATORS)].join(" ");
  return known ?? refuse(path, `must use operators of flagd: ${names} (got ${JSON.stringify(operator)})`);
}

const isText = (value: unknown): value is string => typeof value === "string";
const isOperator = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
const isConstant = (value: unknown): boolean =>
  Array.isArray(value) ? value.every(isConstant) : typeof value !== "object" || value === null;
const isVariable = (value: unknown) => isOperator(value) && Object.keys(value as object)[0] === "var";
const version = new RegExp(`^${VERSION}$`);

const KINDS = {
  any: [() => true, ""],
  single: [(value) => !Array.isArray(value), "no list; use in"],
  operator: [isOperator, "an operator, as a list that stands there is the same for everyone"],
  text: [(value) => isText(value) || isOperator(value), "text or an operator"],
  numeric: [(value) => Number.isFinite(value) || isOperator(value), "a number or an operator"],
  divisor: [(value) => (Number.isFinite(value) && value !== 0) || isOperator(value), "a number but 0, or an operator"],
  plainText: [isText, "text"],
  number: [Number.isFinite, "a number"],
  texts: [(value) => Array.isArray(value) && value.every(isText), "a list of texts"],
  version: [
    (value) => isVariable(value) || (isText(value) && version.test(value)),
    'a version such as "2.1.0", or a var',
  ],
  comparator: [(value) => isText(value) && COMPARATORS.includes(value), `one of ${COMPARATORS.join(" ")}`],
} satisfies Record<string, readonly [holds: (value: unknown) => boolean, wanted: string]>;

function checkKind(value: unknown, kind: Kind, path: string): void {
  const [holds, wanted] = KINDS[kind];
  if (!holds(value)) refuse(path, `must be ${wanted} (got ${shown(value)})`);
}

/** The name of an attribute, and a default perhaps. */
function checkedVariable(given: unknown, path: string): Logic {
  const [name, ...rest]: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (
    !isText(name) ||
    name === "" ||
    rest.length > 1 ||
    rest.some((value) => typeof value === "object" && value !== null)
  )
    return refuse(
      path,
      `must be the name of an attribute, and at most a plain value for where it is missing (got ${shown(given)})`,
    );
  if (name.split(".").some((part) => (RESERVED as readonly string[]).includes(part)))
    refuse(path, `must not name ${RESERVED.join(", ")} (got ${shown(name)})`);
  if (name.startsWith("$flagd.") && name !== "$flagd.timestamp" && name !== "$flagd.flagKey")
    refuse(path, `must be $flagd.timestamp or $flagd.flagKey (got ${shown(name)})`);
  return given as Logic;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function refuse(path: string, message: string): never {
  throw new FlagInvalid("ConditionRefused", `${path} ${message}`);
}
