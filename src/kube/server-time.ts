import type { Clock } from "./clock.ts";

/**
 * The server's clock, from the Date header of its answers, carried on between them by our monotonic clock: what an
 * administrator or NTP does to our wall clock ends no pause early. A Date of second S was written between our sending and our
 * receiving, somewhere in [S, S + 1 s): each answer bounds the offset from both sides, and what all of them allow is soon
 * narrow. Clocks whose offset may be 0 are taken as equal.
 */
export class ServerTime {
  readonly #clock: Clock;
  /** What our wall clock said at the beginning, less the monotonic one. */
  readonly #sinceMs: number;
  #leastMs = Number.NEGATIVE_INFINITY;
  #mostMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.now() - clock.monotonicMs();
  }

  /** @param date the header's text; what is no date says nothing
   * @param sentMs when the request left, by the monotonic clock
   * @param receivedMs when the answer came, by the same */
  note(date: string | undefined, sentMs: number, receivedMs: number): void {
    const serverMs = Date.parse(date ?? "") - this.#sinceMs;
    if (Number.isNaN(serverMs)) return;
    const least = serverMs - receivedMs;
    const most = serverMs + 1_000 - sentMs;
    const agrees = least <= this.#mostMs && most >= this.#leastMs;
    // Where an answer contradicts the ones before, the server's clock has moved, or ours stood still with the machine: only
    // the new answer counts.
    this.#leastMs = agrees ? Math.max(least, this.#leastMs) : least;
    this.#mostMs = agrees ? Math.min(most, this.#mostMs) : most;
  }

  /** Milliseconds since the epoch; before the first answer, as our own wall clock had them at the beginning. */
  now(): number {
    return Math.round(this.#clock.monotonicMs() + this.#sinceMs + this.#offsetMs());
  }

  #offsetMs(): number {
    if (this.#leastMs <= 0 && this.#mostMs >= 0) return 0;
    return (this.#leastMs + this.#mostMs) / 2;
  }
}
