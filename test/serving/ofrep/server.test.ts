import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { aFlag, aQuarter, forPros } from "../flags.ts";
import { ask, type OfrepLab, startOfrep } from "./lab.ts";
import { problemsOf } from "./schema.ts";

let lab: OfrepLab;
afterEach(() => lab.stop());

const pro = { context: { targetingKey: "ann", plan: "pro" } };
const free = { context: { targetingKey: "ann", plan: "free" } };

describe("one flag", () => {
  test("is answered with value, variant, reason and metadata", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("checkout", { definition: { targeting: forPros } }));
    const { status, body } = await ask(lab, "checkout", pro);
    expect(status).toBe(200);
    expect(body).toEqual({
      key: "checkout",
      value: true,
      variant: "on",
      reason: "TARGETING_MATCH",
      metadata: { flagSetId: "shop", version: "v1" },
    });
    expect((await ask(lab, "checkout", free)).body).toMatchObject({ value: false, variant: "off" });
  });

  test.each([
    ["boolean", { on: true, off: false }, "off", false],
    ["string", { red: "#f00", none: "" }, "none", ""],
    ["number", { few: 0.5, none: 0 }, "none", 0],
    ["object", { a: { limits: { cpu: 2 } }, none: {} }, "a", { limits: { cpu: 2 } }],
  ])("of type %s keeps its value, zero values too", async (_, variants, defaultVariant, value) => {
    lab = await startOfrep();
    lab.store.put(aFlag("a", { definition: { variants, defaultVariant } }));
    const { body } = await ask(lab, "a", pro);
    expect(body.value).toEqual(value);
    expect(problemsOf("success", body)).toEqual([]);
  });

  test("that is disabled is a success without a value: the code's own default holds", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a", { definition: { state: "DISABLED" } }));
    const { status, body } = await ask(lab, "a", pro);
    expect(status).toBe(200);
    expect(body).toEqual({ key: "a", reason: "DISABLED", metadata: { flagSetId: "shop", version: "v1" } });
    expect(problemsOf("success", body)).toEqual([]);
  });

  test("without a default variant is one too", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a", { definition: { defaultVariant: null } }));
    expect((await ask(lab, "a", pro)).body).not.toHaveProperty("value");
  });

  test("that does not exist is not found, and so is the whole set", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    for (const headers of [{}, { "flagd-selector": "flagSetId=nobody" }] as Record<string, string>[]) {
      const { status, body } = await ask(lab, "b", pro, headers);
      expect(status).toBe(404);
      expect(body).toMatchObject({ key: "b", errorCode: "FLAG_NOT_FOUND" });
      expect(problemsOf("notFound", body)).toEqual([]);
    }
  });

  test("is found by a key that needs encoding", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("neu.ä b%"));
    expect((await ask(lab, "neu.ä b%", pro)).status).toBe(200);
    const broken = await fetch(`${lab.url}/ofrep/v1/evaluate/flags/%ff`, { method: "POST" });
    expect(broken.status).toBe(400);
    expect(problemsOf("bulkFailure", await broken.json())).toEqual([]);
  });

  test("is chosen by the selector, which beats the default set", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    lab.store.put(aFlag("a", { flagSet: "pay/eu", definition: { defaultVariant: "on" } }));
    const values = [];
    for (const selector of ["", "flagSetId=pay/eu", "source=pay/eu", "pay/eu", "flagSetId=shop"])
      values.push((await ask(lab, "a", pro, { "flagd-selector": selector })).body.value);
    expect(values).toEqual([false, true, true, true, false]);
    const { status, body } = await ask(lab, "a", pro, { "flagd-selector": "colour=red" });
    expect(status).toBe(400);
    expect(body.errorDetails).toBe('Flagd-Selector: a selector names a flag set, flagSetId=<name> (got "colour=red")');
  });

  test("trap 4: a split gives users without a key one answer, not one that ten users in a hundred get", async () => {
    lab = await startOfrep();
    const whoHasAKey = { "!!": [{ var: "targetingKey" }] };
    lab.store.put(aFlag("a", { definition: { targeting: { if: [whoHasAKey, aQuarter, "off"] } } }));
    for (const context of [{}, { targetingKey: "" }, { plan: "pro" }])
      expect((await ask(lab, "a", { context })).body).toMatchObject({ value: false });
    const users = Array.from({ length: 400 }, (_, i) => ask(lab, "a", { context: { targetingKey: `user-${i}` } }));
    const treated = (await Promise.all(users)).filter(({ body }) => body.value === true).length;
    expect(treated).toBeGreaterThan(60);
    expect(treated).toBeLessThan(140);
  });
});

describe("all flags", () => {
  test("trap 3: hold the disabled and the broken ones too, in the published form", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("on", { definition: { targeting: forPros } }));
    lab.store.put(aFlag("disabled", { definition: { state: "DISABLED" } }));
    lab.store.put(aFlag("broken", { definition: { targeting: { if: [true, "not-a-variant"] } } }));
    const { status, body, headers } = await ask(lab, undefined, pro);
    expect(status).toBe(200);
    expect(problemsOf("bulkSuccess", body)).toEqual([]);
    const flags = body.flags as { key: string }[];
    expect(flags.map(({ key }) => key)).toEqual(["on", "disabled", "broken"]);
    expect(flags[0]).toMatchObject({ value: true });
    expect(flags[1]).toMatchObject({ reason: "DISABLED" });
    expect(flags[2]).toMatchObject({ errorCode: "GENERAL" });
    expect(body.metadata).toEqual({ flagSetId: "shop", version: lab.store.flagSet("shop").etag("server") });
    expect(headers.get("etag")).toMatch(/^".+"$/);
  });

  test("are the same under one tag, and not sent twice", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a", { definition: { targeting: forPros } }));
    const first = await ask(lab, undefined, pro);
    const etag = first.headers.get("etag") ?? "";
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await ask(lab, undefined, pro, { "if-none-match": known });
      expect([again.status, again.body, again.headers.get("etag")]).toEqual([304, {}, etag]);
    }
    lab.store.put(aFlag("a", { version: "v2" }));
    expect((await ask(lab, undefined, pro, { "if-none-match": etag })).status).toBe(200);
  });

  test("are new ones when only an attribute changes: the tag covers the context", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a", { definition: { targeting: forPros } }));
    const before = await ask(lab, undefined, free);
    const after = await ask(lab, undefined, pro, { "if-none-match": before.headers.get("etag") ?? "" });
    expect(after.status).toBe(200);
    expect(after.body.flags).toMatchObject([{ value: true }]);
  });

  test("are new ones when only time has passed: the tag covers what a ramp does by itself", async () => {
    lab = await startOfrep();
    const soon = Math.floor(Date.now() / 1_000) + 3; // The first answer must be there by then.
    const targeting = { if: [{ ">=": [{ var: "$flagd.timestamp" }, soon] }, "on", "off"] };
    lab.store.put(aFlag("a", { definition: { targeting } }));
    const before = await ask(lab, undefined, pro);
    await new Promise((resolve) => setTimeout(resolve, soon * 1_000 - Date.now() + 20));
    const after = await ask(lab, undefined, pro, { "if-none-match": before.headers.get("etag") ?? "" });
    expect([before.body.flags, after.status, after.body.flags]).toMatchObject([
      [{ value: false }],
      200,
      [{ value: true }],
    ]);
  });

  test("are sent whole to whoever was told of another configuration, whatever tag he has", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    const first = await ask(lab, undefined, pro);
    const known = { "if-none-match": first.headers.get("etag") ?? "" };
    const current = lab.store.flagSet("shop").etag("server");
    const status = async (told: string) =>
      (await ask(lab, undefined, pro, known, `?flagConfigEtag=${encodeURIComponent(told)}`)).status;
    expect(await status(current)).toBe(304);
    expect(await status(`W/"${current}"`)).toBe(304);
    expect(await status("of-another-server")).toBe(200);
  });

  test("wait for a configuration that another server has told of, and that is on its way", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    const { FlagStore } = await import("../../../src/serving/store.ts");
    const another = new FlagStore();
    another.put(aFlag("a", { version: "v2", definition: { defaultVariant: "on" } }));
    const told = another.flagSet("shop").etag("server");
    const answer = ask(lab, undefined, pro, {}, `?flagConfigEtag=${told}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    lab.store.put(aFlag("a", { version: "v2", definition: { defaultVariant: "on" } }), true);
    expect((await answer).body.flags).toMatchObject([{ value: true }]);
  });

  test("do not wait for ever for a configuration that nobody has", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    expect((await ask(lab, undefined, pro, {}, "?flagConfigEtag=made-up")).status).toBe(200);
  });

  test("of a set that has none yet are none, with a stream that tells when there are", async () => {
    lab = await startOfrep();
    const { status, body } = await ask(lab, undefined, pro, { "flagd-selector": "flagSetId=new" });
    expect([status, body.flags]).toEqual([200, []]);
    expect(problemsOf("bulkSuccess", body)).toEqual([]);
  });

  test("for a browser are those that it may see", async () => {
    const { openTo } = await import("../../../src/serving/access.ts");
    lab = await startOfrep({ authorize: openTo("client", "shop") });
    lab.store.put(aFlag("a"));
    lab.store.put(aFlag("secret", { visibility: "server" }));
    expect(((await ask(lab, undefined, pro)).body.flags as { key: string }[]).map(({ key }) => key)).toEqual(["a"]);
    expect((await ask(lab, "secret", pro)).status).toBe(404);
  });
});

describe("a browser", () => {
  test("learns before it sends what it may send, and reads the tag", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    const preflight = await fetch(`${lab.url}/ofrep/v1/evaluate/flags`, {
      method: "OPTIONS",
      headers: { origin: "https://shop.example", "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-methods")).toBe("POST");
    for (const name of ["authorization", "content-type", "if-none-match", "flagd-selector"])
      expect(preflight.headers.get("access-control-allow-headers")).toContain(name);
    const answer = await ask(lab, undefined, pro, { origin: "https://shop.example" });
    expect(answer.headers.get("access-control-expose-headers")).toContain("etag");
  });

  test("of a page that is not on the list cannot read answers, and one that is can read refusals too", async () => {
    lab = await startOfrep({ origins: ["https://shop.example"] });
    const origin = async (value: string) =>
      (await ask(lab, "none", pro, { origin: value })).headers.get("access-control-allow-origin");
    expect(await origin("https://shop.example")).toBe("https://shop.example");
    expect(await origin("https://evil.example")).toBe(null);
  });
});

describe("what cannot be answered is refused with words:", () => {
  test("other methods and paths", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    const get = await fetch(`${lab.url}/ofrep/v1/evaluate/flags/a`);
    expect([get.status, get.headers.get("allow"), await get.json()]).toEqual([
      405,
      "POST, OPTIONS",
      { errorDetails: "This path takes POST (got GET)" },
    ]);
    const head = await fetch(`${lab.url}/ofrep/v1/evaluate/flags`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([405, ""]);
    const other = await fetch(`${lab.url}/ofrep/v1/configuration`);
    expect([other.status, problemsOf("general", await other.json())]).toEqual([404, []]);
  });

  const table: Record<string, { given: string; expect: [status: number, code: string, details: string] }> = {
    "malformed JSON": { given: "{", expect: [400, "PARSE_ERROR", "The body is no JSON"] },
    "a thousand levels": {
      given: `{"context":${'{"a":'.repeat(1_000)}1${"}".repeat(1_000)}}`,
      expect: [400, "INVALID_CONTEXT", "nests deeper"],
    },
    "the name __proto__": {
      given: '{"context":{"__proto__":{"x":1}}}',
      expect: [400, "INVALID_CONTEXT", "is no name"],
    },
    "half a surrogate pair": {
      given: '{"context":{"targetingKey":"\\udc00"}}',
      expect: [400, "INVALID_CONTEXT", "surrogate"],
    },
    "ten megabytes": {
      given: JSON.stringify({ context: { a: "x".repeat(10_000_000) } }),
      expect: [413, "PARSE_ERROR", "larger than 256 KiB"],
    },
  };
  test.each(Object.entries(table))("%s", async (_, { given, expect: [status, code, details] }) => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    for (const key of ["a", undefined]) {
      const answer = await ask(lab, key, given);
      expect(answer.status).toBe(status);
      expect(answer.body).toMatchObject({ errorCode: code, ...(key === undefined ? {} : { key }) });
      expect(answer.body.errorDetails).toContain(details);
      expect(problemsOf(key === undefined ? "bulkFailure" : "failure", answer.body)).toEqual([]);
    }
    expect((await ask(lab, "a", pro)).status).toBe(200);
  });

  test("a body without an announced length that does not end", async () => {
    lab = await startOfrep();
    const socket = connect(lab.port, "127.0.0.1");
    socket.write("POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    let sent = 0;
    const answer = await new Promise<string>((resolve) => {
      socket.on("error", () => undefined);
      socket.once("data", (data) => resolve(data.toString()));
      const more = (): void => {
        if (sent++ < 10_000 && socket.writable) socket.write(chunk, more);
      };
      more();
    });
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain("larger than 256 KiB");
    await new Promise((resolve) => socket.once("close", resolve));
    expect(sent).toBeLessThan(10_000);
  });

  test.each([
    ["a request whose headers come too slowly", "content-le", 4_000],
    ["a request whose body comes too slowly", "content-length: 100\r\n\r\n{", 9_000],
  ])("%s", async (_, begun, leastMs) => {
    lab = await startOfrep();
    const socket = connect(lab.port, "127.0.0.1");
    socket.write(`POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nhost: a\r\n${begun}`);
    const started = performance.now();
    const answer = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain("did not arrive whole in time");
    expect(performance.now() - started).toBeGreaterThan(leastMs);
    await new Promise((resolve) => socket.once("close", resolve));
  });

  test("what is no HTTP", async () => {
    lab = await startOfrep();
    const socket = connect(lab.port, "127.0.0.1");
    socket.write("hello\r\n\r\n");
    const answer = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain("errorDetails");
  });

  test("a compressed body", async () => {
    lab = await startOfrep();
    const answer = await ask(lab, "a", "x", { "content-encoding": "gzip" });
    expect([answer.status, answer.body.errorDetails]).toEqual([415, "The body is compressed; send it plain"]);
  });

  test("neighbours are answered meanwhile", async () => {
    lab = await startOfrep();
    lab.store.put(aFlag("a"));
    const slow = connect(lab.port, "127.0.0.1");
    slow.write("POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{");
    const big = ask(lab, undefined, "x".repeat(10_000_000));
    expect((await ask(lab, "a", pro)).status).toBe(200);
    expect((await big).status).toBe(413);
    slow.destroy();
  });
});

test("nothing that users send is in the log", async () => {
  lab = await startOfrep();
  lab.store.put(aFlag("a", { definition: { targeting: { if: [true, { var: "email" }] } } }));
  await ask(lab, "a", { context: { targetingKey: "ann", email: "ann@example.com" } });
  await ask(lab, undefined, { context: { targetingKey: "ann", email: "ann@example.com" } });
  expect(lab.lines.join("\n")).not.toContain("ann");
});
