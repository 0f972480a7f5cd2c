import type { JsonValue } from "../../core/flags/definition.ts";
import { BadRequest } from "../context.ts";

/** google.protobuf.Struct as proto-loader gives and takes it. */
export interface Struct {
  readonly fields?: Readonly<Record<string, Value>>;
}
interface Value {
  readonly nullValue?: 0;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: Struct;
  readonly listValue?: { readonly values?: readonly Value[] };
}

/** Deeper than any context may be: what is deeper is refused here, before the stack is. */
const DEEPEST = 16;

/** @throws BadRequest where it nests too deep */
export function jsonOf(struct: Struct | null | undefined, depth = 0): Record<string, JsonValue> {
  if (depth > DEEPEST) throw new BadRequest("INVALID_CONTEXT", "context nests deeper than 8 levels");
  return Object.fromEntries(
    Object.entries(struct?.fields ?? {}).map(([key, value]) => [key, jsonValueOf(value, depth)]),
  );
}

function jsonValueOf(value: Value, depth: number): JsonValue {
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.numberValue !== undefined) return value.numberValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.structValue !== undefined) return jsonOf(value.structValue, depth + 1);
  if (value.listValue === undefined) return null;
  if (depth > DEEPEST) throw new BadRequest("INVALID_CONTEXT", "context nests deeper than 8 levels");
  return (value.listValue.values ?? []).map((item) => jsonValueOf(item, depth + 1));
}

export function structOf(json: { readonly [key: string]: JsonValue }): Struct {
  return { fields: Object.fromEntries(Object.entries(json).map(([key, value]) => [key, protoValueOf(value)])) };
}

function protoValueOf(json: JsonValue): Value {
  if (typeof json === "string") return { stringValue: json };
  if (typeof json === "number") return { numberValue: json };
  if (typeof json === "boolean") return { boolValue: json };
  if (json === null) return { nullValue: 0 };
  if (Array.isArray(json)) return { listValue: { values: json.map(protoValueOf) } };
  return { structValue: structOf(json as { readonly [key: string]: JsonValue }) };
}
