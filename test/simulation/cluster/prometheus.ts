import type { MetricSpec, PodCounter, Reading, SideCounters } from "../../../src/core/analysis/model.ts";
import { LABEL_REVISION } from "../../../src/core/rollout/names.ts";
import type { Agenda } from "../agenda.ts";
import type { Rng } from "../rng.ts";
import type { Health, Pods } from "./pods.ts";

/** What Prometheus may answer with instead of the truth: the faults that a metrics server is known for. */
export const PROMETHEUS_FAULTS = [
  "refuses", // no connection
  "hangs", // answers after the client has given up
  "answers5xx",
  "answersEmpty",
  "answersNaN",
  "answersInfinity",
  "answersString",
  "answersMatrix",
  "answersTwoSeries",
  "answersOldSamples",
  "answersTooMuch", // a body of 10 MB
  "answersStatusError",
  "answersWarnings",
  "flaps",
] as const;
export type PrometheusFault = (typeof PROMETHEUS_FAULTS)[number];

/** Scrapes every pod, and answers. */
export class Prometheus {
  fault: PrometheusFault | undefined;
  /** While set, every version fails its requests alike: a database is down. */
  incident = false;
  readonly #agenda: Agenda;
  readonly #pods: Pods;
  readonly #rng: Rng;
  readonly #health: (image: string) => Health;
  readonly #series = new Map<string, Series>();
  readonly #traffic: () => ReadonlyMap<string, number>;
  readonly #perSecond: number;
  #scrapedMs: number;

  constructor(world: {
    agenda: Agenda;
    pods: Pods;
    rng: Rng;
    health: (image: string) => Health;
    traffic: () => ReadonlyMap<string, number>;
    perSecond: number;
  }) {
    this.#agenda = world.agenda;
    this.#pods = world.pods;
    this.#rng = world.rng;
    this.#health = world.health;
    this.#traffic = world.traffic;
    this.#perSecond = world.perSecond;
    this.#scrapedMs = world.agenda.nowMs;
    this.#scrapeOften();
  }

  #scrapeOften(): void {
    this.#agenda.after(SCRAPE_MS, () => {
      this.#scrape();
      this.#scrapeOften();
    });
  }

  /** Counters rise by what was served since the last scrape, as traffic is divided now. */
  #scrape(): void {
    const now = this.#agenda.nowMs;
    const requests = (this.#perSecond * (now - this.#scrapedMs)) / 1_000;
    this.#scrapedMs = now;
    const traffic = this.#traffic();
    for (const pod of this.#pods.all.values()) {
      if (!pod.ready) continue;
      const series = this.#series.get(pod.name) ?? {
        revision: pod.labels[LABEL_REVISION] ?? "",
        total: 0,
        bad: 0,
        samples: [],
      };
      this.#series.set(pod.name, series);
      const served = requests * (traffic.get(pod.name) ?? 0);
      series.total += served;
      series.bad += served * (this.incident ? 0.3 : this.#health(pod.image).errorRate);
      series.samples.push([now, Math.floor(series.total), Math.floor(series.bad)]);
      if (series.samples.length > 240) series.samples.shift();
    }
  }

  /** Answers a question, after as long as it takes; a client gives up after ten seconds. */
  ask(question: Question, answer: (readings: readonly Reading[]) => void): void {
    const fault = this.fault;
    const ms = fault === "hangs" ? TIMEOUT_MS : this.#rng.int(5, 400);
    this.#agenda.after(ms, () => answer(question.metrics.map((metric) => this.#answer(question, metric, fault))));
  }

  #answer(question: Question, metric: MetricSpec, fault: PrometheusFault | undefined): Reading {
    const { name } = metric;
    const truth = () => (metric.kind === "query" ? this.#value(question, name) : this.#counters(question, name, 0));
    const failed = (message: string): Reading => ({ kind: "error", metric: name, message });
    switch (fault) {
      case undefined:
        return truth();
      case "answersEmpty":
        return { kind: "noData", metric: name, message: "no series" };
      case "answersNaN":
      case "answersInfinity":
        if (metric.kind !== "query") return { kind: "noData", metric: name, message: "no series" };
        return {
          kind: "value",
          metric: name,
          atMs: question.nowMs,
          value: fault === "answersNaN" ? Number.NaN : Number.POSITIVE_INFINITY,
        };
      case "answersOldSamples":
        return metric.kind === "query"
          ? { kind: "noData", metric: name, message: "too old" }
          : this.#counters(question, name, 300_000);
      case "flaps":
        return this.#rng.chance(0.5) ? truth() : failed("connection reset");
      default:
        return failed(fault);
    }
  }

  #counters(question: Question, metric: string, olderMs: number): Reading {
    const side = (revision: string | undefined): SideCounters => {
      const found = [...this.#series].filter(([, series]) => revision !== undefined && series.revision === revision);
      const read = (value: 1 | 2): PodCounter[] =>
        found.flatMap(([pod, series]) => {
          const samples = series.samples.filter(([at]) => at >= question.sinceMs && at <= question.nowMs - olderMs);
          return samples.length === 0 ? [] : [{ pod, samples: samples.map((s) => [s[0], s[value]] as const) }];
        });
      return { total: read(1), bad: read(2) };
    };
    const canary = side(question.canary);
    if (canary.total.length === 0) return { kind: "noData", metric, message: "no canary pod was scraped" };
    return { kind: "counters", metric, canary, stable: side(question.stable) };
  }

  /** What a query for the share of failed requests gives: of the last two scrapes. */
  #value(question: Question, metric: string): Reading {
    let [total, bad] = [0, 0];
    for (const { revision, samples } of this.#series.values()) {
      const [last, before] = [samples.at(-1), samples.at(-3)];
      if (revision !== question.canary || last === undefined || before === undefined) continue;
      if (last[0] < question.nowMs - 2 * SCRAPE_MS) continue;
      total += last[1] - before[1];
      bad += last[2] - before[2];
    }
    if (total === 0) return { kind: "noData", metric, message: "no requests" };
    return { kind: "value", metric, atMs: question.nowMs, value: bad / total };
  }
}

const SCRAPE_MS = 15_000;
const TIMEOUT_MS = 10_000;

export interface Question {
  readonly canary: string;
  readonly stable: string | undefined;
  readonly metrics: readonly MetricSpec[];
  readonly sinceMs: number;
  readonly nowMs: number;
}

interface Series {
  readonly revision: string;
  total: number;
  bad: number;
  readonly samples: (readonly [atMs: number, total: number, bad: number])[];
}
