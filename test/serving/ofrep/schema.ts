import { Ajv } from "ajv";

/** What answers of OFREP 0.3.0 must look like, after the published interface: https://github.com/open-feature/protocol,
 * service/openapi.yaml (Apache-2.0). Stricter in one thing: members that it does not name are refused, so that a misspelt one
 * is found. */
const metadata = {
  type: "object",
  additionalProperties: { anyOf: [{ type: "boolean" }, { type: "string" }, { type: "number" }] },
};
const key = { type: "string" };
const success = {
  type: "object",
  required: ["key"],
  additionalProperties: false,
  properties: {
    key,
    value: { anyOf: [{ type: "boolean" }, { type: "string" }, { type: "number" }, { type: "object" }] },
    reason: { enum: ["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN", "DEFAULT"] },
    variant: { type: "string" },
    metadata,
  },
};
const errorCode = { enum: ["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL"] };
const failure = {
  type: "object",
  required: ["key", "errorCode"],
  additionalProperties: false,
  properties: { key, errorCode, errorDetails: { type: "string" }, metadata },
};
const eventStream = {
  type: "object",
  required: ["type"],
  additionalProperties: false,
  properties: {
    type: { type: "string" },
    url: { type: "string" },
    endpoint: {
      type: "object",
      required: ["requestUri"],
      additionalProperties: false,
      properties: { origin: { type: "string" }, requestUri: { type: "string", pattern: "^/" } },
    },
    inactivityDelaySec: { type: "integer", minimum: 1 },
  },
  oneOf: [{ required: ["url"] }, { required: ["endpoint"] }],
};
const schemas = {
  success,
  failure,
  notFound: { ...failure, properties: { ...failure.properties, errorCode: { const: "FLAG_NOT_FOUND" } } },
  bulkSuccess: {
    type: "object",
    required: ["flags"],
    additionalProperties: false,
    properties: {
      flags: { type: "array", items: { oneOf: [success, failure] } },
      eventStreams: { type: "array", items: eventStream },
      metadata,
    },
  },
  bulkFailure: {
    type: "object",
    required: ["errorCode"],
    additionalProperties: false,
    properties: { errorCode, errorDetails: { type: "string" } },
  },
  general: { type: "object", additionalProperties: false, properties: { errorDetails: { type: "string" } } },
};
const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, strict: true, strictRequired: false });
const validators = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema)]));

/** What is wrong with an answer; empty where nothing is. */
export function problemsOf(schema: keyof typeof schemas, answer: unknown): string[] {
  const validate = validators[schema];
  if (validate?.(answer) === true) return [];
  return (validate?.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
