import * as z from "zod";

/** A rule of a CRD: CEL, and what it says when it does not hold. `message` is CEL that yields text where it begins with an
 * apostrophe, so that it can tell the value found. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
  /** The field below that the refusal names, as `.spec.key`; left out: the one that the rule stands at. */
  readonly field?: string;
}

/** The meta data that puts rules beside a schema. */
export function cel(...rules: readonly CelRule[]): { readonly "x-kubernetes-validations": readonly object[] } {
  return {
    "x-kubernetes-validations": rules.map(({ rule, message, field }) => ({
      rule,
      ...(message.startsWith("'") ? { messageExpression: message } : { message }),
      ...(field === undefined ? {} : { fieldPath: field }),
    })),
  };
}

const DEFAULT = "x-zenith-default";

/** The meta data that says what holds where a field is left out. Not a default of the schema: one that was written into every
 * object could never be made better. */
export function unlessSaid(value: string): { readonly [DEFAULT]: string } {
  return { [DEFAULT]: value };
}

/** JSON of any shape. */
export type Json = { [key: string]: unknown };

/** Turns a zod schema into a structural OpenAPI schema as CRDs want it.
 * @throws Error on whatever the API server would refuse or silently widen */
export function structuralSchema(schema: z.ZodType): Json {
  return structural(jsonSchema(schema), "");
}

function jsonSchema(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    reused: "inline",
    cycles: "throw",
    unrepresentable: "throw",
  }) as Json;
}

/** One field, as a reference tells it. */
export interface Field {
  readonly path: string; // strategy.canary.steps[].weight
  readonly type: string;
  readonly required: boolean;
  readonly default: string;
  readonly description: string;
  /** What its rules accept, in the words in which they refuse. */
  readonly bounds: readonly string[];
}

/** Every field of a schema, in the order in which it names them; the whole comes first, under the path "". */
export function fieldsOf(schema: z.ZodType): Field[] {
  const raw = jsonSchema(schema);
  return [fieldOf("", raw, true), ...fieldsBelow(raw, "")];
}

function fieldsBelow(raw: Json, path: string): Field[] {
  if (raw["x-kubernetes-preserve-unknown-fields"] === true) return [];
  const required = (raw.required ?? []) as readonly string[];
  return Object.entries((raw.properties ?? {}) as Record<string, Json>).flatMap(([name, field]) => {
    const here = `${path}${name}`;
    const below = isObject(field.items) ? fieldsBelow(field.items, `${here}[].`) : fieldsBelow(field, `${here}.`);
    return [fieldOf(here, field, required.includes(name)), ...below];
  });
}

function fieldOf(path: string, raw: Json, required: boolean): Field {
  return {
    path,
    type: typeOf(raw),
    required,
    default: String(raw[DEFAULT] ?? ""),
    description: String(raw.description ?? ""),
    bounds: [...rulesOf(raw), ...(isObject(raw.items) ? rulesOf(raw.items) : []), ...sizesOf(raw)],
  };
}

function typeOf(raw: Json): string {
  if (raw["x-kubernetes-int-or-string"] === true) return "integer or text";
  if (isObject(raw.items)) return `list of ${typeOf(raw.items)}s`;
  if (isObject(raw.additionalProperties)) return "map";
  const [rule = ""] = rulesOf(raw);
  if (rule.startsWith("one integer and s, m, h or d")) return "duration";
  if (rule.startsWith("a percentage such as")) return "percentage";
  return raw.type === "string" ? "text" : String(raw.type);
}

/** The words of its rules, without what was found. */
function rulesOf(raw: Json): string[] {
  const rules = (raw["x-kubernetes-validations"] ?? []) as readonly { message?: string; messageExpression?: string }[];
  const texts = rules.map(
    ({ message, messageExpression = "" }) => message ?? /'((?:[^'\\]|\\.)*)'/.exec(messageExpression)?.[1],
  );
  const said = texts.map((text = "") => text.replace(/ \((got|both are).*$/, "").replace(/^must be /, ""));
  return [...new Set(said)];
}

function sizesOf({ maxItems, maxLength, type }: Json): string[] {
  if (typeof maxItems === "number") return [`at most ${maxItems}`];
  return type === "string" && typeof maxLength === "number" && maxLength >= 1024
    ? [`at most ${maxLength} characters`]
    : [];
}

const DROPPED = [
  "$schema",
  "$id",
  "id",
  "$defs",
  "title",
  "examples",
  "deprecated",
  "readOnly",
  "additionalProperties",
  "nullable",
  DEFAULT,
];
const REFUSED = ["oneOf", "allOf", "not", "$ref", "uniqueItems", "anyOf"];

function structural(raw: Json, path: string): Json {
  if (raw["x-kubernetes-int-or-string"] === true) return intOrString(raw);
  for (const key of REFUSED) if (raw[key] !== undefined) throw new Error(`${path || "."}: ${key} is not structural`);
  if (raw["x-kubernetes-preserve-unknown-fields"] === true) return preserved(raw);
  if (typeof raw.type !== "string") throw new Error(`${path || "."}: has no type`);
  const schema: Json = {
    ...descriptionOf(raw),
    ...Object.fromEntries(Object.entries(raw).filter(([key]) => key !== "description" && !DROPPED.includes(key))),
  };
  if (isObject(raw.properties)) {
    schema.properties = Object.fromEntries(
      Object.entries(raw.properties).map(([key, value]) => [key, structural(value as Json, `${path}.${key}`)]),
    );
  }
  if (isObject(raw.items)) schema.items = structural(raw.items, `${path}[]`);
  if (isObject(raw.additionalProperties) && raw.properties === undefined) {
    schema.additionalProperties = structural(raw.additionalProperties, `${path}{}`);
    delete schema.propertyNames;
  }
  if (raw.type === "integer") tidyInteger(schema);
  if (raw.type === "array" && raw.maxItems === undefined)
    throw new Error(`${path}: a list without maxItems has no bounded cost`);
  if (raw.type === "string" && raw.maxLength === undefined && raw.enum === undefined && raw.format === undefined)
    throw new Error(`${path}: a string without maxLength has no bounded cost`);
  return schema;
}

/** As `kubectl explain` shows it. */
function descriptionOf(raw: Json): Json {
  const said = raw[DEFAULT] === undefined ? "" : ` Default: ${raw[DEFAULT]}.`;
  return raw.description === undefined ? {} : { description: `${raw.description}${said}` };
}

function intOrString(raw: Json): Json {
  const kept = Object.fromEntries(
    Object.entries(raw).filter(([key]) => key.startsWith("x-kubernetes-") || key === "default" || key === "maxLength"),
  );
  return {
    ...descriptionOf(raw),
    anyOf: [{ type: "integer" }, { type: "string" }],
    ...kept,
  };
}

function preserved({ description, type, ...raw }: Json): Json {
  const kept = Object.fromEntries(Object.entries(raw).filter(([key]) => key.startsWith("x-kubernetes-")));
  return { ...(description === undefined ? {} : { description }), type: type ?? "object", ...kept };
}

/** zod bounds integers by what JavaScript can count; Kubernetes names the width instead. */
function tidyInteger(schema: Json): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  schema.format ??= typeof schema.maximum === "number" && schema.maximum <= 2_147_483_647 ? "int32" : "int64";
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export interface CrdOptions {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly description: string;
  readonly columns: readonly { name: string; type: string; jsonPath: string; description: string; priority?: number }[];
  /** What holds for the whole object, its name included. */
  readonly rules?: readonly CelRule[];
  /** Until the operator has looked at it, status says that of no generation: kstatus (Helm, Flux) takes what has no status at all
   * for ready. The API server puts it into every object that has none, as the schema's default. */
  readonly unseenStatus?: { readonly observedGeneration: -1 };
  readonly scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath: string };
}

/** A whole CustomResourceDefinition of `zenith.sh/v1alpha1`. */
export function customResource(options: CrdOptions, spec: z.ZodType, status: z.ZodType): Json {
  const singular = options.kind.toLowerCase();
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${options.plural}.zenith.sh` },
    spec: {
      group: "zenith.sh",
      scope: "Namespaced",
      names: {
        kind: options.kind,
        listKind: `${options.kind}List`,
        plural: options.plural,
        singular,
        shortNames: [options.shortName],
        categories: ["zenith"],
      },
      versions: [
        {
          name: "v1alpha1",
          served: true,
          storage: true,
          additionalPrinterColumns: options.columns,
          subresources: { status: {}, ...(options.scale === undefined ? {} : { scale: options.scale }) },
          schema: {
            openAPIV3Schema: objectSchema(options, spec, status),
          },
        },
      ],
    },
  };
}

/** The schema of a whole object, as the API server checks it. */
export function objectSchema(options: CrdOptions, spec: z.ZodType, status: z.ZodType): Json {
  return {
    description: options.description,
    type: "object",
    required: ["spec"],
    ...(options.rules === undefined ? {} : cel(...options.rules)),
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: structuralSchema(spec),
      status: {
        ...structuralSchema(status),
        ...(options.unseenStatus === undefined ? {} : { default: options.unseenStatus }),
      },
    },
  };
}
