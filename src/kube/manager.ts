import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { KubeObject } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { registry } from "../telemetry/metrics.ts";
import type { Reflector } from "./reflector.ts";

/** Serves plain answers by path: health, readiness, metrics. `:8080` listens on all addresses, `127.0.0.1:0` on one; ""
 * and "0" turn it off. */
export async function serveEndpoints(
  address: string,
  answers: Readonly<Record<string, () => Promise<{ code: number; type: string; body: string }>>>,
): Promise<{ port: number; close(): Promise<void> } | undefined> {
  if (address === "" || address === "0") return undefined;
  const colon = address.lastIndexOf(":");
  const [host, port] = [address.slice(0, colon), Number(address.slice(colon + 1))];
  const server = createServer((request, response) => void answer(request, response, answers));
  server.headersTimeout = 5_000;
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host === "" ? undefined : host, () => resolve());
  });
  return { port: (server.address() as { port: number }).port, close: () => closeOf(server) };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  answers: Readonly<Record<string, () => Promise<{ code: number; type: string; body: string }>>>,
): Promise<void> {
  const path = (request.url ?? "").split("?")[0] ?? "";
  const found = request.method === "GET" && Object.hasOwn(answers, path) ? answers[path] : undefined;
  const { code, type, body } =
    found === undefined ? { code: 404, type: "text/plain", body: "not found\n" } : await found();
  response.writeHead(code, { "content-type": type, "x-content-type-options": "nosniff" }).end(body);
}

function closeOf(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Ready when every cache has seen a whole list: followers too, so that taking over is quick. */
export function readiness(
  reflectors: readonly Reflector<KubeObject>[],
): () => Promise<{ code: number; type: string; body: string }> {
  return async () => {
    const kinds = reflectors.filter(({ store }) => !store.hasSynced()).map(({ type }) => type.kind);
    const waiting = [...new Set(kinds)];
    return waiting.length === 0
      ? { code: 200, type: "text/plain", body: "ok\n" }
      : { code: 503, type: "text/plain", body: `waiting for ${waiting.join(", ")}\n` };
  };
}

export async function metricsText(): Promise<{ code: number; type: string; body: string }> {
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
