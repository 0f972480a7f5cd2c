import type { Route } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { readFromMs, startAnalysis } from "../../core/analysis/judge.ts";
import { type AnalysisMemory, type MetricsView, readCheckpoint } from "../../core/analysis/memory.ts";
import type { Reading } from "../../core/analysis/model.ts";
import type { Settings } from "../../core/rollout/settings.ts";
import type { Clock } from "../../kube/clock.ts";
import { measure } from "../../metrics/measure.ts";
import type { MetricsSource } from "../../metrics/prometheus.ts";
import type { LabelNames, Source } from "../../metrics/queries.ts";
import type { Subject } from "../../metrics/template.ts";
import type { Key } from "./sources.ts";
import { subjectNamed } from "./subject.ts";

interface Entry {
  readings: readonly Reading[];
  askedMs?: number; // monotonic
  asking?: Promise<void>;
  memory?: AnalysisMemory;
}

/** Asks the metrics source on behalf of Rollouts, each at its own interval, beside the work queue: a slow Prometheus delays
 * nobody's pass. Answers wait here for the next pass, which `onAnswer` calls for. */
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
      ...(entry?.memory === undefined ? {} : { memory: entry.memory }),
    };
  }

  /** Keeps what the judge knows, and asks again when it is time.
   * @returns milliseconds until the next question; undefined where nothing is being judged */
  keep(
    key: Key,
    memory: AnalysisMemory | undefined,
    rollout: Rollout,
    settings: Settings,
    nowMs: number,
    routes: readonly Route[],
  ): number | undefined {
    if (memory === undefined || settings.analysis === undefined || this.#source === undefined) {
      this.#entries.delete(key);
      return undefined;
    }
    const entry: Entry = this.#entries.get(key) ?? { readings: [] };
    this.#entries.set(key, entry);
    entry.memory = memory;
    const sinceMs = entry.askedMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - entry.askedMs;
    const leftMs = settings.analysis.intervalMs - sinceMs;
    if (leftMs > 0 || entry.asking !== undefined) return Math.max(leftMs, 10);
    entry.askedMs = this.#clock.monotonicMs();
    entry.asking = this.#ask(key, entry, memory, rollout, settings, nowMs, routes).finally(() => {
      delete entry.asking;
    });
    return settings.analysis.intervalMs;
  }

  forget(key: Key): void {
    this.#entries.delete(key);
  }

  /** Puts readings back that a pass could not act on. */
  putBack(key: Key, readings: readonly Reading[]): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.readings.length === 0) entry.readings = readings;
  }

  async #ask(
    key: Key,
    entry: Entry,
    memory: AnalysisMemory,
    rollout: Rollout,
    settings: Settings,
    nowMs: number,
    routes: readonly Route[],
  ): Promise<void> {
    const analysis = settings.analysis;
    if (analysis === undefined || this.#source === undefined) return;
    const state =
      memory.state ?? readCheckpoint(rollout.status?.analysis?.checkpoint)?.state ?? startAnalysis(analysis, nowMs);
    const labels = rollout.spec.analysis?.labels as LabelNames | undefined;
    const readings = await measure(this.#source, {
      subject: subjectOf(rollout, settings, memory.subject, routes),
      source: (rollout.spec.analysis?.source ?? "http") as Source,
      ...(labels === undefined ? {} : { labels }),
      metrics: analysis.metrics,
      sinceMs: readFromMs(analysis, state, nowMs),
      nowMs,
      windowMs: Math.max(60_000, 4 * analysis.intervalMs),
    });
    if (this.#entries.get(key) !== entry || entry.memory?.subject !== memory.subject) return;
    entry.readings = readings;
    this.#onAnswer(key);
  }
}

/** The revision that is judged, and the one that it is compared with. */
function subjectOf(rollout: Rollout, settings: Settings, revision: string, routes: readonly Route[]): Subject {
  const { status } = rollout;
  const stable = status?.stable?.revision === revision ? status.progress?.previous : status?.stable?.revision;
  const weightBp = status?.weights?.writtenBp ?? 0;
  return subjectNamed(
    rollout,
    settings,
    { canary: revision, weightBp, ...(stable === undefined ? {} : { stable }) },
    routes,
  );
}
