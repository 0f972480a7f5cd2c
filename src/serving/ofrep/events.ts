import type { ServerResponse } from "node:http";
import type { Visibility } from "../../core/flags/definition.ts";
import type { Clock } from "../../kube/clock.ts";
import type { DeliveryCounts, Listener } from "../delivery.ts";
import type { FlagStore } from "../store.ts";
import { newStreamName, readHint, writeHint } from "./hint.ts";

/** Between two signs of life: proxies end what is silent, and a peer that is gone shows only in writing. */
const ALIVE_MS = 20_000;
/** Of so many signs, one is a hint where a ramp goes by the clock: nothing changes then but what time makes of it. */
const BEATS_OF_A_RAMP = 3;
/** Browsers wait three seconds by themselves; spread, so that a server that comes back is not met by everyone at once. */
const RETRY_MS = { least: 300, most: 1_300 };
/** Who does not read is let go, and reads everything when it comes back. */
const MOST_UNREAD_BYTES = 64 * 1024;

/** Whose changes a stream tells of. */
export interface Topic {
  readonly flagSet: string;
  readonly viewer: Visibility;
}

interface Open extends Topic {
  readonly response: ServerResponse;
  tell(): void;
}

/** As whom those who hear of a topic are counted. */
export function listenerOf({ flagSet, viewer }: Topic, name: string): Listener {
  return { kind: viewer === "client" ? "browser" : "ofrep", flagSet, name };
}

/** Tells browsers to fetch again, by server-sent events: a hint without content, so that nothing is evaluated here. */
export class EventStreams {
  readonly #store: FlagStore;
  readonly #delivery: DeliveryCounts;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #most: number;
  readonly #listeners = new Set<Open>();

  /** @param most streams at once */
  constructor(options: {
    readonly store: FlagStore;
    readonly delivery: DeliveryCounts;
    readonly clock: Clock;
    readonly random: () => number;
    readonly most: number;
  }) {
    this.#store = options.store;
    this.#delivery = options.delivery;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#most = options.most;
    this.#store.subscribe(({ flagSet, clientKeys }) => {
      for (const listener of this.#listeners)
        if (listener.flagSet === flagSet && (clientKeys.size > 0 || listener.viewer === "server")) listener.tell();
    });
  }

  get isFull(): boolean {
    return this.#listeners.size >= this.#most;
  }

  /** Holds a response open until its client goes.
   * @param lastEventId what the client heard last; one that heard nothing is told to fetch: between its first answer and
   * this stream something may have changed */
  open(response: ServerResponse, topic: Topic, lastEventId: string | undefined): void {
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    const heard = readHint(lastEventId ?? "");
    const { stream = newStreamName() } = heard;
    const etag = (): string => this.#store.flagSet(topic.flagSet).etag(topic.viewer);
    const uncount = this.#delivery.listen(listenerOf(topic, stream), heard.stream === undefined);
    const retryMs = RETRY_MS.least + Math.round(this.#random() * (RETRY_MS.most - RETRY_MS.least));
    this.#write(response, `retry: ${retryMs}\n\n`);
    let isTelling = false;
    let isBehind = false;
    const tell = (): void => {
      // Who reads slowly is told once of all that changed meanwhile.
      isBehind = isTelling;
      if (isTelling) return;
      isTelling = true;
      const hint = writeHint({ etag: etag(), stream });
      const data = JSON.stringify({ type: "refetchEvaluation", etag: hint });
      this.#write(response, `id: ${hint}\nevent: message\ndata: ${data}\n\n`, () => {
        isTelling = false;
        if (isBehind) tell();
      });
    };
    let beats = 0;
    const beat = (): void => {
      const isRamping = ++beats % BEATS_OF_A_RAMP === 0 && this.#store.flagSet(topic.flagSet).isByClock(topic.viewer);
      if (isRamping) tell();
      else this.#write(response, ":\n\n");
      alive = this.#clock.after(ALIVE_MS, beat);
    };
    let alive = this.#clock.after(ALIVE_MS, beat);
    const listener = { response, ...topic, tell };
    this.#listeners.add(listener);
    response.on("close", () => {
      alive.cancel();
      uncount();
      this.#listeners.delete(listener);
    });
    if (heard.etag !== etag()) tell();
  }

  /** Ends all streams, spread over a time, so that their clients do not all arrive elsewhere in the same moment. */
  async drain(overMs: number): Promise<void> {
    const listeners = [...this.#listeners];
    for (const [i, { response }] of listeners.entries()) {
      response.end();
      if (i % 50 === 49) await this.#clock.sleep((50 * overMs) / listeners.length);
    }
  }

  #write(response: ServerResponse, text: string, onFlushed?: () => void): void {
    if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
    else response.write(text, (error) => (error === undefined || error === null ? onFlushed?.() : undefined));
  }
}
