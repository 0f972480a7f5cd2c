import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import type { KubeObject } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { registry } from "../telemetry/metrics.ts";
import type { Reflector } from "./reflector.ts";

export interface HttpAnswer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}
type Answers = Readonly<Record<string, () => Promise<HttpAnswer>>>;

/** Serves plain answers by path: health, readiness, metrics. `:8080` listens on all addresses, `127.0.0.1:0` and `[::1]:0` on
 * one; "" and "0" turn it off.
 * @param setting what the address was given as, for the sentence where it cannot be had
 * @throws Error with that sentence */
export async function serveEndpoints(
  address: string,
  answers: Answers,
  setting: string,
): Promise<{ port: number; close(): Promise<void> } | undefined> {
  if (isNowhere(address)) return undefined;
  const server = createServer((request, response) => void answer(request, response, answers));
  server.headersTimeout = 5_000;
  server.requestTimeout = 10_000;
  return { port: await listenAt(server, address, setting), close: () => closeOf(server) };
}

/** Whether an endpoint is turned off. */
export function isNowhere(address: string): boolean {
  return address === "" || address === "0";
}

/** A thousand clients that come back in one moment find room to wait; the kernel takes no more than its own limit allows. */
const BACKLOG = 4_096;

/** Lets a server listen; see `serveEndpoints`.
 * @returns its port
 * @throws Error with a sentence */
export async function listenAt(server: NetServer, address: string, setting: string): Promise<number> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(Number(address.slice(colon + 1)), host === "" ? undefined : host, BACKLOG, () => resolve());
    });
  } catch (cause) {
    throw new Error(`Cannot listen at ${setting}=${address}: ${reasonOf(cause)}`, { cause });
  }
  return (server.address() as AddressInfo).port;
}

function reasonOf(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "something else listens there; choose another port, or 0 for nowhere",
    EACCES: "this port needs rights that we do not have; choose one from 1024 up",
    EADDRNOTAVAIL: "this machine has no such address; leave the host out to listen on all",
    ENOTFOUND: "this host has no address; leave it out to listen on all",
  };
  return reasons[code] ?? message;
}

async function answer(request: IncomingMessage, response: ServerResponse, answers: Answers): Promise<void> {
  const { code, type, body } = await answerOf(request, answers);
  response.writeHead(code, { "content-type": type, "x-content-type-options": "nosniff" }).end(body);
}

async function answerOf({ url = "", method }: IncomingMessage, answers: Answers): Promise<HttpAnswer> {
  const path = url.split("?")[0] ?? "";
  const found = method === "GET" && Object.hasOwn(answers, path) ? answers[path] : undefined;
  try {
    return found === undefined ? { code: 404, type: "text/plain", body: "not found\n" } : await found();
  } catch (error) {
    // A page that fails is no reason to end what it tells about.
    return { code: 500, type: "text/plain", body: `${error instanceof Error ? error.message : String(error)}\n` };
  }
}

function closeOf(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Ready when every cache has seen a whole list: followers too, so that taking over is quick. */
export function readiness(reflectors: readonly Reflector<KubeObject>[]): () => Promise<HttpAnswer> {
  return async () => {
    const kinds = reflectors.filter(({ store }) => !store.hasSynced()).map(({ type }) => type.kind);
    const waiting = [...new Set(kinds)];
    return waiting.length === 0
      ? { code: 200, type: "text/plain", body: "ok\n" }
      : { code: 503, type: "text/plain", body: `waiting for ${waiting.join(", ")}\n` };
  };
}

export async function metricsText(): Promise<HttpAnswer> {
  return { code: 200, type: registry.contentType, body: await registry.metrics() };
}

/** Resolves when all caches have seen a whole list. */
export async function synced(
  reflectors: readonly Reflector<KubeObject>[],
  sleep: (ms: number) => Promise<void>,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  for (let waitedMs = 0; !signal.aborted; waitedMs += 20) {
    const waiting = reflectors.filter(({ store }) => !store.hasSynced());
    if (waiting.length === 0) return;
    if (waitedMs > 0 && waitedMs % 10_000 === 0)
      log.warn({ kinds: waiting.map(({ type }) => type.kind) }, "still waiting for the first list");
    await sleep(20);
  }
}
