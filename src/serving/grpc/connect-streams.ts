import type { ServerResponse } from "node:http";
import type { Clock } from "../../kube/clock.ts";
import type { WriteEvent } from "../feed.ts";

const MOST_UNREAD_BYTES = 64 * 1024;
const END = 0x02;

/** Streams of the Connect protocol: each message behind five bytes, its kind and its length; the last one says how it ended. */
export class ConnectStreams {
  readonly #clock: Clock;
  readonly #open = new Set<ServerResponse>();
  #isDraining = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param begin starts what writes, and gives what ends that */
  open(response: ServerResponse, begin: (write: WriteEvent) => () => void): void {
    response.writeHead(200, { "content-type": "application/connect+json", "cache-control": "no-store" });
    if (this.#isDraining) {
      end(response);
      return;
    }
    this.#open.add(response);
    const stop = begin((event, onFlushed) => {
      if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
      else
        response.write(envelope(0, event), (error) =>
          error === null || error === undefined ? onFlushed() : undefined,
        );
    });
    response.on("close", () => {
      this.#open.delete(response);
      stop();
    });
  }

  /** Ends all streams, spread over a time, and takes no more. */
  async drain(overMs: number): Promise<void> {
    this.#isDraining = true;
    const responses = [...this.#open];
    for (const [i, response] of responses.entries()) {
      end(response);
      if (i % 50 === 49) await this.#clock.sleep((50 * overMs) / responses.length);
    }
  }
}

function end(response: ServerResponse): void {
  response.end(envelope(END, { error: { code: "unavailable", message: "The server is going; connect again" } }));
}

function envelope(flags: number, message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}
