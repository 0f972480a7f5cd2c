import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ROOT } from "../cluster/playground.ts";
import { type ClientLab, eventually, QUESTIONS, SPLITS, startClientLab } from "./lab.ts";
import { CHROMIUM_FLAGS, ensureChromium } from "./setup.ts";

/** What test/clients/page/page.ts hangs on the window. */
interface Driven {
  readonly events: string[];
  start(baseUrl: string, token: string, context: object): Promise<void>;
  become(context: object): Promise<void>;
  boolean(key: string, fallback: boolean): { value: boolean; reason?: string; errorCode?: string };
  variantsOf(keys: readonly string[], users: readonly object[]): Promise<(string | undefined)[][]>;
}
declare const page: Driven;

let lab: ClientLab;
let browser: Browser;
let site: Server;
let tab: Page;
const heard: string[] = [];
beforeAll(async () => {
  const executablePath = ensureChromium();
  lab = await startClientLab();
  for (const [key, spec] of Object.entries(SPLITS)) lab.put(key, spec);
  site = await serveSite();
  browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  await lab?.stop();
});
beforeEach(async () => {
  tab = await browser.newPage();
  heard.length = 0;
  tab.on("console", (message) => heard.push(message.text()));
  await tab.goto(`http://localhost:${(site.address() as AddressInfo).port}/`);
});
afterEach(() => tab.close());

/** A site of another origin than the flag server, as sites are. */
async function serveSite(): Promise<Server> {
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, "test/clients/page/page.ts")],
    bundle: true,
    write: false,
    format: "iife",
  });
  const script = outputFiles[0]?.text ?? "";
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><title>Shop</title><script src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const start = (context: object = { targetingKey: "ann" }) =>
  tab.evaluate(([url, token, user]) => page.start(url as string, token as string, user as object), [
    `http://127.0.0.1:${lab.ports.ofrep}`,
    lab.token,
    context,
  ] as const);
const value = (key: string, fallback: boolean) =>
  tab.evaluate(([k, f]) => page.boolean(k, f).value, [key, fallback] as const);
const streams = () => lab.delivery.connected().browser;

describe("the web SDK with the OFREP provider, in Chromium", () => {
  test("gives each of ten thousand users what the server gives him", async () => {
    await start();
    const keys = ["half", "colours"];
    const asked = QUESTIONS.find(({ key }) => key === "half")?.asked ?? [];
    for (let i = 0; i < asked.length; i += 500) {
      const some = asked.slice(i, i + 500);
      const variants = await tab.evaluate(([k, users]) => page.variantsOf(k, users), [keys, some] as const);
      expect(variants).toEqual(some.map((user) => keys.map((key) => lab.variantOf(key, user))));
    }
  });

  test("hears of a change while it is open", async () => {
    lab.put("change", { visibility: "client" });
    await start();
    expect(await value("change", true)).toBe(false);
    await eventually("it listens", async () => streams() === 1);
    lab.put("change", { visibility: "client", strategy: { allAtOnce: { variant: "on" } } });
    await eventually("it is told", async () => await tab.evaluate(() => page.events.includes("change")));
    expect(await value("change", false)).toBe(true);
    // It has the value and may still owe its word: a fetch that was under way as the flag changed counts as one of before.
    const delivered = () => lab.delivery.page("lab").flagSets.shop?.change;
    await eventually("it is counted", async () => delivered()?.acked === 1);
    expect(delivered()).toMatchObject({ clients: 1, acked: 1 });
  });

  test("gets new values when only an attribute of its user changes", async () => {
    lab.put("pro", {
      visibility: "client",
      rules: [{ when: [{ attribute: "plan", in: ["pro"] }], serve: "on" }],
    });
    await start({ targetingKey: "ann", plan: "free" });
    expect(await value("pro", true)).toBe(false);
    await tab.evaluate(() => page.become({ targetingKey: "ann", plan: "pro" }));
    // The provider shows what it has kept of this user, and asks in the background.
    await eventually("it has the new value", async () => await value("pro", false));
  });

  test("sees nothing that is not for browsers", async () => {
    lab.put("secret", { strategy: { allAtOnce: { variant: "on" } } });
    await start();
    expect(await tab.evaluate(() => page.boolean("secret", false))).toMatchObject({
      value: false,
      errorCode: "FLAG_NOT_FOUND",
    });
  });

  test("is back within two seconds after the server was restarted, keeps its values, and has missed nothing", async () => {
    lab.put("kept", { visibility: "client", strategy: { allAtOnce: { variant: "on" } } });
    lab.put("missed", { visibility: "client" });
    await start();
    await eventually("it listens", async () => streams() === 1);
    const restarted = lab.restart();
    lab.put("missed", { visibility: "client", strategy: { allAtOnce: { variant: "on" } } });
    await restarted;
    const started = performance.now();
    await eventually("it listens again", async () => streams() === 1);
    expect(performance.now() - started).toBeLessThan(2_000);
    await eventually("it has what it missed", async () => await value("missed", false));
    expect(await value("kept", false)).toBe(true);
  });

  test("is not let in without a token that is good, and says so", async () => {
    const refused = tab.evaluate(
      ([url]) =>
        page.start(url as string, "no-token", {}).then(
          () => "let in",
          (error: Error) => error.message,
        ),
      [`http://127.0.0.1:${lab.ports.ofrep}`] as const,
    );
    expect(await refused).not.toBe("let in");
  });
});
