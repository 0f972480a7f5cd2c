import { type CelInput, CelScalar, celEnv, celMethod, isCelError, listType, parse, plan } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Json } from "../../api/crd.ts";
import type { Finding } from "./structure.ts";

/**
 * The rules of a schema (`x-kubernetes-validations`), evaluated as the API server does at apply: CEL, with the value at the
 * rule's own place as `self`. Rules that compare with what was there before have nothing to compare with here.
 */

type Schema = Json;
type Path = Finding["path"];

interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  /** A place below, such as `.defaultVariant`, that the refusal names instead. */
  readonly fieldPath?: string;
}

/** What Kubernetes adds to CEL beside the string library, as far as rules of ours use it. */
const LISTS = [
  celMethod("sum", listType(CelScalar.DYN), [], CelScalar.DYN, function () {
    const items = [...this];
    return items.some((item) => typeof item === "number")
      ? items.reduce<number>((sum, item) => sum + Number(item), 0)
      : items.reduce<bigint>((sum, item) => sum + BigInt(item as bigint), 0n);
  }),
];
const environment = celEnv({ funcs: [...strings, ...LISTS] });

type Program = ReturnType<typeof plan>;
const programs = new Map<string, Program>();

function programOf(expression: string): Program {
  const known = programs.get(expression);
  if (known !== undefined) return known;
  const program = plan(environment, parse(expression));
  programs.set(expression, program);
  return program;
}

/** @param isSound whether nothing at or below a place has another type than its schema says: rules there could not be read
 * @throws Error on a rule that is no CEL */
export function rulesBroken(
  schema: Schema,
  value: unknown,
  isSound: (path: Path) => boolean,
  path: Path = [],
): Finding[] {
  if (value === null || value === undefined) return [];
  const own = isSound(path) ? ownRules(schema, value, path) : [];
  return [...own, ...below(schema, value, path).flatMap(([s, v, at]) => rulesBroken(s, v, isSound, at))];
}

function ownRules(schema: Schema, value: unknown, path: Path): Finding[] {
  const rules = (schema["x-kubernetes-validations"] ?? []) as readonly Rule[];
  const active = rules.filter(({ rule }) => !/\boldSelf\b/.test(rule));
  if (active.length === 0) return [];
  const self = celValue(schema, value);
  return active.flatMap(({ rule, message, messageExpression, fieldPath }): Finding[] => {
    const holds = programOf(rule)({ self });
    if (holds === true) return [];
    const at = fieldPath === undefined ? path : [...path, ...fieldPath.split(".").slice(1)];
    if (isCelError(holds)) return [{ path: at, message: evaluationSaid(holds.message) }];
    const said = messageExpression === undefined ? message : String(programOf(messageExpression)({ self }));
    // Of a number the API server says itself what it got.
    const got = typeof value === "number" && messageExpression === undefined ? `${value}: ` : "";
    return [{ path: at, message: `${got}${said ?? `failed rule: ${rule}`}` }];
  });
}

/** In the words of the API server, whose CEL is another. */
function evaluationSaid(message: string): string {
  return `rule evaluation error: ${message.replace(/^Invalid time zone specified: /, "unknown time zone ")}`;
}

/** Places below this one, each with its schema. */
function below(schema: Schema, value: unknown, path: Path): [Schema, unknown, Path][] {
  if (Array.isArray(value)) {
    const items = schema.items as Schema | undefined;
    return items === undefined ? [] : value.map((item, i) => [items, item, [...path, i]]);
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]): [Schema, unknown, Path][] => {
    const at = memberSchema(schema, key);
    return at === undefined ? [] : [[at, member, [...path, key]]];
  });
}

function memberSchema(schema: Schema, key: string): Schema | undefined {
  const properties = schema.properties as Readonly<Record<string, Schema>> | undefined;
  if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key];
  return schema.additionalProperties as Schema | undefined;
}

/** A value as CEL has it by its schema: integers are ints, other numbers doubles, dates timestamps; a field that is null is not there. */
function celValue(schema: Schema | undefined, value: unknown): CelInput {
  if (Array.isArray(value)) return value.map((item) => celValue(schema?.items as Schema | undefined, item));
  if (typeof value === "number") {
    const isDouble = schema?.type === "number" || !Number.isInteger(value);
    return isDouble ? value : BigInt(value);
  }
  if (typeof value === "string" && schema?.format === "date-time") return timestampFromMs(Date.parse(value));
  if (typeof value !== "object" || value === null) return value as CelInput;
  const named = schema?.properties !== undefined;
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return new Map<string, CelInput>(
    members.map(([key, member]) => [named ? escaped(key) : key, celValue(memberSchema(schema ?? {}, key), member)]),
  );
}

const RESERVED = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);

/** A field's name as rules must write it where CEL has another meaning for it. */
function escaped(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}
