import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PrometheusClient, type PrometheusOptions } from "../../src/metrics/prometheus.ts";

const AT = 1_700_000_000_000;
const SECRET = "hunter2-in-the-body";

let server: Server;
let client: PrometheusClient | undefined;
let answerWith: (request: IncomingMessage, response: ServerResponse, form: URLSearchParams) => void;
let requests: { url: string; headers: IncomingMessage["headers"]; form: URLSearchParams }[];
let folder: string;
let nowMs: number;

beforeEach(async () => {
  requests = [];
  nowMs = AT;
  folder = mkdtempSync(join(tmpdir(), "zenith-prometheus-"));
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    requests.push({ url: request.url ?? "", headers: request.headers, form });
    answerWith(request, response, form);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
});

afterEach(async () => {
  await client?.close();
  client = undefined;
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
});

function ask(options: Partial<PrometheusOptions> = {}, promql = "up") {
  client ??= new PrometheusClient({ url: urlOf(), nowMs: () => nowMs, timeoutMs: 2000, ...options });
  return client.query(promql, AT);
}

function urlOf(path = ""): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
}

function json(value: unknown, status = 200) {
  return (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  };
}

function success(resultType: string, result: unknown, more = {}) {
  return json({ status: "success", data: { resultType, result }, ...more });
}

const one = { metric: { pod: "a" }, value: [1_700_000_000.123, "0.5"] };

describe("PrometheusClient.query()", () => {
  test("posts a form to the API under the prefix, with the time of evaluation", async () => {
    answerWith = success("vector", [one]);
    expect(await ask({ url: urlOf("/prometheus") }, "a+b")).toEqual({
      kind: "vector",
      series: [{ labels: { pod: "a" }, sample: [1_700_000_000_123, 0.5] }],
    });
    expect(requests[0]?.url).toBe("/prometheus/api/v1/query");
    expect(Object.fromEntries(requests[0]?.form ?? [])).toEqual({
      query: "a+b",
      time: "1700000000.000",
      timeout: "2000ms",
    });
  });

  test("reads ranges and scalars, NaN and infinities", async () => {
    answerWith = success("matrix", [
      {
        metric: {},
        values: [
          [1.5, "NaN"],
          [2, "+Inf"],
          [3, "-Inf"],
          [4, "1e3"],
        ],
      },
    ]);
    expect(await ask()).toEqual({
      kind: "matrix",
      series: [
        {
          labels: {},
          samples: [
            [1500, Number.NaN],
            [2000, Number.POSITIVE_INFINITY],
            [3000, Number.NEGATIVE_INFINITY],
            [4000, 1000],
          ],
        },
      ],
    });
    answerWith = success("scalar", [7, "3"]);
    expect(await ask()).toEqual({ kind: "scalar", sample: [7000, 3] });
    answerWith = success("vector", []);
    expect(await ask()).toEqual({ kind: "vector", series: [] });
  });

  test.each<[string, (response: ServerResponse, request: IncomingMessage) => void, "refused" | "unavailable", RegExp]>([
    [
      "a connection that is reset",
      (_, request) => void request.socket.destroy(),
      "unavailable",
      /^Prometheus cannot be reached \(/,
    ],
    [
      "a proxy's page",
      (r) => void r.writeHead(502).end(`<html>${SECRET}`),
      "unavailable",
      /^Prometheus answered 502 with something that is not its JSON$/,
    ],
    ["a page with 200", (r) => void r.end(`<html>${SECRET}`), "unavailable", /not its JSON/],
    [
      "a redirect",
      (r) => void r.writeHead(302, { location: urlOf("/elsewhere") }).end(),
      "unavailable",
      /302: redirects are not followed/,
    ],
    ["401", (r) => void r.writeHead(401).end(SECRET), "unavailable", /401: it does not let us in/],
    ["a large body", (r) => void r.end("x".repeat(70_000)), "unavailable", /too large/],
    [
      "an error of the server",
      (r) => json({ status: "error", errorType: "timeout", error: SECRET }, 503)({} as never, r),
      "unavailable",
      /503 \(timeout\)$/,
    ],
    [
      "an error of the query",
      (r) => json({ status: "error", errorType: "bad_data", error: SECRET }, 400)({} as never, r),
      "refused",
      /400 \(bad_data\): the query is not one it can run$/,
    ],
    [
      "an error with 200",
      (r) => json({ status: "error", errorType: SECRET, error: SECRET })({} as never, r),
      "unavailable",
      /^Prometheus answered 200$/,
    ],
    [
      "warnings",
      (r) => success("vector", [one], { warnings: [SECRET] })({} as never, r),
      "unavailable",
      /may be partial/,
    ],
    ["a string", (r) => success("string", [1, SECRET])({} as never, r), "refused", /a string/],
    [
      "a native histogram",
      (r) => success("vector", [{ metric: {}, histogram: [1, {}] }])({} as never, r),
      "refused",
      /native histograms/,
    ],
    [
      "native histograms in a range",
      (r) => success("matrix", [{ metric: {}, histograms: [] }])({} as never, r),
      "refused",
      /native histograms/,
    ],
    [
      "a value that is none",
      (r) => success("vector", [{ metric: {}, value: [1, ""] }])({} as never, r),
      "unavailable",
      /malformed/,
    ],
    ["a type that is none", (r) => success("tensor", [])({} as never, r), "unavailable", /malformed/],
    ["no data", (r) => json({ status: "success" })({} as never, r), "unavailable", /without data/],
    ["null", (r) => json(null)({} as never, r), "unavailable", /not its JSON/],
  ])("takes %s for what it is, and repeats nothing of it", async (_, respond, kind, message) => {
    answerWith = (request, response) => respond(response, request);
    const answer = await ask({ timeoutMs: 20_000, maxBytes: 65_536 });
    expect(answer).toMatchObject({ kind, message: expect.stringMatching(message) });
    expect(JSON.stringify(answer)).not.toContain(SECRET);
    expect(requests.map(({ url }) => url)).not.toContain("/elsewhere");
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ["silence", () => undefined],
    ["a body that never ends", (response) => void response.writeHead(200).write("{")],
  ])("takes %s for what it is, once its time is over", async (_, respond) => {
    answerWith = (_request, response) => respond(response);
    expect(await ask({ timeoutMs: 200 })).toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/did not answer within 0\.2 s/),
    });
  });

  test("goes on when Prometheus is back", async () => {
    answerWith = (request) => void request.socket.destroy();
    expect((await ask()).kind).toBe("unavailable");
    answerWith = success("vector", [one]);
    expect((await ask()).kind).toBe("vector");
  });

  test("says so when nothing listens", async () => {
    expect(await ask({ url: "http://127.0.0.1:1" })).toEqual({
      kind: "unavailable",
      message: "Prometheus cannot be reached (ECONNREFUSED)",
    });
  });

  test("sends a bearer token, and reads it again when it ages or is refused", async () => {
    const bearerTokenFile = join(folder, "token");
    const headersFile = join(folder, "headers");
    writeFileSync(bearerTokenFile, "one\n");
    writeFileSync(headersFile, "# tenant\nX-Scope-OrgID: shop\n\n");
    answerWith = success("vector", []);
    await ask({ bearerTokenFile, headersFile });
    writeFileSync(bearerTokenFile, "two\n");
    await ask();
    nowMs += 30_000;
    await ask();
    writeFileSync(bearerTokenFile, "three\n");
    answerWith = (request, response, form) =>
      request.headers.authorization === "Bearer three"
        ? success("vector", [])(request, response)
        : void response.writeHead(401).end(String(form));
    expect((await ask()).kind).toBe("vector");
    expect(requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer one",
      "Bearer one",
      "Bearer two",
      "Bearer two",
      "Bearer three",
    ]);
    expect(requests[0]?.headers["x-scope-orgid"]).toBe("shop");
  });

  test("sends a user and password", async () => {
    writeFileSync(join(folder, "basic"), "ada:lovelace\n");
    answerWith = success("vector", []);
    await ask({ basicAuthFile: join(folder, "basic") });
    expect(requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("ada:lovelace").toString("base64")}`);
  });

  test("says which file it cannot read", async () => {
    expect(await ask({ bearerTokenFile: join(folder, "missing") })).toEqual({
      kind: "unavailable",
      message: "Cannot read the bearer token file for Prometheus",
    });
  });

  test("stops when told to", async () => {
    answerWith = () => undefined;
    client = new PrometheusClient({ url: urlOf(), nowMs: () => nowMs });
    const stop = new AbortController();
    const answer = client.query("up", AT, stop.signal);
    stop.abort();
    expect((await answer).kind).toBe("unavailable");
  });

  test.each(["file:///etc/passwd", "http://user:pw@prometheus:9090", "prometheus:9090"])(
    "refuses the address %s",
    (url) => {
      expect(() => new PrometheusClient({ url, nowMs: () => 0 })).toThrow(/Prometheus/);
    },
  );
});
