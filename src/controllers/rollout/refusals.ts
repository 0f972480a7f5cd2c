import type { Rollout } from "../../api/rollout.ts";
import type { Clock } from "../../kube/clock.ts";
import { ApiError, isKind } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { type Key, keyOf } from "../key.ts";

/** A write that was not done. */
export interface Failure {
  /** The purpose of the write. */
  readonly why: string;
  readonly error: unknown;
}

/** What fails no longer than that is not worth a word: a webhook that restarts, an API server that is busy. */
const LASTING_MS = 1_000;
const LONGEST = 768;

interface Failing {
  readonly sinceMs: number; // monotonic
  readonly what?: string;
  readonly message?: string;
}

/** Which writes keep failing, in words that stay the same as long as it is the same write that fails in the same way. */
export class Refusals {
  readonly #clock: Clock;
  readonly #events: EventRecorder;
  readonly #failing = new Map<Key, Failing>();

  constructor(clock: Clock, events: EventRecorder) {
    this.#clock = clock;
    this.#events = events;
  }

  /** @returns what is to be told of a pass that stopped at this write; undefined where it may come right in a moment */
  note(rollout: Rollout, { why, error }: Failure): string | undefined {
    const key = keyOf(rollout);
    const nowMs = this.#clock.monotonicMs();
    const known = this.#failing.get(key) ?? { sinceMs: nowMs };
    this.#failing.set(key, known);
    if (isPartOfTheWork(error) || nowMs - known.sinceMs < LASTING_MS) return known.message;
    const what = `${why} ${error instanceof ApiError ? error.status : ""}`;
    if (known.what === what) return known.message;
    const message = `cannot ${why}: ${spoken(error)}; it is tried again`;
    this.#failing.set(key, { sinceMs: known.sinceMs, what, message });
    this.#events.record(rollout, "Warning", "WriteRefused", message);
    return message;
  }

  /** All was written. */
  forget(key: Key): void {
    this.#failing.delete(key);
  }
}

/** The cache was behind: the next pass knows better. */
function isPartOfTheWork(error: unknown): boolean {
  return isKind(error, "conflict", "exists", "notFound", "aborted");
}

function spoken(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replace(/[\p{Cc}\p{Bidi_Control}]+/gu, " ")
    .trim()
    .slice(0, LONGEST);
}
