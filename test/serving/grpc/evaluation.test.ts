import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { jsonOf, structOf } from "../../../src/serving/grpc/struct.ts";
import { eventually } from "../../kube/scripted-server.ts";
import { aFlag, forPros } from "../flags.ts";
import { type GrpcLab, PlainClient, startGrpc } from "./lab.ts";

let lab: GrpcLab;
let client: PlainClient;
beforeEach(async () => {
  lab = await startGrpc();
  client = new PlainClient(lab.port);
});
afterEach(async () => {
  client.close();
  await lab.stop();
});

const pro = structOf({ targetingKey: "ann", plan: "pro" });
const V1 = "flagd.evaluation.v1.Service";
const V2 = "flagd.evaluation.v2.Service";

describe.each(["v1", "v2"])("flagd.evaluation.%s", (version) => {
  const service = `flagd.evaluation.${version}.Service`;

  test.each([
    ["Boolean", { on: true, off: false }, "on", true],
    ["String", { a: "x", b: "y" }, "b", "y"],
    ["Float", { a: 1.5, b: 2 }, "a", 1.5],
    ["Int", { a: 3, b: 2 }, "a", 3],
  ])("answers Resolve%s with value, variant, reason and metadata", async (type, variants, defaultVariant, value) => {
    lab.store.put(aFlag("a", { definition: { variants, defaultVariant } }));
    const answer = await client.ask(`${service}/Resolve${type}`, { flagKey: "a", context: pro });
    expect(answer).toMatchObject({ value, variant: defaultVariant, reason: "STATIC" });
    expect(jsonOf(answer.metadata as never)).toEqual({ flagSetId: "shop", version: "v1" });
  });

  test("answers ResolveObject with all that JSON has", async () => {
    const value = { text: "x", list: [1, null, { deep: true }], none: {} };
    lab.store.put(aFlag("a", { definition: { variants: { a: value }, defaultVariant: "a" } }));
    const answer = await client.ask(`${service}/ResolveObject`, { flagKey: "a" });
    expect(jsonOf(answer.value as never)).toEqual(value);
  });

  test("evaluates with the context", async () => {
    lab.store.put(aFlag("a", { definition: { targeting: forPros } }));
    const answer = await client.ask(`${service}/ResolveBoolean`, { flagKey: "a", context: pro });
    expect(answer).toMatchObject({ value: true, reason: "TARGETING_MATCH" });
    const other = await client.ask(`${service}/ResolveBoolean`, { flagKey: "a", context: structOf({ plan: "free" }) });
    expect(other).toMatchObject({ variant: "off" });
  });

  test("answers for all what it answers for each, and leaves out what it cannot evaluate", async () => {
    lab.store.put(aFlag("on", { definition: { targeting: forPros } }));
    lab.store.put(aFlag("text", { definition: { variants: { a: "x" }, defaultVariant: "a" } }));
    lab.store.put(aFlag("object", { definition: { variants: { a: { b: 1 } }, defaultVariant: "a" } }));
    lab.store.put(aFlag("number", { definition: { variants: { a: 2.5 }, defaultVariant: "a" } }));
    lab.store.put(aFlag("disabled", { definition: { state: "DISABLED" } }));
    lab.store.put(aFlag("broken", { definition: { targeting: { if: [true, "not-a-variant"] } } }));
    const { flags } = await client.ask(`${service}/ResolveAll`, { context: pro });
    expect(flags).toMatchObject({
      on: { boolValue: true, variant: "on" },
      text: { stringValue: "x" },
      object: { objectValue: { fields: { b: { numberValue: 1 } } } },
      number: { doubleValue: 2.5 },
      disabled: { reason: "DISABLED" },
    });
    expect(Object.keys(flags as object)).toHaveLength(5);
  });

  const wrong: Record<string, { given: [type: string, request: object, selector?: string]; expect: [status, string] }> =
    {
      "a flag that does not exist": { given: ["Boolean", { flagKey: "none" }], expect: [status.NOT_FOUND, "no flag"] },
      "a set that does not exist": {
        given: ["Boolean", { flagKey: "a" }, "flagSetId=nobody"],
        expect: [status.NOT_FOUND, '"nobody"'],
      },
      "another type": { given: ["String", { flagKey: "a" }], expect: [status.INVALID_ARGUMENT, "as text"] },
      "a fraction as a whole number": {
        given: ["Int", { flagKey: "half" }],
        expect: [status.INVALID_ARGUMENT, "as a whole number"],
      },
      "a variant that does not exist": {
        given: ["Boolean", { flagKey: "broken" }],
        expect: [status.UNKNOWN, "not found"],
      },
      "a context that nests too deep": {
        given: ["Boolean", { flagKey: "a", context: structOf(JSON.parse(`${'{"a":'.repeat(40)}1${"}".repeat(40)}`)) }],
        expect: [status.INVALID_ARGUMENT, "deeper than 8"],
      },
      "a targeting key that is a number": {
        given: ["Boolean", { flagKey: "a", context: structOf({ targetingKey: 7 }) }],
        expect: [status.INVALID_ARGUMENT, "must be text"],
      },
      "a number that is none": {
        given: ["Boolean", { flagKey: "a", context: structOf({ n: Number.NaN }) }],
        expect: [status.INVALID_ARGUMENT, "send it as text"],
      },
      "another selector": {
        given: ["Boolean", { flagKey: "a" }, "colour=red"],
        expect: [status.INVALID_ARGUMENT, "a selector names a flag set"],
      },
      "a megabyte": {
        given: ["Boolean", { flagKey: "a", context: structOf({ a: "x".repeat(1_000_000) }) }],
        expect: [status.RESOURCE_EXHAUSTED, "larger than max"],
      },
    };
  test.each(Object.entries(wrong))(
    "refuses %s",
    async (_, { given: [type, request, selector], expect: [code, details] }) => {
      lab.store.put(aFlag("a"));
      lab.store.put(aFlag("half", { definition: { variants: { a: 0.5 }, defaultVariant: "a" } }));
      lab.store.put(aFlag("broken", { definition: { targeting: { if: [true, "not-a-variant"] } } }));
      await expect(client.ask(`${service}/Resolve${type}`, request, selector)).rejects.toMatchObject({
        code,
        details: expect.stringContaining(details),
      });
      expect(lab.lines).toEqual([]);
    },
  );

  test("says which flags changed, to those who listen to their set, and to all who name none", async () => {
    lab.store.put(aFlag("a"));
    const mine = client.listen(`${service}/EventStream`, {}, "flagSetId=shop");
    const all = client.listen(`${service}/EventStream`, {});
    const other = client.listen(`${service}/EventStream`, {}, "flagSetId=pay");
    const streams = [mine, all, other];
    await eventually("all listen", () =>
      streams.every(({ messages }) => messages.some((m) => m.type === "provider_ready")),
    );
    const changesOf = ({ messages }: typeof mine) =>
      messages.filter(({ type }) => type === "configuration_change").map(({ data }) => jsonOf(data as never));
    await eventually("what was put before is told", () => lab.delivery.last === 1);
    lab.store.put(aFlag("a", { version: "v2" }));
    lab.store.put(aFlag("b"));
    await eventually("the change", () => changesOf(mine).some((m) => "b" in (m.flags as object)));
    lab.store.remove("shop", "b");
    await eventually("the removal", () => JSON.stringify(changesOf(mine).at(-1)).includes("delete"));
    const last = { flags: { b: { type: "delete", source: "shop" } } };
    expect(changesOf(mine).at(-1)).toEqual(last);
    expect(changesOf(mine).at(-2)).toEqual({
      flags: { a: { type: "update", source: "shop" }, b: { type: "update", source: "shop" } },
    });
    await eventually("all of it", () => JSON.stringify(changesOf(all).at(-1)) === JSON.stringify(last));
    expect(changesOf(other)).toEqual([]);
  });

  test("names every flag to a client that comes: it may hold answers of before it was gone", async () => {
    for (let i = 0; i < 1_500; i++) lab.store.put(aFlag(`f${i}`));
    await eventually("that they are new is told", () => lab.delivery.last === 1);
    const stream = client.listen(`${service}/EventStream`, {}, "flagSetId=shop");
    const named = () =>
      stream.messages.flatMap(({ type, data }) =>
        type === "configuration_change" ? Object.keys(jsonOf(data as never).flags as object) : [],
      );
    await eventually("all are named", () => new Set(named()).size === 1_500);
    expect(stream.messages[0]).toMatchObject({ type: "provider_ready" });
  });

  test("trap 1: ends its streams with UNAVAILABLE, never with OK, and takes no new one while it goes", async () => {
    const stream = client.listen(`${service}/EventStream`, {});
    await eventually("it listens", () => stream.messages.length > 0);
    await lab.drain();
    expect(await stream.ended).toMatchObject({
      code: status.UNAVAILABLE,
      details: "The server is going; connect again",
    });
    expect(await client.listen(`${service}/EventStream`, {}).ended).toMatchObject({ code: status.UNAVAILABLE });
  });
});

test("trap 3: v2 says of a disabled flag that it has no value; v1 can only say zero", async () => {
  lab.store.put(aFlag("a", { definition: { state: "DISABLED", defaultVariant: "on" } }));
  const v2 = await client.ask(`${V2}/ResolveBoolean`, { flagKey: "a" });
  expect(v2).toMatchObject({ reason: "DISABLED" });
  expect(v2).not.toHaveProperty("value");
  expect(v2).not.toHaveProperty("variant");
  const v1 = await client.ask(`${V1}/ResolveBoolean`, { flagKey: "a" });
  expect(v1).toMatchObject({ reason: "DISABLED" });
});

test("v2 sends zero values as values", async () => {
  lab.store.put(aFlag("a", { definition: { variants: { a: 0, b: 1 }, defaultVariant: "a" } }));
  expect(await client.ask(`${V2}/ResolveInt`, { flagKey: "a" })).toMatchObject({ value: 0, variant: "a" });
});

test("a client may ask as often as it likes whether we are there", async () => {
  const eager = new PlainClient(lab.port, {
    "grpc.keepalive_time_ms": 100,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.keepalive_permit_without_calls": 1,
  });
  lab.store.put(aFlag("a"));
  const stream = eager.listen(`${V2}/EventStream`, {});
  await eventually("it listens", () => stream.messages.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const before = stream.messages.length;
  lab.store.put(aFlag("a", { version: "v2" }));
  await eventually("it still listens", () => stream.messages.length > before);
  eager.close();
});

test("who listens counts as having a change once it has left for him", async () => {
  lab.store.put(aFlag("a"));
  const stream = client.listen(`${V2}/EventStream`, {}, "flagSetId=shop");
  await eventually("it listens", () => stream.messages.length > 0);
  lab.store.put(aFlag("a", { version: "v2" }));
  await eventually("delivered", () => lab.delivery.page("pod").flagSets.shop?.a?.acked === 1);
  expect(lab.delivery.page("pod").flagSets.shop?.a).toMatchObject({ version: "v2", clients: 1, acked: 1 });
  stream.stop();
  await eventually("gone", () => lab.delivery.connected().events === 0);
});
