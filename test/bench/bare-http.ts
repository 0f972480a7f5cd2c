import { type ChildProcess, fork } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

/** Node's own HTTP server with a handler that reads the body and answers always the same: what no server on Node can do faster. */
export class BareServer {
  readonly pid: number;
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.port = port;
  }

  static async start(answer: string): Promise<BareServer> {
    const execArgv = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=2"]; // As flag servers have it.
    const child = fork(fileURLToPath(import.meta.url), [answer], { execArgv });
    const port = await new Promise<number>((resolve, reject) => {
      child.once("message", (message) => resolve(message as number));
      child.once("exit", (code) => reject(new Error(`The bare server ended with ${code}`)));
    });
    return new BareServer(child, port);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.disconnect();
    await ended;
  }
}

function serve(answer: string): void {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(answer) };
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(200, headers).end(answer));
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.on("disconnect", () => process.exit());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(process.argv[2] ?? "");
