/**
 * How far the server's clock is ahead of ours, from the Date header of its answers. A Date of second S was written between
 * our sending and our receiving, somewhere in [S, S + 1 s): each answer bounds the offset from both sides, and what all of
 * them allow is soon narrow. Clocks whose offset may be 0 are taken as equal.
 */
export class ServerTime {
  #leastMs = Number.NEGATIVE_INFINITY;
  #mostMs = Number.POSITIVE_INFINITY;

  /** @param date the header's text; what is no date says nothing
   * @param sentMs our wall clock when the request left
   * @param receivedMs our wall clock when the answer came */
  note(date: string | undefined, sentMs: number, receivedMs: number): void {
    const serverMs = Date.parse(date ?? "");
    if (Number.isNaN(serverMs)) return;
    const least = serverMs - receivedMs;
    const most = serverMs + 1_000 - sentMs;
    const agrees = least <= this.#mostMs && most >= this.#leastMs;
    // Where an answer contradicts the ones before, one of the two clocks has moved, and only the new answer counts.
    this.#leastMs = agrees ? Math.max(least, this.#leastMs) : least;
    this.#mostMs = agrees ? Math.min(most, this.#mostMs) : most;
  }

  /** Milliseconds to add to our wall clock to get the server's; 0 before the first answer. */
  offsetMs(): number {
    if (this.#leastMs <= 0 && this.#mostMs >= 0) return 0;
    return Math.round((this.#leastMs + this.#mostMs) / 2);
  }
}
