import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Clock } from "../../kube/clock.ts";
import { type Fault, FULL, GOING } from "./faults.ts";

/** Where one client's stream goes, whoever carries it. */
export interface Outlet<T> {
  /** Calls back once the message has left for the client. */
  write(message: T, onFlushed: () => void): void;
  end(fault: Fault): void;
  onGone(listener: () => void): void;
}

/** A stream of grpc-js. */
export function outletOf<T>(call: ServerWritableStream<object, T>): Outlet<T> {
  return {
    write: (message, onFlushed) =>
      void call.write(message, (error: Error | null | undefined) =>
        error === null || error === undefined ? onFlushed() : undefined,
      ),
    end: (fault) => void call.emit("error", fault),
    onGone: (listener) => {
      call.on("cancelled", listener);
      call.on("error", listener);
    },
  };
}

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
  open<T>(outlet: Outlet<T>, begin: (write: Write<T>) => () => void): void {
    if (this.#isDraining || this.#ends.size >= this.#most) {
      outlet.end(this.#isDraining ? GOING : FULL);
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
      outlet.write(message, () => {
        unread--;
        onFlushed();
      });
    };
    const end = (fault?: Fault): void => {
      if (!this.#ends.delete(end)) return;
      stop();
      if (fault !== undefined) outlet.end(fault);
    };
    let stop = (): void => undefined;
    this.#ends.add(end);
    outlet.onGone(() => end());
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
