import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { systemClock } from "../../../src/kube/clock.ts";
import { type Authorize, openTo } from "../../../src/serving/access.ts";
import { DeliveryCounts } from "../../../src/serving/delivery.ts";
import { Cors } from "../../../src/serving/http/cors.ts";
import { EventStreams } from "../../../src/serving/ofrep/events.ts";
import { Freshness } from "../../../src/serving/ofrep/freshness.ts";
import { createOfrepServer } from "../../../src/serving/ofrep/server.ts";
import { Tickets } from "../../../src/serving/ofrep/ticket.ts";
import { FlagStore } from "../../../src/serving/store.ts";

export interface OfrepLab {
  readonly url: string;
  readonly port: number;
  readonly store: FlagStore;
  readonly delivery: DeliveryCounts;
  readonly events: EventStreams;
  /** What the server wrote into its log. */
  readonly lines: string[];
  /** Milliseconds since the epoch, as tickets see it. */
  nowMs: number;
  stop(): Promise<void>;
}

/** An OFREP server on loopback, with a store that the test fills. */
export async function startOfrep(
  options: { authorize?: Authorize; origins?: string[]; ticketKey?: Buffer; mostStreams?: number } = {},
): Promise<OfrepLab> {
  const store = new FlagStore();
  const delivery = new DeliveryCounts(store, systemClock);
  const most = options.mostStreams ?? 100;
  const events = new EventStreams({ store, delivery, clock: systemClock, random: () => 0, most });
  const lines: string[] = [];
  const lab = { store, delivery, events, lines, nowMs: Date.now() };
  const server: Server = createOfrepServer({
    store,
    delivery,
    events,
    authorize: options.authorize ?? openTo("server", "shop"),
    cors: new Cors(options.origins ?? ["*"]),
    tickets: new Tickets(
      () => options.ticketKey,
      () => lab.nowMs,
    ),
    freshness: new Freshness(store, systemClock),
    clock: systemClock,
    log: pino({ level: "debug" }, { write: (line: string) => void lines.push(line) }),
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(lab, {
    port,
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** Asks for all flags, or for one. */
export async function ask(
  lab: OfrepLab,
  key: string | undefined,
  body?: unknown,
  headers: Record<string, string> = {},
  query = "",
): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> {
  const path = `/ofrep/v1/evaluate/flags${key === undefined ? "" : `/${encodeURIComponent(key)}`}${query}`;
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(lab.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    ...(payload === undefined ? {} : { body: payload as string }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
}

/** Listens to a stream of events. */
export async function listen(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text(): string; ended: Promise<void>; stop(): void }> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  let text = "";
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const ended = (async () => {
    try {
      for (;;) {
        const part = await reader?.read();
        if (part === undefined || part.done) return;
        text += part.value;
      }
    } catch {
      // Aborted by the test.
    }
  })();
  return { status: response.status, text: () => text, ended, stop: () => abort.abort() };
}
