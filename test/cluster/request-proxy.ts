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

/** What to do about a request: let it pass, or kill its sender before the server sees it or after it has answered. */
export type Fate = "pass" | "killBefore" | "killAfter";

export interface ProxyOptions {
  /** Certificate of the server, where it has one of its own. */
  readonly ca?: string;
  /** Asked about every request, once its method and path are known. */
  readonly decide?: (request: PassingRequest) => Fate;
  /** Ends the sender. */
  readonly kill?: () => void;
  /** Awaited before the server sees a request, whose body is complete by then. */
  readonly before?: (request: PassingRequest) => Promise<void>;
}

/**
 * Stands between a program and a server: remembers every request, which is what benchmarks count and time, and can kill
 * the sender right before or right after one, or have something else happen first, without a line of test code in it.
 */
export class RequestProxy {
  url = "";
  requests: PassingRequest[] = [];
  readonly #upstream: URL;
  readonly #agent: Agent | PlainAgent;
  readonly #options: ProxyOptions;
  #server: Server | undefined;

  constructor(upstream: string, options: ProxyOptions = {}) {
    const { ca } = options;
    this.#options = options;
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
    const { decide = () => "pass", kill = () => undefined, before } = this.#options;
    const fate = decide(own);
    if (fate === "killBefore") {
      kill();
      incoming.socket.destroy();
      return;
    }
    const { hostname, port, protocol } = this.#upstream;
    const headers = { ...incoming.headers, host: this.#upstream.host };
    const send = protocol === "https:" ? request : plainRequest;
    const upstream = send({ hostname, port, method, path, headers, agent: this.#agent }, (answer) => {
      if (fate === "killAfter") {
        kill();
        answer.resume();
        incoming.socket.destroy();
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("end", () => {
        own.answeredMs = performance.now();
      });
      answer.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      own.body += chunk.toString();
    });
    if (before === undefined) incoming.pipe(upstream);
    else incoming.on("end", () => void before(own).finally(() => upstream.end(Buffer.concat(chunks))));
  }
}

/** Whether a request changes what decisions rest on: Leases, Events and dry runs do not. */
export function isWrite({ method, path }: PassingRequest): boolean {
  return method !== "GET" && !/\/(leases|events)|dryRun=/.test(path);
}
