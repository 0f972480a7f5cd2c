import {
  createServer,
  type IncomingMessage,
  Agent as PlainAgent,
  request as plainRequest,
  type Server,
  type ServerResponse,
} from "node:http";
import { Agent, request } from "node:https";

/** A request that passed, and when its answer was complete, by `performance.now()`. */
export interface PassingRequest {
  readonly method: string;
  readonly path: string;
  /** What was sent along; a query of Prometheus stands there. */
  body: string;
  readonly sentMs: number;
  answeredMs?: number;
}

/** Stands between a program and a server, and remembers every request: what benchmarks count and time. */
export class RequestProxy {
  url = "";
  requests: PassingRequest[] = [];
  readonly #upstream: URL;
  readonly #agent: Agent | PlainAgent;
  #server: Server | undefined;

  constructor(upstream: string, ca?: string) {
    this.#upstream = new URL(upstream);
    this.#agent =
      this.#upstream.protocol === "https:"
        ? new Agent({ ...(ca === undefined ? {} : { ca }), keepAlive: true })
        : new PlainAgent({ keepAlive: true });
  }

  async start(): Promise<void> {
    const server = createServer((incoming, outgoing) => this.#pass(incoming, outgoing));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  /** Forgets what has passed so far. */
  forget(): void {
    this.requests = [];
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
    this.#agent.destroy();
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = "GET", url: path = "/" } = incoming;
    const own: PassingRequest = { method, path, body: "", sentMs: performance.now() };
    this.requests.push(own);
    const { hostname, port, protocol } = this.#upstream;
    const headers = { ...incoming.headers, host: this.#upstream.host };
    const send = protocol === "https:" ? request : plainRequest;
    const upstream = send({ hostname, port, method, path, headers, agent: this.#agent }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("end", () => {
        own.answeredMs = performance.now();
      });
      answer.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.on("data", (chunk: Buffer) => {
      own.body += chunk.toString();
    });
    incoming.pipe(upstream);
  }
}
