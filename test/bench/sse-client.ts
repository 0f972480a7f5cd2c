import { connect, type Socket } from "node:net";
import { HttpConnection } from "./http-connection.ts";

const HINT = /"refetchEvaluation","etag":"([^"]*)"/;

/** An OFREP client as a browser is one: it listens, and fetches everything when it is told to. */
export class SseClient {
  readonly opened: Promise<void>;
  readonly #asking: HttpConnection;
  readonly #flagSet: string;
  readonly #failed: (why: string) => void;
  #socket: Socket | undefined;
  /** What it was told and has not fetched yet. */
  #hint: string | undefined;
  #told: () => void = () => undefined;

  /** @param askedPort of another server, to fetch from */
  constructor(port: number, flagSet: string, failed: (why: string) => void, askedPort = port) {
    this.#flagSet = flagSet;
    this.#failed = failed;
    this.#asking = new HttpConnection(askedPort, failed);
    this.opened = this.#open(port);
  }

  /** Resolves once it was told to fetch and what it fetched holds `marker`. */
  async fetched(marker: string): Promise<void> {
    for (;;) {
      while (this.#hint === undefined)
        await new Promise<void>((resolve) => {
          this.#told = resolve;
        });
      const etag = this.#hint;
      this.#hint = undefined; // One that comes while it fetches is fetched next.
      if ((await this.#fetch(`?flagConfigEtag=${etag}`)).includes(marker)) return;
    }
  }

  close(): void {
    this.#socket?.removeAllListeners("close").destroy();
    this.#asking.close();
  }

  #fetch(query = ""): Promise<Buffer> {
    const body = JSON.stringify({ context: { targetingKey: "bench" } });
    return this.#asking.post(`/ofrep/v1/evaluate/flags${query}`, body, {
      "flagd-selector": `flagSetId=${this.#flagSet}`,
    });
  }

  async #open(port: number): Promise<void> {
    const { eventStreams } = JSON.parse(bodyOf(await this.#fetch())) as {
      eventStreams: [{ endpoint: { requestUri: string } }];
    };
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    socket.on("error", ({ message }) => this.#failed(message));
    socket.on("close", () => this.#failed("the server ended a stream"));
    socket.write(`GET ${eventStreams[0].endpoint.requestUri} HTTP/1.1\r\nhost: bench\r\n\r\n`);
    await new Promise<void>((resolve) => {
      socket.on("data", (chunk) => {
        // Hints are short: they come in one piece.
        const [, etag] = HINT.exec(chunk.toString("latin1")) ?? [];
        if (etag === undefined) return;
        this.#hint = etag;
        resolve();
        this.#told();
      });
    });
  }
}

function bodyOf(answer: Buffer): string {
  return answer.toString("utf8", answer.indexOf("\r\n\r\n") + 4);
}
