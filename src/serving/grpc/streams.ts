import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Clock } from "../../kube/clock.ts";
import { type Fault, FULL, GOING } from "./faults.ts";

type Stream<T> = ServerWritableStream<never, T>;

/** Sends a message, and calls back once it has left for the client. */
export type Write<T> = (message: T, onFlushed: () => void) => void;

/** Who does not read for so many messages is let go: it comes back for all of them at once. */
const MOST_UNREAD = 32;

/** All streams of a port, so that they end together and well. */
export class OpenStreams {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #ends = new Set<(fault: Fault) => void>();
  #isDraining = false;

  /** @param most streams at once */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** Keeps a stream until its client goes, or we do.
   * @param begin starts what writes, and gives what ends that */
  open<T>(
    call: ServerWritableStream<never, T> | ServerWritableStream<object, T>,
    begin: (write: Write<T>) => () => void,
  ): void {
    const stream = call as Stream<T>;
    if (this.#isDraining || this.#ends.size >= this.#most) {
      stream.emit("error", this.#isDraining ? GOING : FULL);
      return;
    }
    let unread = 0;
    const write: Write<T> = (message, onFlushed) => {
      if (!this.#ends.has(end)) return;
      if (unread >= MOST_UNREAD) {
        end(GOING);
        return;
      }
      unread++;
      stream.write(message, (error: Error | null | undefined) => {
        unread--;
        if (error === null || error === undefined) onFlushed();
      });
    };
    const end = (fault?: Fault): void => {
      if (!this.#ends.delete(end)) return;
      stop();
      if (fault !== undefined) stream.emit("error", fault);
    };
    let stop = (): void => undefined;
    this.#ends.add(end);
    stream.on("cancelled", () => end());
    stream.on("error", () => end());
    stop = begin(write);
  }

  /** Ends all streams, spread over a time, and takes no more. */
  async drain(overMs: number): Promise<void> {
    this.#isDraining = true;
    const ends = [...this.#ends];
    for (const [i, end] of ends.entries()) {
      end(GOING);
      if (i % 50 === 49) await this.#clock.sleep((50 * overMs) / ends.length);
    }
  }
}
