import { randomBytes } from "node:crypto";
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { gunzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { syncMethod } from "../../../src/serving/grpc/protos.ts";
import { eventually } from "../../kube/scripted-server.ts";
import { aFlag, forPros } from "../flags.ts";
import { type GrpcLab, PlainClient, startGrpc } from "./lab.ts";

const SYNC = "flagd.sync.v1.FlagSyncService";

let lab: GrpcLab;
let client: PlainClient;
beforeEach(async () => {
  lab = await startGrpc();
  client = new PlainClient(lab.syncPort);
});
afterEach(async () => {
  client.close();
  await lab.stop();
});

const setOf = (message: Record<string, unknown> | undefined) =>
  JSON.parse(String(message?.flagConfiguration)) as { flags: Record<string, { metadata: { version: string } }> };

describe("SyncFlags", () => {
  test("trap 7: gives the whole set as a map by key, and again at each change", async () => {
    lab.store.put(aFlag("a", { definition: { targeting: forPros } }));
    lab.store.put(aFlag("b"));
    lab.store.put(aFlag("other", { flagSet: "pay" }));
    await eventually("what was put before is told", () => lab.delivery.last >= 2);
    const stream = client.listen(`${SYNC}/SyncFlags`, {}, "flagSetId=shop");
    await eventually("the first set", () => stream.messages.length === 1);
    expect(Object.keys(setOf(stream.messages[0]).flags)).toEqual(["a", "b"]);
    expect(setOf(stream.messages[0]).flags.a).toEqual(aFlag("a", { definition: { targeting: forPros } }).definition);
    lab.store.put(aFlag("b", { version: "v2" }));
    await eventually("the next set", () => setOf(stream.messages.at(-1)).flags.b?.metadata.version === "v2");
    const { length } = stream.messages;
    lab.store.put(aFlag("other", { flagSet: "pay", version: "v2" }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stream.messages).toHaveLength(length);
  });

  test("takes the selector from the header before the message, and the default set where there is none", async () => {
    lab.store.put(aFlag("of-shop"));
    lab.store.put(aFlag("of-pay", { flagSet: "pay" }));
    const keys = async (selector?: string, header?: string) => {
      const stream = client.listen(`${SYNC}/SyncFlags`, selector === undefined ? {} : { selector }, header);
      await eventually("a set", () => stream.messages.length > 0);
      stream.stop();
      return Object.keys(setOf(stream.messages[0]).flags)[0];
    };
    expect(await keys()).toBe("of-shop");
    expect(await keys("flagSetId=pay")).toBe("of-pay");
    expect(await keys("source=pay")).toBe("of-pay");
    expect(await keys("flagSetId=pay", "flagSetId=shop")).toBe("of-shop");
    expect(await keys("flagSetId=nobody")).toBe(undefined);
  });

  test("refuses a selector that names no flag set", async () => {
    expect(await client.listen(`${SYNC}/SyncFlags`, {}, "a=b").ended).toMatchObject({ code: status.INVALID_ARGUMENT });
    await expect(client.ask(`${SYNC}/FetchAllFlags`, {}, "a=b")).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  test("trap 1: ends with UNAVAILABLE, never with OK", async () => {
    const stream = client.listen(`${SYNC}/SyncFlags`, {});
    await eventually("the first set", () => stream.messages.length === 1);
    await lab.drain();
    expect(await stream.ended).toMatchObject({ code: status.UNAVAILABLE });
  });

  test("gives a slow reader what holds by then, not all that held meanwhile", async () => {
    // Nothing that compresses well: it must not fit into what HTTP/2 lets through unread.
    const value = () => ({ text: randomBytes(4_000).toString("hex") });
    const big = (version: string) =>
      Array.from({ length: 40 }, (_, i) =>
        lab.store.put(aFlag(`f${i}`, { version, definition: { variants: { a: value() }, defaultVariant: "a" } }), true),
      );
    big("v0");
    const { Client, credentials } = await import("@grpc/grpc-js");
    const slow = new Client(`127.0.0.1:${lab.syncPort}`, credentials.createInsecure());
    const call = slow.makeServerStreamRequest(
      `/${SYNC}/SyncFlags`,
      () => Buffer.alloc(0),
      (bytes: Buffer) => bytes.length,
      {},
    );
    call.on("error", () => undefined);
    let messages = 0;
    await new Promise<void>((resolve) => call.once("data", () => resolve(void messages++)));
    call.pause();
    for (let i = 1; i <= 50; i++) {
      big(`v${i}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(lab.delivery.page("pod").flagSets.shop?.f0).toMatchObject({ clients: 1, acked: 0 });
    call.on("data", () => void messages++);
    call.resume();
    await eventually("it has caught up", () => lab.delivery.page("pod").flagSets.shop?.f0?.acked === 1);
    expect(messages).toBeLessThan(25);
    slow.close();
  });
});

test("FetchAllFlags gives the set once", async () => {
  lab.store.put(aFlag("a"));
  const answer = await client.ask(`${SYNC}/FetchAllFlags`, { selector: "flagSetId=shop" });
  expect(Object.keys(setOf(answer).flags)).toEqual(["a"]);
  expect(await client.ask(`${SYNC}/GetMetadata`, {})).toMatchObject({ metadata: {} });
});

describe("the port", () => {
  const noisy = (bytes: number) => ({ variants: { a: { text: "ab".repeat(bytes / 2) } }, defaultVariant: "a" });

  test("sends a large set compressed to those who take it, and plain to the others", async () => {
    lab.store.put(aFlag("a", { definition: noisy(20_000) }));
    const whole = JSON.stringify(setOf((await first({ "grpc-accept-encoding": "identity,deflate,gzip" })).message));
    const compressed = await first({ "grpc-accept-encoding": "identity,deflate,gzip" });
    const plain = await first({ "grpc-accept-encoding": "identity" });
    const silent = await first({});
    expect([compressed.headers["grpc-encoding"], compressed.bytes[0]]).toEqual(["gzip", 1]);
    expect(compressed.bytes.length).toBeLessThan(2_000);
    for (const answer of [plain, silent]) {
      expect([answer.headers["grpc-encoding"], answer.bytes[0]]).toEqual([undefined, 0]);
      expect(JSON.stringify(setOf(answer.message))).toBe(whole);
    }
  });

  test("sends a small set as it is", async () => {
    lab.store.put(aFlag("a"));
    const { bytes, message } = await first({ "grpc-accept-encoding": "gzip" });
    expect(bytes[0]).toBe(0);
    expect(Object.keys(setOf(message).flags)).toEqual(["a"]);
  });

  test.each([
    ["a method that is none", { ":path": `/${SYNC}/Nothing` }, question(), status.UNIMPLEMENTED],
    [
      "a question that is compressed",
      {},
      Buffer.concat([Buffer.from([1]), question().subarray(1)]),
      status.UNIMPLEMENTED,
    ],
    ["half a question", {}, question().subarray(0, 3), status.INVALID_ARGUMENT],
    ["a question that is shorter than it says", {}, Buffer.from([0, 0, 0, 0, 9, 1]), status.INVALID_ARGUMENT],
    ["a question without end", {}, Buffer.alloc(100_000), status.RESOURCE_EXHAUSTED],
  ])("refuses %s in gRPC's words", async (_what, headers, body, code) => {
    const { headers: head, trailers } = await call(headers, body).ended;
    const { "grpc-status": given, "grpc-message": details } = { ...head, ...trailers };
    expect(head[":status"]).toBe(200);
    expect([Number(given), decodeURIComponent(String(details))]).toEqual([code, expect.stringMatching(/^[A-Z]/)]);
  });

  test("tells who speaks something else that this is gRPC", async () => {
    const { headers } = await call({ "content-type": "application/json" }, question()).ended;
    expect(headers[":status"]).toBe(415);
  });

  test("says in trailers how a stream ended, in any language", async () => {
    const stream = call({}, question("größe=1"));
    const { headers, trailers } = await stream.ended;
    expect(decodeURIComponent(String({ ...headers, ...trailers }["grpc-message"]))).toContain("größe");
  });
});

/** A question as it goes over the wire. */
function question(selector = ""): Buffer {
  const message = syncMethod("SyncFlags").requestSerialize({ selector });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** HTTP/2 without gRPC's library around it. */
function call(headers: OutgoingHttpHeaders, body: Buffer) {
  const session = connect(`http://127.0.0.1:${lab.syncPort}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": `/${SYNC}/SyncFlags`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const parts: Buffer[] = [];
  let head: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on("error", () => undefined);
  stream.on("response", (given) => {
    head = given;
  });
  stream.on("trailers", (given) => {
    trailers = given;
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  const ended = new Promise<{ headers: IncomingHttpHeaders; trailers: IncomingHttpHeaders }>((resolve) =>
    stream.on("close", () => {
      session.destroy();
      resolve({ headers: head, trailers });
    }),
  );
  stream.end(body);
  return { ended, bytes: () => Buffer.concat(parts), headers: () => head, close: () => session.destroy() };
}

/** The first message that a stream gets. */
async function first(headers: OutgoingHttpHeaders) {
  const stream = call(headers, question());
  const isWhole = (bytes: Buffer) => bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1);
  await eventually("a message", () => isWhole(stream.bytes()));
  const bytes = stream.bytes().subarray(0, 5 + stream.bytes().readUInt32BE(1));
  const body = bytes[0] === 1 ? gunzipSync(bytes.subarray(5)) : bytes.subarray(5);
  stream.close();
  return { headers: stream.headers(), bytes, message: syncMethod("SyncFlags").responseDeserialize(body) as never };
}
