import { connect, type Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

/** HTTP/1.1 on one connection that is kept, one question after the other, by hand: cheaper than the server that answers. */
export class HttpConnection {
  readonly #socket: Socket;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Of the answer under way, with its head; unknown before the head is there. */
  #wanted: number | undefined;
  #answered: (body: Buffer) => void = () => undefined;

  constructor(port: number, failed: (why: string) => void) {
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("error", ({ message }) => failed(message));
    this.#socket.on("data", (chunk) => this.#read(chunk, failed));
  }

  /** @returns the answer with its head, a 200; any other is a failure */
  post(path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    const lines = Object.entries({ host: "bench", ...headers, "content-length": String(Buffer.byteLength(body)) });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return this.send(`POST ${path} HTTP/1.1\r\n${head}\r\n${body}`);
  }

  /** @param request as it goes over the wire */
  send(request: string): Promise<Buffer> {
    this.#socket.write(request);
    return new Promise((resolve) => {
      this.#answered = resolve;
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer, failed: (why: string) => void): void {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#wanted === undefined) {
      const all = Buffer.concat(this.#parts);
      const headEnd = all.indexOf(HEAD_END);
      if (headEnd < 0) return;
      const head = all.toString("latin1", 0, headEnd);
      if (!head.startsWith("HTTP/1.1 200")) failed(`the server answered ${head.split("\r\n")[0]}`);
      this.#wanted = headEnd + HEAD_END.length + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    }
    if (this.#bytes < this.#wanted) return;
    const answer = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    this.#wanted = undefined;
    this.#answered(answer);
  }
}
