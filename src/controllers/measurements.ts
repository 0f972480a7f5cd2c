import type { AnalysisMemory, MetricsView } from "../core/analysis/memory.ts";
import type { QuantileAnswer, Reading } from "../core/analysis/model.ts";
import { optional } from "../core/optional.ts";
import type { Clock } from "../kube/clock.ts";
import { type MeasureRequest, measure, measureP95 } from "../metrics/measure.ts";
import type { MetricsSource } from "../metrics/prometheus.ts";
import type { Key } from "./key.ts";

/** What is asked next on behalf of one object, and how often. */
export interface Inquiry {
  readonly memory: AnalysisMemory;
  readonly intervalMs: number;
  readonly request: () => MeasureRequest;
  /** Since when the 95th percentile is wanted too, for the report; left out where it is not. Milliseconds since epoch. */
  readonly p95FromMs?: number;
}

interface Entry {
  readings: readonly Reading[];
  p95?: QuantileAnswer;
  memory: AnalysisMemory;
  askedMs?: number; // monotonic
  asking?: Promise<void>;
}

/** Asks the metrics source on behalf of objects of one kind, each at its own interval, beside the work queue: a slow
 * Prometheus delays nobody's pass. Answers wait here for the next pass, which `onAnswer` calls for. */
export class Measurements {
  readonly #source: MetricsSource | undefined;
  readonly #clock: Clock;
  readonly #onAnswer: (key: Key) => void;
  readonly #entries = new Map<Key, Entry>();

  constructor(source: MetricsSource | undefined, clock: Clock, onAnswer: (key: Key) => void) {
    this.#source = source;
    this.#clock = clock;
    this.#onAnswer = onAnswer;
  }

  /** What has come in since the last pass; it is handed out once. */
  take(key: Key): MetricsView {
    const entry = this.#entries.get(key);
    const readings = entry?.readings ?? [];
    if (entry !== undefined) entry.readings = [];
    return {
      source: this.#source === undefined ? { kind: "none" } : { kind: "ready" },
      readings,
      ...optional("p95", entry?.p95),
      ...optional("memory", entry?.memory),
    };
  }

  /** Goes on after a pass, whatever became of its writes: one that keeps failing, and is tried ever more seldom, must not blind
   * the judge to a breach. What it knows is kept, whether status was written or not: what the process remembers goes before the
   * checkpoint, so nothing counts twice. Where the object was another by then, what was taken is judged anew instead.
   * @param isSound whether what was judged rests on the object as it is
   * @param inquiryOf what is asked next with such a memory; undefined where nothing is being judged
   * @returns milliseconds until the next question; undefined where there is none */
  goOn(
    key: Key,
    taken: MetricsView,
    judged: AnalysisMemory | undefined,
    isSound: boolean,
    inquiryOf: (memory: AnalysisMemory | undefined) => Inquiry | undefined,
  ): number | undefined {
    const askInMs = this.#keep(key, inquiryOf(isSound ? judged : (taken.memory ?? judged)));
    if (!isSound) this.#putBack(key, taken.readings);
    return askInMs;
  }

  /** Keeps what the judge knows, and asks again when it is time. */
  #keep(key: Key, inquiry: Inquiry | undefined): number | undefined {
    const source = this.#source;
    if (inquiry === undefined || source === undefined) {
      this.#entries.delete(key);
      return undefined;
    }
    const { memory, intervalMs } = inquiry;
    const entry: Entry = this.#entries.get(key) ?? { readings: [], memory };
    this.#entries.set(key, entry);
    entry.memory = memory;
    const sinceMs = entry.askedMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - entry.askedMs;
    const leftMs = intervalMs - sinceMs;
    if (leftMs > 0 || entry.asking !== undefined) return Math.max(leftMs, 10);
    entry.askedMs = this.#clock.monotonicMs();
    entry.asking = this.#ask(key, entry, source, inquiry).finally(() => {
      delete entry.asking;
    });
    return intervalMs;
  }

  forget(key: Key): void {
    this.#entries.delete(key);
  }

  /** Puts readings back that a pass could not act on. */
  #putBack(key: Key, readings: readonly Reading[]): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.readings.length === 0) entry.readings = readings;
  }

  async #ask(key: Key, entry: Entry, source: MetricsSource, inquiry: Inquiry): Promise<void> {
    const { memory, p95FromMs } = inquiry;
    const request = inquiry.request();
    const p95 = p95FromMs === undefined ? undefined : measureP95(source, request, p95FromMs);
    const [readings, quantile] = await Promise.all([measure(source, request), p95]);
    if (this.#entries.get(key) !== entry || entry.memory.subject !== memory.subject) return;
    entry.readings = readings;
    if (quantile === undefined) delete entry.p95;
    else entry.p95 = quantile;
    this.#onAnswer(key);
  }
}
