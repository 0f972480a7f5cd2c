import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../src/kube/clock.ts";
import { ApiError, isKind } from "../../src/kube/errors.ts";
import {
  type Answer,
  eventually,
  fastClock,
  hangUp,
  json,
  kubeConfigOf,
  refusal,
  type ScriptedServer,
  saysNothing,
  startScriptedServer,
  stream,
  text,
} from "./scripted-server.ts";

let server: ScriptedServer;
beforeEach(async () => {
  server = await startScriptedServer();
});
afterEach(() => server.stop());

const get = { method: "GET", path: "/api/v1/pods" } as const;
const patch = {
  method: "PATCH",
  path: "/api/v1/pods/a",
  body: { x: 1 },
  contentType: "application/merge-patch+json",
} as const;

async function faultOf(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ApiError)) throw new Error(`expected an ApiError, got ${String(error)}`);
  return error;
}

describe("ApiClient.request()", () => {
  test("sends JSON under the wanted content type, with token, agent name and query", async () => {
    server.play(json(200, { ok: true }));
    const answer = await server
      .client({ token: "t1", userAgent: "zenith-test" })
      .request({ ...patch, query: { fieldManager: "a b", none: undefined } });
    expect(answer).toEqual({ ok: true });
    const [seen] = server.seen;
    expect(seen?.body).toBe('{"x":1}');
    expect(seen?.query.get("fieldManager")).toBe("a b");
    expect(seen?.query.has("none")).toBe(false);
    expect(seen?.headers).toMatchObject({
      authorization: "Bearer t1",
      "user-agent": "zenith-test",
      "content-type": "application/merge-patch+json",
    });
  });

  const faults: Record<string, { given: Answer; expect: Partial<ApiError> }> = {
    conflict: { given: refusal(409, "Conflict"), expect: { kind: "conflict", status: 409, retryable: false } },
    exists: { given: refusal(409, "AlreadyExists"), expect: { kind: "exists", reason: "AlreadyExists" } },
    "not found": { given: refusal(404, "NotFound"), expect: { kind: "notFound" } },
    invalid: {
      given: refusal(422, "Invalid", {}, { causes: [{ field: "spec" }] }),
      expect: { kind: "invalid", details: { causes: [{ field: "spec" }] } },
    },
    gone: { given: refusal(410, "Expired"), expect: { kind: "gone", reason: "Expired" } },
    forbidden: {
      given: refusal(403, "Forbidden"),
      expect: { kind: "forbidden", message: "Cannot PATCH /api/v1/pods/a: Forbidden!" },
    },
    "500": { given: refusal(500, "InternalError"), expect: { kind: "server", retryable: true } },
    "504": { given: refusal(504, "Timeout"), expect: { kind: "timeout", retryable: true } },
    "HTML of a proxy with 502": {
      given: text(502, "<h1>Bad gateway</h1>"),
      expect: { kind: "server", message: "Cannot PATCH /api/v1/pods/a: the API server answered 502" },
    },
    "HTML of a proxy with 200": { given: text(200, "<h1>Log in</h1>"), expect: { kind: "server", status: 200 } },
    "an empty body with 200": { given: text(200, ""), expect: { kind: "server" } },
    "JSON that is no Status": { given: json(404, "nope"), expect: { kind: "notFound" } },
    "a reset": { given: hangUp, expect: { kind: "network", retryable: true, status: 0 } },
  };
  for (const [name, { given, expect: expected }] of Object.entries(faults))
    test(`names the fault: ${name}, and sends a write only once`, async () => {
      server.play(given);
      expect(await faultOf(server.client().request(patch))).toMatchObject(expected);
      expect(server.seen).toHaveLength(1);
    });

  test("repeats a read after a reset, 503 and 502, and gives the answer", async () => {
    server.play(hangUp, refusal(503, "ServiceUnavailable"), text(502, ""), json(200, { ok: 1 }));
    expect(await server.client({ clock: fastClock(50) }).request({ ...get, timeoutMs: 600_000 })).toEqual({ ok: 1 });
    expect(server.seen).toHaveLength(4);
  });

  test("gives up after four tries", async () => {
    server.play(hangUp);
    const running = server.client({ clock: fastClock(50) }).request({ ...get, timeoutMs: 600_000 });
    expect((await faultOf(running)).kind).toBe("network");
    expect(server.seen).toHaveLength(4);
  });

  test("repeats a write after 429, not before Retry-After has passed", async () => {
    server.play(refusal(429, "TooManyRequests", { "retry-after": "2" }), json(200, {}));
    const clock = fastClock(20);
    const startMs = clock.monotonicMs();
    await server.client({ clock }).request({ ...patch, timeoutMs: 600_000 });
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(2_000);
    expect(server.seen).toHaveLength(2);
  });

  test("does not wait for a Retry-After that lies beyond its own deadline", async () => {
    server.play(refusal(429, "TooManyRequests", { "retry-after": "60" }));
    expect(await faultOf(server.client().request(patch))).toMatchObject({ kind: "throttled", retryAfterMs: 60_000 });
    expect(server.seen).toHaveLength(1);
  });

  test("ends at its deadline where the server takes the request and never answers", async () => {
    server.play(saysNothing);
    const fault = await faultOf(server.client().request({ ...get, timeoutMs: 50 }));
    expect(fault).toMatchObject({ kind: "timeout", message: "Cannot GET /api/v1/pods: no answer in time" });
  });

  test("ends at its deadline where the body never ends", async () => {
    server.play(stream(['{"half":']));
    expect((await faultOf(server.client().request({ ...get, timeoutMs: 50 }))).kind).toBe("timeout");
  });

  test("ends when its signal is aborted, and is not repeated", async () => {
    server.play(saysNothing);
    const stop = new AbortController();
    const running = faultOf(server.client().request({ ...get, signal: stop.signal }));
    await eventually("asked", () => server.seen.length === 1);
    stop.abort();
    expect(await running).toMatchObject({ kind: "aborted", retryable: false });
    expect(server.seen).toHaveLength(1);
  });

  test("reads a rotated token after 401, once, and repeats the request with it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "zenith-token-"));
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "old\n");
    const provider = { name: "tokenFile", config: { tokenFile } };
    const client = server.client({ config: () => kubeConfigOf(server.url, undefined, provider) });
    server.play(json(200, {}), refusal(401, "Unauthorized"), json(200, { ok: 1 }), refusal(401, "Unauthorized"));
    await client.request(get);
    writeFileSync(tokenFile, "new\n");
    expect(await client.request(patch)).toEqual({ ok: 1 });
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer old", "Bearer old", "Bearer new"]);
    expect((await faultOf(client.request(patch))).kind).toBe("unauthorized");
    expect(server.seen).toHaveLength(5);
    rmSync(folder, { recursive: true });
  });

  test("reads credentials again after a minute", async () => {
    let reads = 0;
    const clock = new FakeClock();
    const client = server.client({ clock, config: () => kubeConfigOf(server.url, `t${reads++}`) });
    server.play(json(200, {}));
    for (const waitMs of [0, 0, 61_000]) {
      clock.freeze(waitMs);
      await client.request(get);
    }
    const tokens = server.seen.map(({ headers }) => headers.authorization);
    expect(tokens[1]).toBe(tokens[0]);
    expect(tokens[2]).not.toBe(tokens[0]);
  });

  test("asks the fence before each sending of a write, and sends nothing once it refuses", async () => {
    let asked = 0;
    const client = server.client({
      clock: fastClock(20),
      beforeWrite: () => {
        if (++asked === 2) throw new Error("no longer leading");
      },
    });
    server.play(refusal(429, "TooManyRequests", { "retry-after": "1" }), json(200, {}));
    await client.request(get).catch(() => undefined);
    expect(asked).toBe(0);
    server.play(refusal(429, "TooManyRequests", { "retry-after": "1" }), json(200, {}));
    const before = server.seen.length;
    await expect(client.request(patch)).rejects.toThrow("no longer leading");
    expect(server.seen.length - before).toBe(1);
  });

  test("shares its connections", async () => {
    const ports = new Set<number | undefined>();
    server.play((response) => {
      ports.add(response.socket?.remotePort);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
    const client = server.client();
    for (let i = 0; i < 20; i++) await client.request(get);
    expect(ports.size).toBeLessThanOrEqual(2);
    await Promise.all(Array.from({ length: 100 }, () => client.request(get)));
    expect(ports.size).toBeLessThanOrEqual(32);
  });

  test("knows the server's clock from its answers", async () => {
    const aheadMs = 3_600_000;
    server.play((response) => {
      const date = new Date(Date.now() + aheadMs).toUTCString();
      response.writeHead(200, { "content-type": "application/json", date }).end("{}");
    });
    const client = server.client();
    const ahead = () => client.serverNow() - Date.now();
    expect(Math.abs(ahead())).toBeLessThan(100);
    await client.request(get);
    expect(Math.abs(ahead() - aheadMs)).toBeLessThan(1_100);
  });
});

describe("ApiClient.stream()", () => {
  async function linesOf(answer: Answer, idleMs = 1_000): Promise<{ lines: string[]; end: unknown }> {
    server.play(answer);
    const lines: string[] = [];
    const onLine = (line: Buffer): void => void lines.push(line.toString());
    const signal = new AbortController().signal;
    const end = await server
      .client()
      .stream("/w", {}, onLine, signal, idleMs)
      .catch((error: unknown) => error);
    return { lines, end };
  }

  test("gives whole lines, however they are cut", async () => {
    const { lines, end } = await linesOf(stream(["on", "e\ntwo\nth", "r", "ee\n", "\n"], "close"));
    expect(lines).toEqual(["one", "two", "three", ""]);
    expect(end).toEqual({ kind: "closed" });
  });

  test("keeps a character whole that two chunks share", async () => {
    const bytes = Buffer.from('{"note":"größer 🚀"}\n');
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    expect((await linesOf(stream(pieces, "close"))).lines).toEqual(['{"note":"größer 🚀"}']);
  });

  test("drops a last line without an end", async () => {
    expect((await linesOf(stream(['{"a":1}\n{"b":'], "close"))).lines).toEqual(['{"a":1}']);
  });

  test("throws a network fault on a reset, after the lines before it", async () => {
    const { lines, end } = await linesOf(stream(["one\n"], "reset"));
    expect(lines).toEqual(["one"]);
    expect(isKind(end, "network")).toBe(true);
  });

  test("ends as idle where nothing comes, before the headers and after", async () => {
    expect((await linesOf(saysNothing, 50)).end).toEqual({ kind: "idle" });
    expect((await linesOf(stream(["one\n"]), 50)).end).toEqual({ kind: "idle" });
  });

  test("stays open as long as something comes", async () => {
    const clock = new FakeClock();
    let taps: ServerResponse | undefined;
    server.play((response) => {
      response.writeHead(200, { "content-type": "application/json" });
      taps = response;
    });
    const lines: string[] = [];
    const onLine = (line: Buffer): void => void lines.push(line.toString());
    const running = server.client({ clock }).stream("/w", {}, onLine, new AbortController().signal, 150);
    await eventually("asked", () => taps !== undefined);
    for (let i = 1; i <= 6; i++) {
      await clock.advance(100);
      taps?.write(`${i}\n`);
      await eventually("it has come", () => lines.length === i);
    }
    taps?.end();
    expect(await running).toEqual({ kind: "closed" });
  });

  test("ends as aborted when its signal is, also before the headers", async () => {
    for (const answer of [saysNothing, stream(["one\n"])]) {
      server.play(answer);
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 20);
      expect(await server.client().stream("/w", {}, () => {}, stop.signal)).toEqual({ kind: "aborted" });
    }
  });

  const refusals: Record<string, { given: Answer; expect: Partial<ApiError> }> = {
    "410": { given: refusal(410, "Expired"), expect: { kind: "gone" } },
    "429 with Retry-After": {
      given: refusal(429, "TooManyRequests", { "retry-after": "7" }),
      expect: { kind: "throttled", retryAfterMs: 7_000 },
    },
    "500": { given: refusal(500, "InternalError"), expect: { kind: "server" } },
    "HTML with 200": { given: text(200, "<h1>Log in</h1>"), expect: { kind: "server", status: 200 } },
  };
  for (const [name, { given, expect: expected }] of Object.entries(refusals))
    test(`throws on ${name}`, async () => expect((await linesOf(given)).end).toMatchObject(expected));

  test("throws what the taker of a line throws, unchanged", async () => {
    server.play(stream(["one\n"]));
    const fault = new TypeError("a fault of ours");
    const running = server.client().stream(
      "/w",
      {},
      () => {
        throw fault;
      },
      new AbortController().signal,
    );
    await expect(running).rejects.toBe(fault);
  });
});
