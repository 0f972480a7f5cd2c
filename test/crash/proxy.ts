import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Agent, request } from "node:https";
import type { Cluster } from "../cluster/cluster.ts";

/** A write as it passes: its number since the start, and what it is. */
export interface PassingWrite {
  readonly number: number; // from 1
  readonly method: string;
  readonly path: string;
}

/** What to do about a write: let it pass, or kill its sender before the API server sees it or after it has answered. */
export type Fate = "pass" | "killBefore" | "killAfter";

/**
 * Stands between the operator and the API server, and counts its writes, so that it can be killed right before and right
 * after each of them without a line of test code in it. Leases and Events are not counted: no decision rests on them.
 */
export class WriteProxy {
  url = "";
  readonly #upstream: URL;
  readonly #agent: Agent;
  readonly #decide: (write: PassingWrite) => Fate;
  readonly #kill: () => void;
  #server: Server | undefined;
  #count = 0;

  constructor(cluster: Cluster, decide: (write: PassingWrite) => Fate, kill: () => void) {
    this.#upstream = new URL(cluster.server);
    this.#agent = new Agent({ ca: readFileSync(cluster.caPath), keepAlive: true });
    this.#decide = decide;
    this.#kill = kill;
  }

  async start(): Promise<void> {
    const server = createServer((incoming, outgoing) => void this.#pass(incoming, outgoing));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
    this.#agent.destroy();
  }

  get writes(): number {
    return this.#count;
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "GET", url: path = "/" } = incoming;
    const fate = isCounted(method, path) ? this.#decide({ number: ++this.#count, method, path }) : "pass";
    if (fate === "killBefore") {
      this.#kill();
      incoming.socket.destroy();
      return;
    }
    const { hostname, port } = this.#upstream;
    const headers = { ...incoming.headers, host: this.#upstream.host };
    const upstream = request({ hostname, port, method, path, headers, agent: this.#agent }, (answer) => {
      if (fate === "killAfter") {
        this.#kill();
        answer.resume();
        incoming.socket.destroy();
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  }
}

function isCounted(method: string, path: string): boolean {
  return method !== "GET" && !path.includes("/leases") && !path.includes("/events") && !path.includes("dryRun=");
}

/** A short name for a state, so that two of them can be compared at a glance. */
export function fingerprint(state: unknown): string {
  return createHash("sha256").update(JSON.stringify(state)).digest("hex").slice(0, 8);
}
