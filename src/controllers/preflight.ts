import type { MetricsView } from "../core/analysis/memory.ts";
import type { AnalysisSettings } from "../core/analysis/model.ts";
import type { MetricsSource } from "../metrics/prometheus.ts";
import type { CannotSeparate, SourceQueries } from "../metrics/queries.ts";
import { renderQuery, type Subject } from "../metrics/template.ts";
import type { Key } from "./key.ts";

type Unusable = Extract<MetricsView["source"], { kind: "unusable" }>;

interface Entry {
  readonly generation: number;
  /** When Prometheus was asked last, in milliseconds since epoch. */
  askedMs: number;
  /** What Prometheus refused; undefined while it has not answered, and where it took all. */
  problem?: Unusable;
}

/** The reasons that a preflight gives: seen in status after a start, they are asked for anew. */
const REFUSED = "QueryRefused";
const WINDOW_MS = 60_000;
/** What Prometheus could not run may have been at odds with the series of that moment: it is asked again this often. */
const ASKED_AGAIN_MS = 60_000;

/** By what an object is to be judged. */
export interface Examined {
  readonly generation: number;
  /** What status said last: of which generation, and for what reasons. */
  readonly status: {
    readonly observedGeneration?: number | undefined;
    readonly conditions?: readonly { readonly reason: string }[] | undefined;
  };
  /** Absent where nothing is judged. */
  readonly analysis?: AnalysisSettings;
  /** The name of the source, for messages. */
  readonly source: string;
  readonly queries: SourceQueries | CannotSeparate;
  /** With names that stand for those of a later release. */
  readonly subject: Subject;
}

/**
 * Looks at what an object is to be judged by before anything needs it: whether the source can tell the sides apart,
 * whether a query names a variable that there is not, and, once a generation, whether Prometheus can read the query; of one that it refused, now and then again.
 */
export class Preflight {
  readonly #source: MetricsSource | undefined;
  readonly #onAnswer: (key: Key) => void;
  readonly #entries = new Map<Key, Entry>();

  constructor(source: MetricsSource | undefined, onAnswer: (key: Key) => void) {
    this.#source = source;
    this.#onAnswer = onAnswer;
  }

  /** Why the spec's analysis cannot work, as far as is known. */
  problem(key: Key, examined: Examined, nowMs: number): Unusable | undefined {
    if (examined.analysis === undefined) return undefined;
    const problem = separates(examined) ?? unrendered(examined);
    if (problem !== undefined || this.#source === undefined) return problem;
    const { generation } = examined;
    const entry = this.#entries.get(key);
    if (entry?.generation === generation) {
      if (entry.problem !== undefined && nowMs - entry.askedMs >= ASKED_AGAIN_MS)
        void this.#ask(key, entry, examined, nowMs, this.#source);
      return entry.problem;
    }
    const next: Entry = { generation, askedMs: nowMs };
    this.#entries.set(key, next);
    if (isNews(examined)) void this.#ask(key, next, examined, nowMs, this.#source);
    return undefined;
  }

  forget(key: Key): void {
    this.#entries.delete(key);
  }

  async #ask(
    key: Key,
    entry: Entry,
    { analysis, subject }: Examined,
    nowMs: number,
    source: MetricsSource,
  ): Promise<void> {
    entry.askedMs = nowMs;
    let isHeard = true;
    for (const spec of analysis?.metrics ?? []) {
      if (spec.kind !== "query") continue;
      const rendered = renderQuery(spec.promql, subject, "canary", WINDOW_MS);
      if (rendered.kind === "refused") continue;
      const answer = await source.query(rendered.promql, nowMs);
      if (answer.kind === "unavailable") isHeard = false;
      if (answer.kind !== "refused") continue;
      const message = `query "${spec.name}": ${answer.message}${near(rendered.promql, answer.message)}`;
      this.#found(key, entry, { kind: "unusable", reason: REFUSED, message });
      return;
    }
    if (isHeard) this.#found(key, entry, undefined);
  }

  /** Calls for a pass where it is news. */
  #found(key: Key, entry: Entry, problem: Unusable | undefined): void {
    if (entry.problem?.message === problem?.message) return;
    if (problem === undefined) delete entry.problem;
    else entry.problem = problem;
    if (this.#entries.get(key) === entry) this.#onAnswer(key);
  }
}

/** What stands at the place that Prometheus names: variables are longer than what they stand for. */
function near(promql: string, message: string): string {
  const [, line, column] = /(\d{1,4}):(\d{1,4}): parse error/.exec(message) ?? [];
  const text = promql.split("\n")[Number(line) - 1];
  if (text === undefined) return "";
  const found = text.slice(Math.max(0, Number(column) - 16), Number(column) + 15);
  return found.trim() === "" ? "" : `, near \`${found}\``;
}

/** After a start, only what was never looked at, or was refused, is asked for: thousands at rest ask nothing. */
function isNews({ status, generation }: Examined): boolean {
  return (
    status.observedGeneration !== generation || status.conditions?.some(({ reason }) => reason === REFUSED) === true
  );
}

function separates({ analysis, queries, source }: Examined): Unusable | undefined {
  if (queries.kind !== "cannotSeparate" || analysis?.metrics.every(({ kind }) => kind === "query")) return undefined;
  return {
    kind: "unusable",
    reason: "SourceCannotSeparate",
    message: `analysis.source ${source} cannot tell canary from stable: ${queries.message}`,
  };
}

function unrendered({ analysis, subject }: Examined): Unusable | undefined {
  for (const spec of analysis?.metrics ?? []) {
    if (spec.kind !== "query") continue;
    const rendered = renderQuery(spec.promql, subject, "canary", WINDOW_MS);
    if (rendered.kind === "refused")
      return { kind: "unusable", reason: "QueryVariable", message: `query "${spec.name}": ${rendered.message}` };
  }
  return undefined;
}
