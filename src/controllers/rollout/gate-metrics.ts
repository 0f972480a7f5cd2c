import type { Gate } from "../../core/gates/model.ts";
import type { MetricAnswer } from "../../core/gates/view.ts";
import { optional } from "../../core/optional.ts";
import type { Clock } from "../../kube/clock.ts";
import type { Answer } from "../../metrics/answer.ts";
import type { MetricsSource } from "../../metrics/prometheus.ts";
import { renderQuery, type Subject } from "../../metrics/template.ts";
import type { Key } from "../key.ts";

/** How old an answer may be before it is asked for anew, until when it counts, and what {{window}} stands for. */
const FRESH_MS = 14_000;
const COUNTS_MS = 2 * FRESH_MS;
const WINDOW_MS = 300_000;

/** What gates of metrics look at on behalf of one release. */
export interface GateQuestion {
  readonly gates: readonly MetricGate[];
  readonly subject: Subject;
  /** What waits before the gates, whatever it is called by now: an answer to another release is none to this one. */
  readonly template: string;
}

type MetricGate = Extract<Gate, { kind: "metric" }>;

interface Entry {
  /** The queries as they are sent, and for what. */
  readonly question: string;
  readonly askedMs: number; // monotonic
  readonly known?: { readonly askedMs: number; readonly answers: ReadonlyMap<string, MetricAnswer> };
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

  /** What was answered to this very question a moment ago; nothing where it was another one, or long ago. */
  view(key: Key, question: GateQuestion | undefined): ReadonlyMap<string, MetricAnswer> {
    const entry = this.#entries.get(key);
    if (question === undefined || entry?.known === undefined || entry.question !== textOf(question)) return NO_ANSWERS;
    return this.#clock.monotonicMs() - entry.known.askedMs > COUNTS_MS ? NO_ANSWERS : entry.known.answers;
  }

  /** Asks, where the gates have just been asked and what is known is old, or answers something else. */
  keep(key: Key, asked: GateQuestion, nowMs: number): void {
    if (asked.gates.length === 0) return;
    const question = textOf(asked);
    const askedMs = this.#clock.monotonicMs();
    const before = this.#entries.get(key);
    const isSame = before?.question === question;
    if (isSame && askedMs - before.askedMs < FRESH_MS) return;
    const entry: Entry = { question, askedMs, ...(isSame ? optional("known", before.known) : {}) };
    this.#entries.set(key, entry);
    void this.#ask(key, entry, asked, nowMs);
  }

  forget(key: Key): void {
    this.#entries.delete(key);
  }

  async #ask(key: Key, entry: Entry, { gates, subject }: GateQuestion, nowMs: number): Promise<void> {
    const answers = await Promise.all(
      gates.map(async ({ name, promql }) => [name, await this.#answer(promql, subject, nowMs)] as const),
    );
    if (this.#entries.get(key) !== entry) return; // Forgotten meanwhile, or asked something else.
    this.#entries.set(key, { ...entry, known: { askedMs: entry.askedMs, answers: new Map(answers) } });
    this.#onAnswer(key);
  }

  async #answer(promql: string, subject: Subject, nowMs: number): Promise<MetricAnswer> {
    if (this.#source === undefined)
      return { kind: "none", message: "the operator has no Prometheus; start it with --prometheus-url" };
    const rendered = rendering(promql, subject);
    if (rendered.kind === "refused") return { kind: "none", message: rendered.message };
    return read(await this.#source.query(rendered.promql, nowMs));
  }
}

function rendering(promql: string, subject: Subject): ReturnType<typeof renderQuery> {
  return renderQuery(promql, subject, "canary", WINDOW_MS);
}

function textOf({ gates, subject, template }: GateQuestion): string {
  return JSON.stringify([template, ...gates.map(({ name, promql }) => [name, rendering(promql, subject)])]);
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
