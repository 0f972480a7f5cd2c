import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { type Clock, sleepOn, systemClock } from "../../src/kube/clock.ts";
import { ApiClient, type ApiClientOptions } from "../../src/kube/transport.ts";

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answer = (response: ServerResponse, seen: Seen) => void;

/** An API server for the faults of transport: it plays answers in order, and repeats the last one. What depends on what an
 * API server means belongs on a real one. */
export interface ScriptedServer {
  readonly url: string;
  readonly seen: Seen[];
  /** Sets what is answered from now on. */
  play(...answers: readonly Answer[]): void;
  /** Ends every connection with a reset. */
  reset(): void;
  client(options?: ApiClientOptions & { readonly token?: string; readonly config?: () => KubeConfig }): ApiClient;
  stop(): Promise<void>;
}

export async function startScriptedServer(): Promise<ScriptedServer> {
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const clients: ApiClient[] = [];
  let script: Answer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://server");
      const { method = "", headers } = request;
      const one = { method, path: pathname, query: searchParams, headers, body: Buffer.concat(chunks).toString() };
      seen.push(one);
      const answer = script.length > 1 ? script.shift() : script[0];
      answer?.(response, one);
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    seen,
    play: (...answers) => {
      script = [...answers];
    },
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    client: ({ token, config, ...options } = {}) => {
      const client = new ApiClient(config ?? (() => kubeConfigOf(url, token)), options);
      clients.push(client);
      return client;
    },
    stop: async () => {
      for (const client of clients) await client.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function kubeConfigOf(server: string, token?: string, authProvider?: object): KubeConfig {
  const config = new KubeConfig();
  const user = {
    name: "u",
    ...(token === undefined ? {} : { token }),
    ...(authProvider === undefined ? {} : { authProvider }),
  };
  config.loadFromOptions({
    clusters: [{ name: "c", server, skipTLSVerify: true }],
    users: [user],
    contexts: [{ name: "x", cluster: "c", user: "u" }],
    currentContext: "x",
  });
  return config;
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

export function text(status: number, body: string, type = "text/html"): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": type }).end(body);
  };
}

/** A Status as the API server gives it. */
export function refusal(code: number, reason: string, headers: Record<string, string> = {}, details?: unknown): Answer {
  return json(
    code,
    { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: `${reason}!`, details },
    headers,
  );
}

/** A watch: sends these pieces, one chunk each, and then stays open or ends. */
export function stream(pieces: readonly (string | Buffer)[], end: "close" | "open" | "reset" = "open"): Answer {
  return (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const next = (i: number): void => {
      const piece = pieces[i];
      if (piece !== undefined) response.write(piece, () => setImmediate(next, i + 1));
      else if (end === "close") response.end();
      else if (end === "reset") response.socket?.resetAndDestroy();
    };
    next(0);
  };
}

/** Resets the connection instead of an answer. */
export const hangUp: Answer = (response) => {
  response.socket?.resetAndDestroy();
};

/** Takes the request and never answers: a connection of which only one half is left. */
export const saysNothing: Answer = () => {};

/** A clock that runs `factor` times as fast as the real one, for limits of minutes with real sockets. */
export function fastClock(factor: number): Clock {
  const startMs = systemClock.monotonicMs();
  const monotonicMs = (): number => (systemClock.monotonicMs() - startMs) * factor;
  const clock: Clock = {
    monotonicMs,
    now: () => 1_700_000_000_000 + monotonicMs(),
    after: (ms, fn) => systemClock.after(ms / factor, fn),
    sleep: (ms, signal) => sleepOn(clock, ms, signal),
  };
  return clock;
}

/** Resolves once the condition holds; fails with `what` when it has not for five seconds, or for as long as is said. */
export async function eventually(what: string, condition: () => boolean, patienceMs = 5_000): Promise<void> {
  const startMs = systemClock.monotonicMs();
  while (!condition()) {
    if (systemClock.monotonicMs() - startMs > patienceMs)
      throw new Error(`Still not so after ${patienceMs / 1_000} s: ${what}`);
    await systemClock.sleep(2);
  }
}

/** Answers by request, such as "PATCH /api/v1/pods"; several answers to one request are played in order, and the last is
 * repeated. What is not in the table does not exist. */
export function answering(table: Readonly<Record<string, Answer | readonly Answer[]>>): Answer {
  const scripts = new Map(Object.entries(table).map(([key, answers]) => [key, [answers].flat() as Answer[]]));
  return (response, seen) => {
    const script = scripts.get(`${seen.method} ${seen.path}`) ?? [refusal(404, "NotFound")];
    const answer = script.length > 1 ? script.shift() : script[0];
    answer?.(response, seen);
  };
}
