import { createHmac, timingSafeEqual } from "node:crypto";
import type { Visibility } from "../../core/flags/definition.ts";
import type { Topic } from "./events.ts";

/** Where browsers listen. EventSource sends no header, so that what lets it in stands in the address: a signature that is good
 * for an hour or two, and shows nothing but that something has changed. */
export const EVENTS_PATH = "/ofrep/v1/events";
const HOUR_S = 3_600;

/**
 * Makes and checks such addresses. Within an hour all clients of a topic get the same one: a client that is given another opens
 * its stream anew.
 */
export class Tickets {
  readonly #key: () => Buffer | undefined;
  readonly #nowMs: () => number;

  /** @param key that all servers of one Service share; undefined where everyone is let in, and nothing is signed */
  constructor(key: () => Buffer | undefined, nowMs: () => number) {
    this.#key = key;
    this.#nowMs = nowMs;
  }

  /** The address for a topic, path and query. */
  issue({ flagSet, viewer }: Topic): string {
    const key = this.#key();
    const query = new URLSearchParams({ flagSetId: flagSet, viewer });
    if (key !== undefined) {
      const until = String((Math.floor(this.#nowMs() / 1_000 / HOUR_S) + 2) * HOUR_S);
      query.set("until", until);
      query.set("ticket", sign(key, flagSet, viewer, until));
    }
    return `${EVENTS_PATH}?${query}`;
  }

  /** What an address lets its bearer hear; undefined where it is not ours, or no longer good. */
  check(query: URLSearchParams): Topic | undefined {
    const [flagSet, viewer, until, ticket] = ["flagSetId", "viewer", "until", "ticket"].map((k) => query.get(k) ?? "");
    if (flagSet === undefined || flagSet === "" || !isVisibility(viewer)) return undefined;
    const key = this.#key();
    if (key === undefined) return { flagSet, viewer };
    const expected = Buffer.from(sign(key, flagSet, viewer, until ?? ""));
    const given = Buffer.from(ticket ?? "");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return Number(until) * 1_000 > this.#nowMs() ? { flagSet, viewer } : undefined;
  }
}

function sign(key: Buffer, flagSet: string, viewer: string, until: string): string {
  return createHmac("sha256", key)
    .update(JSON.stringify(["events", flagSet, viewer, until]))
    .digest("base64url");
}

function isVisibility(value: string | undefined): value is Visibility {
  return value === "server" || value === "client";
}
