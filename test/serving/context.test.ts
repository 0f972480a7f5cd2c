import { describe, expect, test } from "vitest";
import { BadRequest, checkedContext, parseRequest } from "../../src/serving/context.ts";

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof BadRequest) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

describe("parseRequest() accepts", () => {
  const table: Record<string, { given: string; expect: unknown }> = {
    "nothing at all": { given: "", expect: {} },
    "no context": { given: "{}", expect: {} },
    "a user": {
      given: '{"context":{"targetingKey":"ann","plan":"pro","age":3.5,"tags":["a","b"],"beta":true,"nick":null}}',
      expect: { targetingKey: "ann", plan: "pro", age: 3.5, tags: ["a", "b"], beta: true, nick: null },
    },
    "text with colons, braces and quotes": {
      given: JSON.stringify({ context: { url: 'https://x/{"a":[1]}\\', "a:b": "c\\" } }),
      expect: { url: 'https://x/{"a":[1]}\\', "a:b": "c\\" },
    },
    "an emoji in the targeting key": {
      given: '{"context":{"targetingKey":"ann 👩‍🚀 \\ud83d\\ude80"}}',
      expect: { targetingKey: "ann 👩‍🚀 🚀" },
    },
    "an empty targeting key": { given: '{"context":{"targetingKey":""}}', expect: { targetingKey: "" } },
    "eight levels": { given: `{"context":${nested(8)}}`, expect: JSON.parse(nested(8)) },
    "members that it does not know": { given: '{"context":{"a":1},"trace":{"b":2}}', expect: { a: 1 } },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) =>
    expect(parseRequest(Buffer.from(given))).toEqual(wanted),
  );
});

describe("parseRequest() refuses, in words that its author understands:", () => {
  const table: Record<string, { given: string | Buffer; expect: string }> = {
    "no JSON": { given: "{context", expect: "PARSE_ERROR: The body is no JSON (see character 1)" },
    "JSON that ends early": { given: '{"context":{', expect: "PARSE_ERROR: The body is no JSON" },
    "no UTF-8": { given: Buffer.from([0x7b, 0xff, 0x7d]), expect: "PARSE_ERROR: The body is no UTF-8" },
    "a list": { given: "[]", expect: "PARSE_ERROR: The body must be an object" },
    text: { given: '"x"', expect: "PARSE_ERROR: The body must be an object" },
    "a context that is a list": {
      given: '{"context":[1]}',
      expect: "INVALID_CONTEXT: context must be an object (got a list)",
    },
    "a context that is null": { given: '{"context":null}', expect: "context must be an object (got null)" },
    "a targeting key that is a number": {
      given: '{"context":{"targetingKey":7}}',
      expect: "INVALID_CONTEXT: context.targetingKey must be text (got a number)",
    },
    "a thousand levels": { given: `{"context":${nested(1_000)}}`, expect: "nests deeper than 8 levels" },
    "nine levels": { given: `{"context":${nested(9)}}`, expect: "nests deeper than 8 levels" },
    "nine levels of lists": {
      given: `{"context":{"a":${"[".repeat(9)}${"]".repeat(9)}}}`,
      expect: "nests deeper than 8 levels",
    },
    "the name __proto__": {
      given: '{"context":{"__proto__":{"plan":"pro"}}}',
      expect: "INVALID_CONTEXT: context.__proto__ is no name for an attribute",
    },
    "__proto__ below": { given: '{"context":{"a":{"__proto__":1}}}', expect: "context.a.__proto__ is no name" },
    "__proto__ in the body": { given: '{"__proto__":{}}', expect: "__proto__ is no name" },
    constructor: { given: '{"context":{"constructor":1}}', expect: "context.constructor is no name" },
    "a key that stands twice": {
      given: '{"context":{"plan":"free","plan":"pro"}}',
      expect: "INVALID_CONTEXT: A key stands twice in one object",
    },
    "a context that stands twice": { given: '{"context":{},"context":{}}', expect: "A key stands twice" },
    "half a surrogate pair": {
      given: '{"context":{"targetingKey":"\\ud800"}}',
      expect: "INVALID_CONTEXT: context.targetingKey holds half a surrogate pair",
    },
    "half a surrogate pair in a name": { given: '{"context":{"\\ud800":1}}', expect: "half a surrogate pair" },
    "a number that is infinite": {
      given: '{"context":{"n":1e999}}',
      expect: "INVALID_CONTEXT: context.n is beyond what every language can hold exactly (2^53); send it as text",
    },
    "a number that doubles cannot hold": { given: '{"context":{"n":9007199254740993}}', expect: "send it as text" },
    NaN: { given: '{"context":{"n":NaN}}', expect: "The body is no JSON" },
    "text of 10 KiB": {
      given: JSON.stringify({ context: { targetingKey: "x".repeat(10_240) } }),
      expect: "context.targetingKey has 10240 characters; at most 8192 are taken",
    },
    "201 attributes": {
      given: JSON.stringify({ context: Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`a${i}`, i])) }),
      expect: "context has 201 members; at most 200 are taken",
    },
    "a list of two thousand": {
      given: JSON.stringify({ context: { tags: Array.from({ length: 2_000 }, (_, i) => i) } }),
      expect: "more than 1000 values",
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) =>
    expect(refusal(() => parseRequest(Buffer.from(given as string)))).toContain(wanted),
  );

  test("nothing of what was sent, where JSON is broken", () => {
    expect(refusal(() => parseRequest(Buffer.from('{"context":{"email":"ann@example.com" oops}}')))).not.toContain(
      "ann",
    );
  });
});

test("checkedContext() asks the same of a context that came by protobuf", () => {
  expect(checkedContext({ plan: "pro" })).toEqual({ plan: "pro" });
  expect(checkedContext(undefined)).toEqual({});
  expect(refusal(() => checkedContext(JSON.parse('{"__proto__":1}')))).toContain("context.__proto__");
  expect(refusal(() => checkedContext(JSON.parse(nested(9))))).toContain("deeper than 8");
  expect(refusal(() => checkedContext({ n: Number.NaN }))).toContain("send it as text");
});
