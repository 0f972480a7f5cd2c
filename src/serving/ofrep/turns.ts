import type { EventEmitter } from "node:events";
import type { Clock } from "../../kube/clock.ts";

/** An answer that a slow reader has not taken by then no longer keeps the others waiting. */
const LONGEST_MS = 1_000;

/**
 * So many large answers are on their way at once, and no more: a thousand pages that all hear of a change, and all ask for
 * everything, must not make the server hold a thousand answers. One is made in each turn of the event loop, so that what comes
 * in meanwhile is read. Who waits holds no more than his question, and is served in the order in which he came.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #free: number;
  /** Set until the event loop has turned. */
  #next: NodeJS.Immediate | undefined;

  constructor(most: number, clock: Clock) {
    this.#free = most;
    this.#clock = clock;
  }

  /** Resolves when an answer may be made; its turn ends when the response closes. */
  async take(response: EventEmitter & { readonly closed: boolean }): Promise<void> {
    if (this.#next !== undefined || !this.#letIn()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      this.#free++;
      this.#goOn();
    };
    const timer = this.#clock.after(LONGEST_MS, end);
    if (response.closed) end();
    else response.once("close", end);
  }

  /** @returns whether there is room; then the next one has to wait until the event loop has turned */
  #letIn(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    this.#goOn();
    return true;
  }

  #goOn(): void {
    this.#next ??= setImmediate(() => {
      this.#next = undefined;
      if (this.#waiting.length > 0 && this.#letIn()) this.#waiting.shift()?.();
    });
  }
}
