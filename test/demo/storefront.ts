import { mkdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { CHROMIUM_FLAGS } from "../clients/setup.ts";
import { ROOT } from "../cluster/playground.ts";
import { ask } from "../e2e/flag-story.ts";

/** The page that the flag chapter watches: served by the demo, shown by a real Chromium, see test/demo/page. */

/** What is looked at. */
export interface Feature {
  readonly key: string;
  /** "New …" and "old …". */
  readonly name: string;
  /** What users do with it, in the plural. */
  readonly what: string;
  /** Percent of the users, as it ramps. */
  readonly steps: readonly number[];
}

export interface Headline {
  readonly tone: "" | "ramping" | "good" | "reverted" | "killed";
  readonly phase: string;
  readonly sentence: string;
  readonly percent: number;
  /** Of the program's requests. */
  readonly share?: string;
}

export interface Seen {
  /** Users of the page who have the feature. */
  readonly treated: readonly string[];
  /** Users of the page of whom a request failed. */
  readonly hurt: number;
  /** When somebody's variant last changed, on the wall clock. */
  readonly changedAt: number;
}

interface Shop {
  start(options: { users: readonly string[]; port: number; token: string }): Promise<void>;
  watch(feature: Feature): void;
  tell(headline: Headline): void;
  seen(): Seen;
}
declare const shop: Shop;

export interface StorefrontOptions {
  readonly chromium: string;
  readonly gatewayUrl: string;
  readonly ofrepPort: number;
  readonly token: string;
  readonly users: readonly string[];
  readonly screenshots: string;
}

export class Storefront {
  readonly url: string;
  readonly #browser: Browser;
  readonly #tab: Page;
  readonly #site: Server;
  readonly #screenshots: string;

  private constructor(browser: Browser, tab: Page, site: Server, screenshots: string) {
    this.#browser = browser;
    this.#tab = tab;
    this.#site = site;
    this.#screenshots = screenshots;
    this.url = `http://localhost:${(site.address() as AddressInfo).port}/`;
  }

  /** Opens the page; resolves once every user has their flags. */
  static async open(options: StorefrontOptions): Promise<Storefront> {
    mkdirSync(options.screenshots, { recursive: true });
    const site = await serveSite(options.gatewayUrl);
    const browser = await chromium.launch({ executablePath: options.chromium, args: CHROMIUM_FLAGS });
    try {
      const tab = await browser.newPage({ viewport: { width: 1120, height: 664 }, deviceScaleFactor: 1.25 });
      const storefront = new Storefront(browser, tab, site, options.screenshots);
      await tab.goto(storefront.url);
      const { users, ofrepPort: port, token } = options;
      await tab.evaluate((started) => shop.start(started), { users, port, token });
      return storefront;
    } catch (error) {
      await browser.close();
      site.close();
      throw error;
    }
  }

  async watch(feature: Feature): Promise<void> {
    await this.#tab.evaluate((watched) => shop.watch(watched), feature);
  }

  async tell(headline: Headline): Promise<void> {
    await this.#tab.evaluate((told) => shop.tell(told), headline);
  }

  async seen(): Promise<Seen> {
    return await this.#tab.evaluate(() => shop.seen());
  }

  /** Saves what the page looks like.
   * @returns where */
  async screenshot(name: string): Promise<string> {
    const path = join(this.#screenshots, `${name}.png`);
    await this.#tab.screenshot({ path, animations: "disabled" });
    return path;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#site.closeAllConnections();
    this.#site.close();
  }
}

/** The page, its script, and the shop behind the gateway: `/ask?user=ann&key=new-checkout`. */
async function serveSite(gatewayUrl: string): Promise<Server> {
  const page = join(ROOT, "test/demo/page");
  const { outputFiles } = await build({
    entryPoints: [join(page, "page.mjs")],
    bundle: true,
    write: false,
    format: "iife",
  });
  const files: Readonly<Record<string, readonly [string, string]>> = {
    "/": ["text/html; charset=utf-8", readFileSync(join(page, "index.html"), "utf8")],
    "/page.js": ["text/javascript; charset=utf-8", outputFiles[0]?.text ?? ""],
  };
  const server = createServer((incoming, response) => {
    const { pathname, searchParams } = new URL(incoming.url ?? "/", "http://localhost");
    const [type, text] = files[pathname] ?? [];
    if (text !== undefined) return response.setHeader("content-type", type ?? "").end(text);
    if (pathname !== "/ask") return response.writeHead(404).end();
    void ask(gatewayUrl, searchParams.get("user") ?? "", searchParams.get("key") ?? "").then((answer) =>
      response.setHeader("content-type", "application/json").end(JSON.stringify(answer)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
