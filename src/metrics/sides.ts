import type { PodCounter, SideCounters } from "../core/analysis/model.ts";
import type { Answer, Sample } from "./answer.ts";
import { boundaryOf } from "./histogram.ts";
import type { Labels, SeriesQuery } from "./queries.ts";

/** Raw series of both sides, as one selector found them. */
export type Rows = Extract<Answer, { kind: "matrix" }>["series"];

/** Requests of each scraped process, and those that `isBad`. */
export function sidesOf(
  query: SeriesQuery,
  rows: Rows,
  isBad: (labels: Labels) => boolean,
): { canary: SideCounters; stable: SideCounters } {
  const side = (pattern: string | undefined) => {
    const own = rowsOf(query, rows, pattern);
    return {
      total: summed(query, own),
      bad: summed(
        query,
        own.filter(({ labels }) => isBad(labels)),
      ),
    };
  };
  return { canary: side(query.canary), stable: side(query.stable) };
}

/** Requests, and those above the boundary: the +Inf bucket without the other. */
export function slowSides(query: SeriesQuery, rows: Rows): { canary: SideCounters; stable: SideCounters } {
  const side = (pattern: string | undefined): SideCounters => {
    const own = rowsOf(query, rows, pattern);
    const isAll = ({ labels }: Rows[number]) => boundaryOf(labels.le ?? "") === Number.POSITIVE_INFINITY;
    const total = summed(query, own.filter(isAll));
    const fast = new Map(
      summed(
        query,
        own.filter((row) => !isAll(row)),
      ).map(({ pod, samples }) => [pod, new Map(samples)]),
    );
    const bad = total.map(({ pod, samples }) => ({
      pod,
      samples: samples.map(([at, n]): Sample => [at, n - (fast.get(pod)?.get(at) ?? 0)]),
    }));
    return { total, bad };
  };
  return { canary: side(query.canary), stable: side(query.stable) };
}

/** The series that belong to one side. */
export function sideRows<T extends { readonly labels: Labels }>(
  query: SeriesQuery,
  rows: readonly T[],
  pattern: string | undefined,
): T[] {
  if (pattern === undefined) return [];
  const anchored = new RegExp(`^(?:${pattern})$`);
  return rows.filter(({ labels }) => anchored.test(labels[query.sideLabel] ?? ""));
}

function rowsOf(query: SeriesQuery, rows: Rows, pattern: string | undefined): Rows {
  const own = sideRows(query, rows, pattern);
  // Scraped by two jobs, a process would count every request twice: the first job speaks for it.
  const jobs = new Map<string, string>();
  for (const { labels } of own) {
    const [target, job] = [targetOf(query, labels), labels.job ?? ""];
    if (job < (jobs.get(target) ?? "\uffff")) jobs.set(target, job);
  }
  return own.filter(({ labels }) => (labels.job ?? "") === jobs.get(targetOf(query, labels)));
}

/** Adds up the series of each scraped process, scrape by scrape: they share its time stamps. */
function summed(query: SeriesQuery, rows: Rows): PodCounter[] {
  const targets = new Map<string, Map<number, number>>();
  for (const { labels, samples } of rows) {
    const target = targetOf(query, labels);
    const sums = targets.get(target) ?? new Map<number, number>();
    targets.set(target, sums);
    for (const [at, value] of samples) if (Number.isFinite(value)) sums.set(at, (sums.get(at) ?? 0) + value);
  }
  return [...targets].map(([pod, sums]) => ({ pod, samples: [...sums].sort((a, b) => a[0] - b[0]) }));
}

function targetOf({ podLabel }: SeriesQuery, labels: Labels): string {
  return `${labels[podLabel] ?? ""}@${labels.instance ?? ""}`;
}
