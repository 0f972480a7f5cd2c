import type { ServerResponse } from "node:http";
import type { Clock } from "../../kube/clock.ts";
import type { FeedEvent, WriteEvent } from "../feed.ts";
import { type Fault, FULL, GOING } from "./faults.ts";

const MOST_UNREAD_BYTES = 64 * 1024;
const END = 0x02;

/** Streams of the Connect protocol: each message behind five bytes, its kind and its length; the last one says how it ended. */
export class ConnectStreams {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #open = new Set<ServerResponse>();
  #isDraining = false;

  /** @param most streams at once */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** @param begin starts what writes, and gives what ends that */
  open(response: ServerResponse, begin: (write: WriteEvent) => () => void): void {
    response.writeHead(200, { "content-type": "application/connect+json", "cache-control": "no-store" });
    if (this.#isDraining || this.#open.size >= this.#most) {
      end(response, this.#isDraining ? GOING : FULL);
      return;
    }
    this.#open.add(response);
    const stop = begin((event, onFlushed) => {
      if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
      else
        response.write(enveloped(event), (error) => (error === null || error === undefined ? onFlushed() : undefined));
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
      end(response, GOING);
      if (i % 50 === 49) await this.#clock.sleep((50 * overMs) / responses.length);
    }
  }
}

const envelopes = new WeakMap<FeedEvent, Buffer>();

/** The same bytes for all who are told the same. */
function enveloped(event: FeedEvent): Buffer {
  const known = envelopes.get(event) ?? envelope(0, event);
  envelopes.set(event, known);
  return known;
}

function end(response: ServerResponse, { details }: Fault): void {
  response.end(envelope(END, { error: { code: "unavailable", message: details } }));
}

function envelope(flags: number, message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}
