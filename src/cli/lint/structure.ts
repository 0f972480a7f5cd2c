import type { Json } from "../../api/crd.ts";

/** What is wrong at one place of an object, in the API server's words. */
export interface Finding {
  /** From the root: "spec", "strategy", "canary", "steps", 0, "weight". */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Schema = Json;
type Path = Finding["path"];

/** Checks a value against a structural schema but for its rules. All that is wrong is found, not only the first. */
export function structureOf(schema: Schema, value: unknown, path: Path = []): Finding[] {
  const found = (message: string): Finding[] => [{ path, message }];
  const type = typeOf(value);
  if (schema["x-kubernetes-int-or-string"] === true)
    return type === "integer" || type === "string"
      ? sizesOf(schema, value, path)
      : found(`must be of type integer,string: "${type}"`);
  const wanted = String(schema.type);
  const fits = wanted === type || (wanted === "number" && type === "integer");
  if (!fits) return found(`must be of type ${wanted}: "${type}"`);
  if (schema.format === "date-time" && !isMoment(String(value))) return found(`must be of type date-time: "${value}"`);
  if (typeof value === "number" && !Number.isFinite(value)) return found(`${value} is no number of JSON`);
  const own = sizesOf(schema, value, path);
  if (type === "array") return [...own, ...itemsOf(schema, value as readonly unknown[], path)];
  if (type === "object") return [...own, ...membersOf(schema, value as Json, path)];
  return own;
}

/** RFC 3339, of a day that there is. */
function isMoment(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/.exec(text);
  if (match === null || Number.isNaN(Date.parse(text))) return false;
  const [, year, month, day] = match.map(Number) as number[];
  return new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day)).getUTCDate() === day;
}

export function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function itemsOf(schema: Schema, list: readonly unknown[], path: Path): Finding[] {
  const items = schema.items as Schema | undefined;
  const below = items === undefined ? [] : list.flatMap((item, i) => structureOf(items, item, [...path, i]));
  const isSet = schema["x-kubernetes-list-type"] === "set";
  const doubled = isSet ? list.filter((item, i) => list.indexOf(item) !== i) : [];
  return [...below, ...doubled.map((item) => ({ path, message: `Duplicate value: ${JSON.stringify(item)}` }))];
}

function membersOf(schema: Schema, value: Json, path: Path): Finding[] {
  const properties = schema.properties as Readonly<Record<string, Schema>> | undefined;
  const others = schema.additionalProperties as Schema | undefined;
  const present = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  const missing = ((schema.required ?? []) as readonly string[])
    .filter((name) => !present.some(([key]) => key === name))
    .map((name) => ({ path: [...path, name], message: "Required value" }));
  const below = present.flatMap(([key, member]): Finding[] => {
    const known = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : others;
    if (known !== undefined) return structureOf(known, member, [...path, key]);
    if (schema["x-kubernetes-preserve-unknown-fields"] === true || properties === undefined) return [];
    return [{ path: [...path, key], message: `unknown field${meant(key, Object.keys(properties))}` }];
  });
  return [...missing, ...below];
}

/** Bounds that are no rules. */
function sizesOf(schema: Schema, value: unknown, path: Path): Finding[] {
  const bound = (name: string) => (typeof schema[name] === "number" ? (schema[name] as number) : undefined);
  const messages: string[] = [];
  const check = (isBad: boolean, message: string) => isBad && messages.push(message);
  if (typeof value === "string") {
    const [most, least] = [bound("maxLength"), bound("minLength")];
    check([...value].length > (most ?? Number.POSITIVE_INFINITY), `Too long: may not be more than ${most} bytes`);
    check([...value].length < (least ?? 0), `should be at least ${least} chars long`);
    const choices = schema.enum as readonly string[] | undefined;
    if (choices !== undefined && !choices.includes(value))
      messages.push(`Unsupported value: "${value}": supported values: ${choices.map((c) => `"${c}"`).join(", ")}`);
    if (typeof schema.pattern === "string" && !new RegExp(schema.pattern).test(value))
      messages.push(`should match '${schema.pattern}'`);
  }
  if (typeof value === "number") {
    const [most, least] = [bound("maximum"), bound("minimum")];
    check(value > (most ?? Number.POSITIVE_INFINITY), `should be less than or equal to ${most}`);
    check(value < (least ?? Number.NEGATIVE_INFINITY), `should be greater than or equal to ${least}`);
    check(schema.format === "int32" && Math.abs(value) > 2_147_483_648, "must be an int32");
  }
  if (Array.isArray(value)) {
    const most = bound("maxItems");
    check(
      value.length > (most ?? Number.POSITIVE_INFINITY),
      `Too many: ${value.length}: must have at most ${most} items`,
    );
  }
  if (typeOf(value) === "object") {
    const [most, count] = [bound("maxProperties"), Object.keys(value as Json).length];
    check(count > (most ?? Number.POSITIVE_INFINITY), `Too many: ${count}: must have at most ${most} items`);
  }
  return messages.map((message) => ({ path, message }));
}

/** A word about the field that was likely meant. */
export function meant(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, far: distance(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, far }) => far <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.far - b.far)[0];
  return near === undefined ? "" : `; did you mean ${near.name}?`;
}

/** Letters to change, add, take away or swap with their neighbour, to make one word of the other. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const change = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swaps = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swaps ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      rows[i]?.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, change, swap));
    }
  }
  return at(a.length, b.length);
}
