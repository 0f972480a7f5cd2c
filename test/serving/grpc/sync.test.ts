import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../kube/scripted-server.ts";
import { aFlag, forPros } from "../flags.ts";
import { type GrpcLab, PlainClient, startGrpc } from "./lab.ts";

const SYNC = "flagd.sync.v1.FlagSyncService";

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

const setOf = (message: Record<string, unknown> | undefined) =>
  JSON.parse(String(message?.flagConfiguration)) as { flags: Record<string, { metadata: { version: string } }> };

describe("SyncFlags", () => {
  test("trap 7: gives the whole set as a map by key, and again at each change", async () => {
    lab.store.put(aFlag("a", { definition: { targeting: forPros } }));
    lab.store.put(aFlag("b"));
    lab.store.put(aFlag("other", { flagSet: "pay" }));
    const stream = client.listen(`${SYNC}/SyncFlags`, {}, "flagSetId=shop");
    await eventually("the first set", () => stream.messages.length === 1);
    expect(Object.keys(setOf(stream.messages[0]).flags)).toEqual(["a", "b"]);
    expect(setOf(stream.messages[0]).flags.a).toEqual(aFlag("a", { definition: { targeting: forPros } }).definition);
    await eventually("what was put before is told", () => lab.delivery.last >= 2);
    const before = stream.messages.length;
    lab.store.put(aFlag("b", { version: "v2" }));
    await eventually("the next set", () => stream.messages.length === before + 1);
    expect(setOf(stream.messages.at(-1)).flags.b?.metadata.version).toBe("v2");
    lab.store.put(aFlag("other", { flagSet: "pay", version: "v2" }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stream.messages).toHaveLength(before + 1);
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
    const value = { text: "x".repeat(8_000) };
    const big = (version: string) =>
      Array.from({ length: 40 }, (_, i) =>
        lab.store.put(aFlag(`f${i}`, { version, definition: { variants: { a: value }, defaultVariant: "a" } }), true),
      );
    big("v0");
    const { Client, credentials } = await import("@grpc/grpc-js");
    const slow = new Client(`127.0.0.1:${lab.port}`, credentials.createInsecure());
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
