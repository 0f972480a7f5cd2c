import type { EventEmitter } from "node:events";
import type { Clock } from "../../kube/clock.ts";

/** An answer that a slow reader has not taken by then no longer keeps the others waiting. */
const LONGEST_MS = 1_000;

/**
 * So many large answers are on their way at once, and no more: a thousand pages that all hear of a change, and all ask for
 * everything, must not make the server hold a thousand answers. Who waits holds no more than his question, and is served in
 * the order in which he came.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(most: number, clock: Clock) {
    this.#free = most;
    this.#clock = clock;
  }

  /** Resolves when an answer may be made; its turn ends when the response closes. */
  async take(response: EventEmitter & { readonly closed: boolean }): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else this.#clock.after(0, next); // Not in the same breath: what comes in must be read between two answers.
    };
    const timer = this.#clock.after(LONGEST_MS, end);
    if (response.closed) end();
    else response.once("close", end);
  }
}
