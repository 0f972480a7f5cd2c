import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../kube/scripted-server.ts";
import { aFlag, forPros } from "../flags.ts";
import { type GrpcLab, PlainClient, startGrpc } from "./lab.ts";

let lab: GrpcLab;
beforeEach(async () => {
  lab = await startGrpc();
});
afterEach(() => lab.stop());

async function ask(method: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${lab.url}/flagd.evaluation.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** Messages of a Connect stream, the one that ends it marked. */
async function listen(method: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const response = await fetch(`${lab.url}/flagd.evaluation.${method}`, {
    method: "POST",
    headers: { "content-type": "application/connect+json", ...headers },
    body: Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]),
    signal: abort.signal,
  });
  const messages: { end: boolean; message: Record<string, unknown> }[] = [];
  let left = Buffer.alloc(0);
  const ended = (async () => {
    for await (const part of response.body as AsyncIterable<Uint8Array>) {
      left = Buffer.concat([left, part]);
      while (left.length >= 5 && left.length >= 5 + left.readUInt32BE(1)) {
        const length = left.readUInt32BE(1);
        messages.push({ end: (left[0] as number) === 2, message: JSON.parse(left.subarray(5, 5 + length).toString()) });
        left = left.subarray(5 + length);
      }
    }
  })().catch(() => undefined);
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    messages,
    ended,
    stop: () => abort.abort(),
  };
}

describe.each(["v1", "v2"])("%s by Connect, on the port that speaks gRPC", (version) => {
  test("answers each type as protobuf's JSON has it", async () => {
    const of = (value: unknown) => ({ variants: { a: value as never }, defaultVariant: "a" });
    for (const [key, value] of Object.entries({ b: false, s: "", f: 0.5, i: 7, o: { x: [1] } }))
      lab.store.put(aFlag(key, { definition: of(value) }));
    const value = async (type: string, flagKey: string) =>
      (await ask(`${version}.Service/Resolve${type}`, { flagKey })).body.value;
    expect(await value("Boolean", "b")).toBe(false);
    expect(await value("String", "s")).toBe("");
    expect(await value("Float", "f")).toBe(0.5);
    expect(await value("Int", "i")).toBe("7");
    expect(await value("Object", "o")).toEqual({ x: [1] });
  });

  test("evaluates with the context, and chooses the set", async () => {
    lab.store.put(aFlag("a", { definition: { targeting: forPros } }));
    lab.store.put(aFlag("a", { flagSet: "pay", definition: { state: "DISABLED" } }));
    const question = { flagKey: "a", context: { plan: "pro" } };
    expect((await ask(`${version}.Service/ResolveBoolean`, question)).body).toEqual({
      value: true,
      variant: "on",
      reason: "TARGETING_MATCH",
      metadata: { flagSetId: "shop", version: "v1" },
    });
    const disabled = await ask(`${version}.Service/ResolveBoolean`, question, { "flagd-selector": "flagSetId=pay" });
    expect(disabled.body).toEqual({ reason: "DISABLED", metadata: { flagSetId: "pay", version: "v1" } });
    const all = await ask(`${version}.Service/ResolveAll`, { context: { plan: "pro" } });
    expect(all.body).toMatchObject({ flags: { a: { boolValue: true } }, metadata: { flagSetId: "shop" } });
  });

  test("tells of changes, and ends with an error that makes clients come back", async () => {
    lab.store.put(aFlag("a"));
    const stream = await listen(`${version}.Service/EventStream`);
    expect([stream.status, stream.type]).toEqual([200, "application/connect+json"]);
    await eventually("ready", () => stream.messages.some(({ message }) => message.type === "provider_ready"));
    await eventually("what was put before is told", () => lab.delivery.last === 1);
    lab.store.put(aFlag("a", { version: "v2" }));
    const change = { type: "configuration_change", data: { flags: { a: { type: "update", source: "shop" } } } };
    await eventually("the change", () => JSON.stringify(stream.messages.at(-1)?.message) === JSON.stringify(change));
    await lab.drain();
    await stream.ended;
    expect(stream.messages.at(-1)).toEqual({
      end: true,
      message: { error: { code: "unavailable", message: "The server is going; connect again" } },
    });
  });
});

describe("Connect", () => {
  test("shows pages of a browser what browsers may see, and answers them across origins", async () => {
    lab.store.put(aFlag("a"));
    lab.store.put(aFlag("secret", { visibility: "server" }));
    const page = { origin: "https://shop.example" };
    const all = await ask("v1.Service/ResolveAll", {}, page);
    expect(Object.keys(all.body.flags as object)).toEqual(["a"]);
    expect(all.headers.get("access-control-allow-origin")).toBe("*");
    expect((await ask("v1.Service/ResolveBoolean", { flagKey: "secret" }, page)).status).toBe(404);
    const stream = await listen("v1.Service/EventStream", page);
    await eventually("what was put before is told", () => lab.delivery.last === 1);
    lab.store.put(aFlag("secret", { visibility: "server", version: "v2" }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(JSON.stringify(stream.messages)).not.toContain("secret");
    const preflight = await fetch(`${lab.url}/flagd.evaluation.v1.Service/ResolveAll`, {
      method: "OPTIONS",
      headers: page,
    });
    expect(preflight.headers.get("access-control-allow-headers")).toContain("connect-protocol-version");
    stream.stop();
  });

  const wrong: Record<
    string,
    { given: Parameters<typeof ask>; expect: [status: number, code: string, message: string] }
  > = {
    "a flag that does not exist": {
      given: ["v2.Service/ResolveBoolean", { flagKey: "none" }],
      expect: [404, "not_found", "no flag"],
    },
    "another type": {
      given: ["v2.Service/ResolveString", { flagKey: "a" }],
      expect: [400, "invalid_argument", "as text"],
    },
    "no key": { given: ["v2.Service/ResolveString", {}], expect: [400, "invalid_argument", "flagKey must be text"] },
    "no JSON": { given: ["v2.Service/ResolveString", "{"], expect: [400, "invalid_argument", "no JSON"] },
    "the name __proto__": {
      given: ["v2.Service/ResolveString", '{"flagKey":"a","context":{"__proto__":{}}}'],
      expect: [400, "invalid_argument", "__proto__"],
    },
    "a thousand levels": {
      given: ["v2.Service/ResolveString", `{"flagKey":"a","context":${'{"a":'.repeat(1_000)}1${"}".repeat(1_000)}}`],
      expect: [400, "invalid_argument", "nests deeper"],
    },
    "half a surrogate pair": {
      given: ["v2.Service/ResolveString", '{"flagKey":"a","context":{"targetingKey":"\\udc00"}}'],
      expect: [400, "invalid_argument", "surrogate"],
    },
    "a megabyte": {
      given: ["v2.Service/ResolveString", JSON.stringify({ flagKey: "x".repeat(1_000_000) })],
      expect: [413, "resource_exhausted", "256 KiB"],
    },
    "a method that does not exist": {
      given: ["v2.Service/Explode", {}],
      expect: [404, "unimplemented", "There is no"],
    },
    "another encoding": {
      given: ["v2.Service/ResolveString", {}, { "content-type": "application/proto" }],
      expect: [415, "unknown", "This method takes application/json (got application/proto)"],
    },
    "another selector": {
      given: ["v2.Service/ResolveString", {}, { "flagd-selector": "a=b" }],
      expect: [400, "invalid_argument", "a selector names a flag set"],
    },
  };
  test.each(Object.entries(wrong))("refuses %s", async (_, { given, expect: [status, code, message] }) => {
    lab.store.put(aFlag("a"));
    const answer = await ask(...given);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.body.message).toContain(message);
    expect(lab.lines).toEqual([]);
  });
});

describe("the port", () => {
  test("tells gRPC from HTTP however few bytes come at once", async () => {
    lab.store.put(aFlag("a"));
    const body = '{"flagKey":"a"}';
    const request = `POST /flagd.evaluation.v2.Service/ResolveBoolean HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const socket = connect({ port: lab.port, host: "127.0.0.1", noDelay: true });
    const answer = new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    for (const byte of request.slice(0, 8)) {
      socket.write(byte);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    socket.write(request.slice(8));
    expect(await answer).toContain('"variant":"off"');
    socket.destroy();
    const client = new PlainClient(lab.port);
    expect(await client.ask("flagd.evaluation.v2.Service/ResolveBoolean", { flagKey: "a" })).toMatchObject({
      variant: "off",
    });
    client.close();
  });

  test("survives a connection that goes before it has said anything", async () => {
    lab.store.put(aFlag("a"));
    for (const text of ["", "P", "PRI * HTTP/2.0", "\u0000\u0001"]) {
      const socket = connect(lab.port, "127.0.0.1");
      socket.write(text);
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.destroy();
    }
    expect((await ask("v2.Service/ResolveBoolean", { flagKey: "a" })).status).toBe(200);
  });
});
