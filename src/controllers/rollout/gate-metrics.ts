import type { Gate } from "../../core/gates/model.ts";
import type { MetricAnswer } from "../../core/gates/view.ts";
import type { Clock } from "../../kube/clock.ts";
import type { Answer } from "../../metrics/answer.ts";
import type { MetricsSource } from "../../metrics/prometheus.ts";
import { renderQuery, type Subject } from "../../metrics/template.ts";
import type { Key } from "../key.ts";

/** How old an answer may be before it is asked for anew, and what {{window}} stands for. */
const FRESH_MS = 14_000;
const WINDOW_MS = 300_000;

interface Entry {
  readonly askedMs: number; // monotonic
  readonly answers: ReadonlyMap<string, MetricAnswer>;
}

const NO_ANSWERS: ReadonlyMap<string, MetricAnswer> = new Map();

/** Asks Prometheus for what gates of metrics look at, while a release waits for them and at no other time. */
export class GateMetrics {
  readonly #source: MetricsSource | undefined;
  readonly #clock: Clock;
  readonly #onAnswer: (key: Key) => void;
  readonly #entries = new Map<Key, Entry>();

  constructor(source: MetricsSource | undefined, clock: Clock, onAnswer: (key: Key) => void) {
    this.#source = source;
    this.#clock = clock;
    this.#onAnswer = onAnswer;
  }

  view(key: Key): ReadonlyMap<string, MetricAnswer> {
    return this.#entries.get(key)?.answers ?? NO_ANSWERS;
  }

  /** Asks, where the gates have just been asked and what is known is old. */
  keep(key: Key, gates: readonly Gate[], subject: Subject, nowMs: number): void {
    const metrics = gates.flatMap((gate) => (gate.kind === "metric" ? [gate] : []));
    if (metrics.length === 0) return;
    const known = this.#entries.get(key);
    if (known !== undefined && this.#clock.monotonicMs() - known.askedMs < FRESH_MS) return;
    const entry = { askedMs: this.#clock.monotonicMs(), answers: known?.answers ?? NO_ANSWERS };
    this.#entries.set(key, entry);
    void this.#ask(key, entry, metrics, subject, nowMs);
  }

  forget(key: Key): void {
    this.#entries.delete(key);
  }

  async #ask(
    key: Key,
    entry: Entry,
    metrics: readonly Extract<Gate, { kind: "metric" }>[],
    subject: Subject,
    nowMs: number,
  ): Promise<void> {
    const answers = await Promise.all(
      metrics.map(async ({ name, promql }) => [name, await this.#answer(promql, subject, nowMs)] as const),
    );
    if (this.#entries.get(key) !== entry) return; // Forgotten meanwhile.
    this.#entries.set(key, { ...entry, answers: new Map(answers) });
    this.#onAnswer(key);
  }

  async #answer(promql: string, subject: Subject, nowMs: number): Promise<MetricAnswer> {
    if (this.#source === undefined)
      return { kind: "none", message: "the operator has no Prometheus; start it with --prometheus-url" };
    const rendered = renderQuery(promql, subject, "canary", WINDOW_MS);
    if (rendered.kind === "refused") return { kind: "none", message: rendered.message };
    return read(await this.#source.query(rendered.promql, nowMs));
  }
}

function read(answer: Answer): MetricAnswer {
  const none = (message: string) => ({ kind: "none" as const, message });
  switch (answer.kind) {
    case "refused":
    case "unavailable":
      return none(answer.message);
    case "matrix":
      return none("the query answers with a range of values, and one is needed");
    case "scalar":
      return finite(answer.sample[1]);
    case "vector": {
      const [first, ...more] = answer.series;
      if (first === undefined) return none("the query answers with no series");
      return more.length > 0
        ? none(`the query answers with ${more.length + 1} series, and one is needed`)
        : finite(first.sample[1]);
    }
    default:
      return answer satisfies never;
  }
}

function finite(value: number): MetricAnswer {
  return Number.isFinite(value)
    ? { kind: "value", value }
    : { kind: "none", message: `the query answers with ${value}` };
}
