import type { IncomingMessage, ServerResponse } from "node:http";

const REQUEST_HEADERS =
  "authorization, content-type, x-api-key, if-none-match, flagd-selector, connect-protocol-version, connect-timeout-ms, x-user-agent";
const PREFLIGHT_HOLDS_S = "7200";

/** Which pages may read answers: browsers ask before they send, and hand an answer on only where we say so. Nothing here
 * rests on cookies, so that any origin is safe to allow. */
export class Cors {
  readonly #origins: readonly string[];

  /** @param origins `https://shop.example`, or `*` for all; none: no page may */
  constructor(origins: readonly string[]) {
    this.#origins = origins;
  }

  /** Sets what every answer must carry, refusals too: a page that cannot read why it was refused cannot tell. */
  allow({ headers }: IncomingMessage, response: ServerResponse): void {
    const { origin } = headers;
    if (origin === undefined || this.#origins.length === 0) return;
    const all = this.#origins.includes("*");
    if (!all) response.setHeader("vary", "origin");
    if (!all && !this.#origins.includes(origin)) return;
    response.setHeader("access-control-allow-origin", all ? "*" : origin);
    response.setHeader("access-control-expose-headers", "etag, retry-after");
  }

  /** Answers a browser that asks before it sends.
   * @param methods as `GET, POST` */
  preflight(response: ServerResponse, methods: string): void {
    response
      .writeHead(204, {
        allow: `${methods}, OPTIONS`,
        "access-control-allow-methods": methods,
        "access-control-allow-headers": REQUEST_HEADERS,
        "access-control-max-age": PREFLIGHT_HOLDS_S,
      })
      .end();
  }
}
