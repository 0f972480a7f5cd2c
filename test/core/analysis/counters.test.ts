import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Counting,
  count,
  type Increase,
  type Ledger,
  MAX_PODS,
  windowsOf,
} from "../../../src/core/analysis/counters.ts";
import type { PodCounter, SideCounters } from "../../../src/core/analysis/model.ts";
import { vectorsOf } from "./vectors.ts";

const START = 1_700_000_000_000;
const counting: Counting = { side: "canary", startedAtMs: START, bornAfterMs: START, warmupMs: 0 };

/** Samples in seconds after the start. */
function counter(pod: string, ...samples: [number, number][]): PodCounter {
  return { pod, samples: samples.map(([s, value]) => [START + s * 1000, value]) };
}

function side(total: PodCounter[], bad: PodCounter[] = []): SideCounters {
  return { total, bad };
}

function summed(increases: readonly Increase[]): [number, number] {
  return [increases.reduce((n, i) => n + i.total, 0), increases.reduce((n, i) => n + i.bad, 0)];
}

describe("count()", () => {
  test.each(vectorsOf("counterDelta"))("reference vector %s", (_, { input, output }) => {
    const rose = Object.keys(input.cur).map((pod) => {
      const earlier = pod in input.prev ? [[0, input.prev[pod]] as [number, number]] : [];
      const of = input.born.includes(pod) ? "canary" : "stable";
      const reading = side([counter(pod, ...earlier, [15, input.cur[pod]])]);
      return summed(count({}, reading, { ...counting, side: of }).increases)[0];
    });
    expect(rose.reduce((sum, n) => sum + n, 0)).toBe(output);
  });

  test("takes a canary pod's first scrape as risen from 0, errors included", () => {
    const reading = side([counter("a", [15, 30])], [counter("a", [15, 30])]);
    expect(summed(count({}, reading, counting).increases)).toEqual([30, 30]);
  });

  test("takes a stable pod's first scrape as where counting begins", () => {
    const reading = side([counter("a", [15, 90_000], [30, 90_100])], [counter("a", [15, 900], [30, 901])]);
    expect(summed(count({}, reading, { ...counting, side: "stable" }).increases)).toEqual([100, 1]);
  });

  test("begins at the last scrape before the start where there is one", () => {
    const reading = side([counter("a", [-30, 100], [-15, 150], [15, 170])]);
    expect(summed(count({}, reading, counting).increases)[0]).toBe(20);
  });

  test("counts an error series that appears later from 0", () => {
    const first = count({}, side([counter("a", [15, 100])]), counting);
    const reading = side([counter("a", [15, 100], [30, 200])], [counter("a", [30, 40])]);
    expect(summed(count(first.ledger, reading, counting).increases)).toEqual([100, 40]);
  });

  test("takes a fall for a restart", () => {
    const reading = side([counter("a", [-1, 500], [15, 600], [30, 40])], [counter("a", [-1, 50], [15, 60], [30, 1])]);
    expect(summed(count({}, reading, counting).increases)).toEqual([140, 11]);
  });

  test("never finds more bad requests than requests", () => {
    const reading = side([counter("a", [15, 10])], [counter("a", [15, 12])]);
    expect(summed(count({}, reading, counting).increases)).toEqual([10, 10]);
  });

  test("drops what pods do while they warm up", () => {
    const warming = { ...counting, warmupMs: 30_000 };
    const reading = side([counter("a", [10, 5], [25, 20], [40, 60], [55, 100])]);
    expect(summed(count({}, reading, warming).increases)[0]).toBe(40);
    const first = count({}, side([counter("a", [10, 5], [25, 20])]), warming);
    expect(summed(count(first.ledger, reading, warming).increases)[0]).toBe(40);
  });

  test("drops what a pod that was seen before the start does while it warms up, and nothing of one that is warm", () => {
    const warming = { ...counting, warmupMs: 30_000 };
    const young = side([counter("a", [-5, 10], [10, 20], [25, 60], [40, 100])]);
    expect(summed(count({}, young, warming).increases)[0]).toBe(40);
    const warm = side([counter("a", [-60, 5], [-5, 10], [10, 20], [25, 60], [40, 100])]);
    expect(summed(count({}, warm, warming).increases)[0]).toBe(90);
  });

  test("remembers a bounded number of pods, the last seen", () => {
    const pods = Array.from({ length: MAX_PODS + 100 }, (_, i) => counter(`web-${i}`, [i, 1]));
    const { ledger } = count({}, side(pods), counting);
    expect(Object.keys(ledger)).toHaveLength(MAX_PODS);
    expect(summed(count(ledger, side(pods.slice(-5)), counting).increases)[0]).toBe(0);
  });

  test("counts every request once, however the scrapes are cut into overlapping, repeated and late readings", () => {
    const scrape = fc.record({ requests: fc.nat(50), bad: fc.nat(10), restart: fc.boolean() });
    const pods = fc.array(fc.array(scrape, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 });
    const readings = fc.array(fc.record({ back: fc.nat(6), to: fc.nat(12), late: fc.nat(5) }), { maxLength: 12 });
    fc.assert(
      fc.property(pods, readings, (histories, cuts) => {
        const scraped = histories.map(scrapesOf);
        let ledger: Ledger = {};
        let upTo = 0;
        const found = [0, 0];
        for (const { back, to, late } of [...cuts, { back: 12, to: 12, late: -1 }]) {
          // Reads from before what was read to any later scrape; one pod may lag behind by a scrape.
          const from = Math.max(upTo - 2 - back, 0);
          upTo = Math.max(upTo, to);
          const cut = scraped.map((rows, p) => rows.slice(from, p === late ? to - 1 : to));
          const answer = count(ledger, sideOf(cut), counting);
          ledger = answer.ledger;
          answer.increases.forEach(({ total, bad }) => {
            found[0] = (found[0] ?? 0) + total;
            found[1] = (found[1] ?? 0) + bad;
          });
        }
        const all = histories.flat();
        expect(found).toEqual([
          all.reduce((n, s) => n + s.requests, 0),
          all.reduce((n, s) => n + Math.min(s.bad, s.requests), 0),
        ]);
      }),
    );
  });
});

type Row = readonly [atMs: number, total: number, bad: number];

/** What a pod's counters show. A restart that is overtaken at once cannot be seen by anybody, so it is left out. */
function scrapesOf(history: readonly { requests: number; bad: number; restart: boolean }[], pod: number): Row[] {
  let [total, bad] = [0, 0];
  return history.map(({ requests, bad: wanted, restart }, i) => {
    const errors = Math.min(wanted, requests);
    [total, bad] = restart && requests < total ? [requests, errors] : [total + requests, bad + errors];
    return [START + (i + 1) * 15_000 + pod * 777, total, bad];
  });
}

function sideOf(pods: readonly (readonly Row[])[]): SideCounters {
  const samplesOf = (rows: readonly Row[], column: 1 | 2) => rows.map((row) => [row[0], row[column]] as const);
  return {
    total: pods.map((rows, p) => ({ pod: `web-${p}`, samples: samplesOf(rows, 1) })),
    bad: pods.map((rows, p) => ({
      pod: `web-${p}`,
      samples: samplesOf(
        rows.filter(([, , x]) => x > 0),
        2,
      ),
    })), // A series appears with its first error.
  };
}

describe("windowsOf()", () => {
  const at = (s: number, total: number): Increase => ({ atMs: START + s * 1000, total, bad: 0 });

  test("makes one window of one interval, whatever the moment of the scrapes", () => {
    const span = { fromMs: START, toMs: START + 16_000, intervalMs: 15_000 };
    expect(windowsOf([at(1, 5), at(16, 7)], [at(9, 100)], span)).toEqual([[12, 0, 100, 0]]);
  });

  test("divides what an outage piled up, and counts late scrapes in the oldest window", () => {
    const span = { fromMs: START, toMs: START + 45_000, intervalMs: 15_000 };
    const windows = windowsOf([at(-4, 1), at(15, 2), at(16, 3), at(45, 4)], [], span);
    expect(windows.map(([n]) => n)).toEqual([3, 3, 4]);
  });
});
