import { afterEach, describe, expect, test } from "vitest";
import { openTo } from "../../../src/serving/access.ts";
import { eventually } from "../../kube/scripted-server.ts";
import { aFlag } from "../flags.ts";
import { ask, listen, type OfrepLab, startOfrep } from "./lab.ts";

let lab: OfrepLab;
const open: { stop(): void }[] = [];
afterEach(async () => {
  for (const stream of open.splice(0)) stream.stop();
  await lab.stop();
});

async function streamOf(headers: Record<string, string> = {}, selector = "flagSetId=shop") {
  const { body } = await ask(lab, undefined, {}, { "flagd-selector": selector });
  const [{ endpoint }] = body.eventStreams as [{ endpoint: { requestUri: string } }];
  const stream = await listen(lab.url + endpoint.requestUri, headers);
  open.push(stream);
  return stream;
}

/** Resolves once those who listen have been told of it. */
async function isTold(change: () => void): Promise<void> {
  const before = lab.delivery.last;
  change();
  await eventually("it is told", () => lab.delivery.last > before);
}

/** As clients get them: a word, which holds the configuration's tag and the stream's name. */
const hints = (text: string): { type: string; etag: string }[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string));
const STREAM = /\.[\w-]{8}$/;

describe("a stream of events", () => {
  test("asks a new listener to fetch: between its answer and its stream something may have changed", async () => {
    lab = await startOfrep();
    await isTold(() => lab.store.put(aFlag("a")));
    const stream = await streamOf();
    await eventually("a hint", () => hints(stream.text()).length === 1);
    const etag = lab.store.flagSet("shop").etag("server");
    const [hint] = hints(stream.text());
    expect(hint).toEqual({ type: "refetchEvaluation", etag: expect.stringMatching(STREAM) });
    expect(hint?.etag.replace(STREAM, "")).toBe(etag);
    expect(stream.text()).toContain(`id: ${hint?.etag}\nevent: message\n`);
    expect(stream.text()).toMatch(/^retry: \d+\n\n/);
  });

  test("asks one that comes back only where something has changed meanwhile", async () => {
    lab = await startOfrep();
    await isTold(() => lab.store.put(aFlag("a")));
    const etag = lab.store.flagSet("shop").etag("server");
    const same = await streamOf({ "last-event-id": etag });
    const other = await streamOf({ "last-event-id": "of-yesterday" });
    await eventually("a hint", () => hints(other.text()).length === 1);
    expect(hints(same.text())).toEqual([]);
  });

  test("tells of changes of its own set, and a browser of what it may see", async () => {
    lab = await startOfrep({ authorize: openTo("client", "shop") });
    await isTold(() => lab.store.put(aFlag("a")));
    const stream = await streamOf();
    await eventually("the first hint", () => hints(stream.text()).length === 1);
    await isTold(() => lab.store.put(aFlag("secret", { visibility: "server" })));
    await isTold(() => lab.store.put(aFlag("a", { flagSet: "pay", version: "v2" })));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(hints(stream.text())).toHaveLength(1);
    lab.store.put(aFlag("a", { version: "v2" }));
    await eventually("the second hint", () => hints(stream.text()).length === 2);
    expect(hints(stream.text())[1]?.etag.replace(STREAM, "")).toBe(lab.store.flagSet("shop").etag("client"));
  });

  test("is drained to its end, over a time", async () => {
    lab = await startOfrep();
    const streams = await Promise.all([streamOf(), streamOf(), streamOf()]);
    await lab.events.drain(10);
    await Promise.all(streams.map(({ ended }) => ended));
  });

  test("is refused where there are as many as the server takes", async () => {
    lab = await startOfrep({ mostStreams: 1 });
    await streamOf();
    const { body } = await ask(lab, undefined, {});
    const [{ endpoint }] = body.eventStreams as [{ endpoint: { requestUri: string } }];
    const refused = await fetch(lab.url + endpoint.requestUri);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
  });
});

describe("the address of a stream", () => {
  const key = Buffer.from("a key that all servers share");

  test("is the same for an hour, so that no client opens its stream anew, and another one afterwards", async () => {
    lab = await startOfrep({ ticketKey: key });
    lab.nowMs = Date.UTC(2027, 0, 1, 12, 0, 0);
    const first = await ask(lab, undefined, {});
    lab.nowMs += 59 * 60_000;
    const second = await ask(lab, undefined, {});
    expect(second.body.eventStreams).toEqual(first.body.eventStreams);
    lab.nowMs += 2 * 60_000;
    const third = await ask(lab, undefined, {}, { "if-none-match": first.headers.get("etag") ?? "" });
    // A 304 would leave the client with an address that is no longer good, for ever.
    expect(third.status).toBe(200);
    expect(third.body.eventStreams).not.toEqual(first.body.eventStreams);
  });

  test("lets in for an hour at least and two at most, to its own set and nothing else", async () => {
    lab = await startOfrep({ ticketKey: key });
    lab.nowMs = Date.UTC(2027, 0, 1, 12, 59, 59);
    const { body } = await ask(lab, undefined, {});
    const [{ endpoint }] = body.eventStreams as [{ endpoint: { requestUri: string } }];
    const status = async (uri: string) => {
      const stream = await listen(lab.url + uri);
      open.push(stream);
      return stream.status;
    };
    const uri = endpoint.requestUri;
    expect(await status(uri)).toBe(200);
    expect(await status(uri.replace("flagSetId=shop", "flagSetId=pay"))).toBe(401);
    expect(await status(uri.replace("viewer=server", "viewer=client"))).toBe(401);
    expect(await status(uri.replace(/until=\d+/, "until=9999999999"))).toBe(401);
    expect(await status(uri.replace(/ticket=[^&]*/, "ticket="))).toBe(401);
    expect(await status("/ofrep/v1/events?flagSetId=shop&viewer=server")).toBe(401);
    lab.nowMs += 60 * 60_000;
    expect(await status(uri)).toBe(200);
    lab.nowMs += 60 * 60_000;
    expect(await status(uri)).toBe(401);
  });
});

describe("delivery", () => {
  const delivered = () => lab.delivery.page("pod", "shop").flagSets.shop?.a;

  test("of a browser counts once it has fetched", async () => {
    lab = await startOfrep({ authorize: openTo("client", "shop") });
    await isTold(() => lab.store.put(aFlag("a")));
    const stream = await streamOf();
    await eventually("the first hint", () => hints(stream.text()).length === 1);
    lab.store.put(aFlag("a", { version: "v2" }));
    await eventually("the second hint", () => hints(stream.text()).length === 2);
    expect(delivered()).toMatchObject({ version: "v2", clients: 1, acked: 0 });
    await ask(lab, undefined, {}, {}, `?flagConfigEtag=${hints(stream.text())[1]?.etag}`);
    expect(delivered()).toMatchObject({ version: "v2", clients: 1, acked: 1, evaluations: { off: 1 } });
    expect(delivered()?.p99Ms).toBeGreaterThanOrEqual(0);
  });

  test("of a browser that comes back is still its own, and of one that has not fetched nobody's", async () => {
    lab = await startOfrep({ authorize: openTo("client", "shop") });
    await isTold(() => lab.store.put(aFlag("a")));
    const [ann, ben] = [await streamOf(), await streamOf()];
    await eventually("the first hints", () => [ann, ben].every(({ text }) => hints(text()).length === 1));
    const word = hints(ann.text())[0]?.etag ?? "";
    await ask(lab, undefined, {}, {}, `?flagConfigEtag=${word}`);
    await ask(lab, undefined, {}, {}, `?flagConfigEtag=${word}`);
    expect(delivered()).toMatchObject({ clients: 2, acked: 1 });
    ann.stop();
    await eventually("ann has gone", () => delivered()?.clients === 1);
    expect(delivered()).toMatchObject({ acked: 0 });
    const again = await streamOf({ "last-event-id": word });
    expect(delivered()).toMatchObject({ clients: 2, acked: 1 });
    await isTold(() => lab.store.put(aFlag("a", { version: "v2" })));
    await eventually("the next hint", () => hints(again.text()).length === 1);
    expect(hints(again.text())[0]?.etag.slice(-8)).toBe(word.slice(-8));
  });
});
