import type { JsonValue } from "../core/flags/definition.ts";

/** What is known of the one who asks: `targetingKey` and attributes. */
export type Context = { readonly [attribute: string]: JsonValue };

/** A request that cannot be answered, in words that its author understands. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
  readonly code: "PARSE_ERROR" | "INVALID_CONTEXT";

  constructor(code: "PARSE_ERROR" | "INVALID_CONTEXT", message: string) {
    super(message);
    this.code = code;
  }
}

/** Bounds of a context. They are the same on every port, and far beyond what describes a user. */
export const MOST_BYTES = 256 * 1024;
const MOST_VALUES = 1_000;
const MOST_ATTRIBUTES = 200;
const DEEPEST = 8;
const LONGEST_TEXT = 8 * 1024;
/** Attributes that JavaScript evaluators would take for something else than data. */
const RESERVED = new Set(["__proto__", "constructor", "prototype"]);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** Reads a request's body, `{"context": {...}}`; none at all is an empty context, as flagd takes it.
 * @throws BadRequest */
export function parseRequest(body: Buffer): Context {
  return body.length === 0 ? {} : contextOf(parseObject(body).context);
}

/** Reads a body that is a JSON object, within the bounds of a context.
 * @throws BadRequest */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> {
  const text = decode(body);
  const shape = shapeOf(text);
  // JSON.parse takes any depth; what walks the value afterwards does not.
  if (shape.depth > DEEPEST + 1) throw new BadRequest("INVALID_CONTEXT", tooDeep("The body"));
  const request = parse(text);
  if (!isObject(request)) throw new BadRequest("PARSE_ERROR", 'The body must be an object, {"context": {...}}');
  const walk = new Walk();
  walk.object(request, "", 0);
  if (walk.members !== shape.members)
    throw new BadRequest("INVALID_CONTEXT", "A key stands twice in one object; which of the two counts is not defined");
  return request;
}

/** Checks a context that came in another encoding, a protobuf Struct say.
 * @throws BadRequest */
export function checkedContext(context: unknown): Context {
  const checked = contextOf(context);
  new Walk().object(checked, "context", 1);
  return checked;
}

/** @param context already within bounds
 * @throws BadRequest */
export function contextOf(context: unknown = {}): Context {
  if (!isObject(context)) throw new BadRequest("INVALID_CONTEXT", `context must be an object (got ${kindOf(context)})`);
  const { targetingKey } = context;
  if (targetingKey !== undefined && targetingKey !== null && typeof targetingKey !== "string")
    throw new BadRequest("INVALID_CONTEXT", `context.targetingKey must be text (got ${kindOf(targetingKey)})`);
  return context as Context;
}

function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new BadRequest("PARSE_ERROR", "The body is no UTF-8");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 shows what stands around the fault, which may be someone's data: of its message only the place is told.
    const at = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    throw new BadRequest("PARSE_ERROR", `The body is no JSON${at === undefined ? "" : ` (see character ${at})`}`);
  }
}

/** How deep JSON text nests, and how many members its objects have, a key that stands twice counted twice. */
function shapeOf(text: string): { depth: number; members: number } {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = endOfString(text, i);
    else if (code === 0x3a) members++;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return { depth: deepest, members };
}

/** The index of the quote that ends the string which begins at `start`; the text's end where none does. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) i++;
    else if (code === 0x22) return i;
  }
  return text.length;
}

/** Goes over a value and throws BadRequest at the first thing that evaluators could not read alike in every language. */
class Walk {
  members = 0;
  #values = 0;

  object(value: Readonly<Record<string, unknown>>, path: string, depth: number): void {
    const keys = Object.keys(value);
    if (keys.length > MOST_ATTRIBUTES)
      throw new BadRequest(
        "INVALID_CONTEXT",
        `${path} has ${keys.length} members; at most ${MOST_ATTRIBUTES} are taken`,
      );
    this.members += keys.length;
    for (const key of keys) {
      this.#key(key, path);
      this.#value(value[key], path === "" ? key : `${path}.${key}`, depth + 1);
    }
  }

  #value(value: unknown, path: string, depth: number): void {
    if (++this.#values > MOST_VALUES)
      throw new BadRequest("INVALID_CONTEXT", `There are more than ${MOST_VALUES} values; send what flags ask for`);
    if (typeof value === "string") this.#text(value, path);
    else if (typeof value === "number") this.#number(value, path);
    else if (typeof value === "object" && value !== null) {
      if (depth > DEEPEST) throw new BadRequest("INVALID_CONTEXT", tooDeep(path));
      if (Array.isArray(value)) for (const [i, item] of value.entries()) this.#value(item, `${path}[${i}]`, depth + 1);
      else this.object(value as Record<string, unknown>, path, depth);
    }
  }

  #key(key: string, path: string): void {
    if (RESERVED.has(key))
      throw new BadRequest("INVALID_CONTEXT", `${path === "" ? "" : `${path}.`}${key} is no name for an attribute`);
    this.#text(key, `a name in ${path === "" ? "the body" : path}`);
  }

  #text(text: string, path: string): void {
    if (text.length > LONGEST_TEXT)
      throw new BadRequest(
        "INVALID_CONTEXT",
        `${cut(path)} has ${text.length} characters; at most ${LONGEST_TEXT} are taken`,
      );
    // UTF-8 has no half of a surrogate pair: hashed in another language, it would be another user.
    if (!text.isWellFormed()) throw new BadRequest("INVALID_CONTEXT", `${cut(path)} holds half a surrogate pair`);
  }

  #number(value: number, path: string): void {
    if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER)
      throw new BadRequest(
        "INVALID_CONTEXT",
        `${cut(path)} is beyond what every language can hold exactly (2^53); send it as text`,
      );
  }
}

function tooDeep(path: string): string {
  return `${cut(path)} nests deeper than ${DEEPEST} levels`;
}

/** Paths are shown to their author; a name of his that is too long is not. */
function cut(path: string): string {
  return path.length > 100 ? `${path.slice(0, 100).toWellFormed()}…` : path;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return value === null
    ? "null"
    : Array.isArray(value)
      ? "a list"
      : typeof value === "string"
        ? "text"
        : `a ${typeof value}`;
}
