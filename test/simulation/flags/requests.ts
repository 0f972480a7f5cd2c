import type { Answer } from "../../../src/metrics/answer.ts";
import type { MetricsSource } from "../../../src/metrics/prometheus.ts";
import type { Agenda } from "../agenda.ts";
import type { Rng } from "../rng.ts";
import { FAILURES, TREATED } from "./scenario.ts";

/** What a metrics server is known for. */
export const METRICS_FAULTS = [
  "refuses", // no connection
  "hangs", // no answer before the client gives up
  "answersEmpty",
  "answersNaN",
  "answersOldSamples",
  "cannotRun", // says that the query is not one it can run
  "flaps",
] as const;
export type MetricsFault = (typeof METRICS_FAULTS)[number];

const SCRAPE_MS = 15_000;
const TIMEOUT_MS = 5_000;
const GOOD = 0.001;
const BAD = 0.3;

type Scrape = readonly [atMs: number, count: number];

/** The requests of all users, as a program counts them by variant, and the Prometheus that scrapes it. */
export class Requests implements MetricsSource {
  fault: MetricsFault | undefined;
  /** From when to when the variant harms those who have it. */
  bad = false;
  /** Answers in a row by which the failures were above their limit. */
  breaches = 0;
  readonly #agenda: Agenda;
  readonly #rng: Rng;
  readonly #treated: () => number;
  readonly #perSecond: number;
  readonly #counts = new Map<string, { count: number; scrapes: Scrape[] }>();

  /** @param treated the share of users who have the variant now, a fraction */
  constructor(world: { agenda: Agenda; rng: Rng; treated: () => number; perSecond: number }) {
    this.#agenda = world.agenda;
    this.#rng = world.rng;
    this.#treated = world.treated;
    this.#perSecond = world.perSecond;
    this.#scrapeOften();
  }

  query(promql: string, atMs: number): Promise<Answer> {
    const { fault } = this;
    const ms = fault === "hangs" ? TIMEOUT_MS : this.#rng.int(5, 400);
    return new Promise((resolve) => {
      this.#agenda.after(ms, () => resolve(this.#answer(promql, atMs, fault)));
    });
  }

  #scrapeOften(): void {
    this.#agenda.after(SCRAPE_MS, () => {
      this.#scrape();
      this.#scrapeOften();
    });
  }

  /** Counters rise by what was served since the last scrape, as users are divided now. */
  #scrape(): void {
    const treated = this.#treated();
    const served = (this.#perSecond * SCRAPE_MS) / 1_000;
    const rate = this.bad ? BAD : GOOD;
    this.#count(TREATED, "500", served * treated * rate);
    this.#count(TREATED, "200", served * treated * (1 - rate));
    this.#count("old", "500", served * (1 - treated) * GOOD);
    this.#count("old", "200", served * (1 - treated) * (1 - GOOD));
  }

  #count(variant: string, status: string, more: number): void {
    const key = `${variant} ${status}`;
    const series = this.#counts.get(key) ?? { count: 0, scrapes: [] };
    if (more === 0 && series.count === 0) return; // Nobody has asked yet: there is no such series.
    this.#counts.set(key, series);
    series.count += more;
    series.scrapes.push([this.#agenda.nowMs, Math.floor(series.count)]);
    if (series.scrapes.length > 240) series.scrapes.shift();
  }

  #answer(promql: string, atMs: number, fault: MetricsFault | undefined): Answer {
    const isQuery = promql === FAILURES.promql;
    const down: Answer = { kind: "unavailable", message: `Prometheus ${fault}` };
    switch (fault) {
      case undefined:
        return isQuery ? this.#failures(atMs) : this.#series(promql, atMs, 0);
      case "answersEmpty":
        return isQuery ? { kind: "vector", series: [] } : { kind: "matrix", series: [] };
      case "answersNaN":
        return isQuery
          ? { kind: "vector", series: [{ labels: {}, sample: [atMs, Number.NaN] }] }
          : { kind: "matrix", series: [] };
      case "answersOldSamples":
        return isQuery ? { kind: "vector", series: [] } : this.#series(promql, atMs, 300_000);
      case "cannotRun":
        return { kind: "refused", message: "Prometheus answered 422 (execution)" };
      case "flaps":
        return this.#rng.chance(0.5) ? this.#answer(promql, atMs, undefined) : down;
      default:
        return down;
    }
  }

  #series(promql: string, atMs: number, olderMs: number): Answer {
    const sinceMs = atMs - Number(/\[(\d+)ms\]$/.exec(promql)?.[1] ?? 0);
    const series = [...this.#counts].flatMap(([key, { scrapes }]) => {
      const [variant = "", status = ""] = key.split(" ");
      const samples = scrapes.filter(([at]) => at >= sinceMs && at <= atMs - olderMs);
      const labels = { pod: "web-0", instance: "web-0:8080", job: "pods", feature_flag_variant: variant, status };
      return samples.length === 0 ? [] : [{ labels, samples }];
    });
    return { kind: "matrix", series };
  }

  /** The share of failed requests of those who have the variant, of the last two scrapes. */
  #failures(atMs: number): Answer {
    const grown = (status: string) => {
      const scrapes = this.#counts.get(`${TREATED} ${status}`)?.scrapes ?? [];
      return (scrapes.at(-1)?.[1] ?? 0) - (scrapes.at(-3)?.[1] ?? 0);
    };
    const [bad, good] = [grown("500"), grown("200")];
    if (bad + good === 0) return { kind: "vector", series: [] };
    const share = bad / (bad + good);
    this.breaches = share > FAILURES.max ? this.breaches + 1 : 0;
    return { kind: "vector", series: [{ labels: {}, sample: [atMs, share] }] };
  }
}
