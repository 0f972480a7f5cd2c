import { describe, expect, test } from "vitest";
import type { MetricSpec, Reading } from "../../src/core/analysis/model.ts";
import type { Answer } from "../../src/metrics/answer.ts";
import { type MeasureRequest, measure, measureP95 } from "../../src/metrics/measure.ts";
import { queriesOf } from "../../src/metrics/queries.ts";
import { subject } from "./subject.ts";

const AT = 1_700_000_000_000;
const errorRate: MetricSpec = { kind: "errorRate", name: "error-rate", max: 0.01 };
const latency: MetricSpec = { kind: "latency", name: "latency", quantile: 0.95, maxMs: 500 };
const query: MetricSpec = {
  kind: "query",
  name: "load",
  promql: 'max(load{pod=~"{{canary.pods}}"})',
  max: 1,
  consecutive: 3,
  both: true,
};
const request: MeasureRequest = {
  subject,
  queries: queriesOf("http", subject),
  metrics: [errorRate],
  sinceMs: AT - 60_000,
  nowMs: AT,
  windowMs: 60_000,
};

/** Answers queries by the first of `answers` whose key they begin with, and keeps what was asked. */
async function read(
  answers: Record<string, Answer>,
  given: Partial<MeasureRequest> = {},
): Promise<{ readings: Reading[]; asked: string[] }> {
  const asked: string[] = [];
  const source = {
    query: async (promql: string, atMs: number): Promise<Answer> => {
      expect(atMs).toBe(AT);
      asked.push(promql);
      const key = Object.keys(answers).find((start) => promql.startsWith(start));
      return key === undefined ? { kind: "matrix", series: [] } : (answers[key] as Answer);
    },
  };
  return { readings: await measure(source, { ...request, ...given }), asked };
}

type Row = [labels: Record<string, string>, ...samples: [number, number][]];

function matrix(...rows: Row[]): Answer {
  return { kind: "matrix", series: rows.map(([labels, ...samples]) => ({ labels, samples })) };
}

function vector(...rows: [Record<string, string>, number][]): Answer {
  return { kind: "vector", series: rows.map(([labels, value]) => ({ labels, sample: [AT, value] as const })) };
}

const canary = { pod: "web-6d4c-aaaaa", instance: "10.0.0.1:80" };
const stable = { pod: "web-58bf-bbbbb", instance: "10.0.0.2:80" };

describe("measure() of errors", () => {
  test("asks once, and adds up the series of each pod scrape by scrape", async () => {
    const { readings, asked } = await read({
      http_requests_total: matrix(
        [{ ...canary, status: "200", path: "/" }, [AT - 30_000, 10], [AT - 15_000, 20]],
        [{ ...canary, status: "200", path: "/a" }, [AT - 15_000, 5]],
        [{ ...canary, status: "500", path: "/" }, [AT - 15_000, 2]],
        [{ ...canary, status: "503", path: "/" }, [AT - 15_000, 1]],
        [{ ...stable, status: "200" }, [AT - 20_000, 1000]],
      ),
    });
    expect(asked).toEqual([
      'http_requests_total{namespace="shop",pod=~"web-6d4c-[a-z0-9]{5}|web-58bf-[a-z0-9]{5}"}[60000ms]',
    ]);
    expect(readings).toEqual([
      {
        kind: "counters",
        metric: "error-rate",
        canary: {
          total: [
            {
              pod: "web-6d4c-aaaaa@10.0.0.1:80",
              samples: [
                [AT - 30_000, 10],
                [AT - 15_000, 28],
              ],
            },
          ],
          bad: [{ pod: "web-6d4c-aaaaa@10.0.0.1:80", samples: [[AT - 15_000, 3]] }],
        },
        stable: { total: [{ pod: "web-58bf-bbbbb@10.0.0.2:80", samples: [[AT - 20_000, 1000]] }], bad: [] },
      },
    ]);
  });

  test("counts a process once that two jobs scrape", async () => {
    const rows = ["b", "a"].map((job): Row => [{ ...canary, job, status: "200" }, [AT, 10]]);
    const { readings } = await read({ http_requests_total: matrix(...rows) });
    expect(readings[0]).toMatchObject({ canary: { total: [{ samples: [[AT, 10]] }] } });
  });

  test("is an error where the canary alone lost the label: all that fails would count as good", async () => {
    const { readings } = await read({
      http_requests_total: matrix(
        [{ ...canary, http_status: "500" }, [AT, 10]],
        [{ ...stable, status: "200" }, [AT, 1000]],
      ),
    });
    expect(readings[0]).toEqual({
      kind: "error",
      metric: "error-rate",
      message:
        'http_requests_total{pod=~"web-6d4c-[a-z0-9]{5}"} has no label "status" or "code", which other series have: this version does not say how its requests ended, or none has ended yet',
    });
  });

  test("is no data without series, and an error where no label tells what is bad", async () => {
    expect((await read({})).readings[0]).toMatchObject({
      kind: "noData",
      message: expect.stringMatching(/^no series http_requests_total\{namespace=/),
    });
    const { readings } = await read({ http_requests_total: matrix([{ ...canary }, [AT, 1]]) });
    expect(readings[0]).toMatchObject({
      kind: "error",
      message:
        'http_requests_total has no label "status" or "code": name the one that it has in analysis.labels.status',
    });
  });

  test.each<Answer>([
    { kind: "unavailable", message: "Prometheus cannot be reached" },
    { kind: "refused", message: "Prometheus cannot be reached" },
  ])("is an error where Prometheus is $kind", async (answer) => {
    expect((await read({ http_requests_total: answer })).readings).toEqual([
      { kind: "error", metric: "error-rate", message: "Prometheus cannot be reached" },
    ]);
  });

  test("is an error where the source cannot separate the sides", async () => {
    const { readings, asked } = await read({}, { queries: queriesOf("nginx", subject) });
    expect(readings[0]).toMatchObject({ kind: "error", message: expect.stringMatching(/^nginx counts by Ingress/) });
    expect(asked).toEqual([]);
  });
});

describe("measure() of latency", () => {
  const layout = (les: string[], labels = [canary, stable]) =>
    vector(...labels.flatMap(({ pod }) => les.map((le): [Record<string, string>, number] => [{ pod, le }, 1])));
  const buckets = (le: string) =>
    matrix(
      [{ ...canary, le, path: "/" }, [AT, 60]],
      [{ ...canary, le: "+Inf", path: "/" }, [AT, 70]],
      [{ ...canary, le, path: "/a" }, [AT, 5]],
      [{ ...canary, le: "+Inf", path: "/a" }, [AT, 30]],
      [{ ...stable, le }, [AT, 100]],
      [{ ...stable, le: "+Inf" }, [AT, 101]],
    );

  test("counts what is slower than the limit, of two buckets only", async () => {
    const answers = {
      "count by": layout(["0.1", "0.5", "1.0", "+Inf"]),
      http_request_duration_seconds_bucket: buckets("0.5"),
    };
    const { readings, asked } = await read(answers, { metrics: [latency] });
    expect(asked[1]).toContain(',le=~"0\\\\.5|\\\\+Inf"}[60000ms]');
    expect(readings[0]).toMatchObject({
      canary: { total: [{ samples: [[AT, 100]] }], bad: [{ samples: [[AT, 35]] }] },
      stable: { total: [{ samples: [[AT, 101]] }], bad: [{ samples: [[AT, 1]] }] },
    });
    expect(readings[0]).not.toHaveProperty("inexact");
  });

  test("off a boundary counts at the next above, and says so", async () => {
    const answers = {
      "count by": layout(["0.1", "1.0", "+Inf"]),
      http_request_duration_seconds_bucket: buckets("1.0"),
    };
    const { readings } = await read(answers, { metrics: [latency] });
    expect(readings[0]).toMatchObject({
      kind: "counters",
      inexact: "500 ms lies between two buckets, judged at 1000 ms",
    });
  });

  test("compares both sides at a boundary that both have", async () => {
    const of = (pod: string, ...les: string[]) => les.map((le): [Record<string, string>, number] => [{ pod, le }, 1]);
    const both = vector(...of(canary.pod, "0.5", "2", "+Inf"), ...of(stable.pod, "1", "2", "+Inf"));
    const { readings, asked } = await read({ "count by": both, http_request: buckets("2") }, { metrics: [latency] });
    expect(asked[1]).toContain('le=~"2|');
    expect(readings[0]).toMatchObject({ inexact: "500 ms lies between two buckets, judged at 2000 ms" });
  });

  test("is an error where the limit is above every bucket: it could never fail", async () => {
    const { readings } = await read({ "count by": layout(["0.1", "0.25", "+Inf"]) }, { metrics: [latency] });
    expect(readings[0]).toMatchObject({
      kind: "error",
      message: expect.stringMatching(/^no bucket at or above 500 ms/),
    });
  });

  test("knows milliseconds from seconds", async () => {
    const { readings, asked } = await read(
      { "count by": layout(["100", "500", "+Inf"]), istio: buckets("500") },
      { metrics: [latency], queries: queriesOf("istio", subject) },
    );
    expect(asked[1]).toContain('le=~"500|');
    expect(readings[0]).not.toHaveProperty("inexact");
  });

  test("takes the slowest pod's own quantile where there is no histogram", async () => {
    const summary = vector(
      [{ pod: "web-6d4c-aaaaa" }, 0.4],
      [{ pod: "web-6d4c-ccccc" }, 0.6],
      [{ pod: stable.pod }, 0.2],
      [{ pod: "web-6d4c-ddddd" }, Number.NaN],
    );
    const { readings, asked } = await read({ "count by": vector(), "max by": summary }, { metrics: [latency] });
    expect(asked[1]).toMatch(/^max by \(pod\) \(http_request_duration_seconds\{.*,quantile="0\.95"\}\)$/);
    expect(readings).toEqual([{ kind: "value", metric: "latency", atMs: AT, value: 600, stableValue: 200 }]);
  });

  test("is no data without a histogram", async () => {
    expect(
      (await read({ "count by": vector(), "max by": vector() }, { metrics: [latency] })).readings[0],
    ).toMatchObject({
      kind: "noData",
    });
  });
});

describe("measure() of a query", () => {
  test("runs it for each side", async () => {
    const { readings, asked } = await read(
      { 'max(load{pod=~"web-6d4c': vector([{}, 0.9]), 'max(load{pod=~"web-58bf': vector([{}, 0.4]) },
      { metrics: [query] },
    );
    expect(asked).toHaveLength(2);
    expect(readings).toEqual([{ kind: "value", metric: "load", atMs: AT, value: 0.9, stableValue: 0.4 }]);
  });

  test.each<[Answer, "noData" | "error", RegExp]>([
    [vector(), "noData", /nothing/],
    [vector([{}, Number.NaN]), "noData", /NaN/],
    [vector([{}, Number.POSITIVE_INFINITY]), "noData", /infinity/],
    [vector([{ a: "1" }, 1], [{ a: "2" }, 2]), "error", /2 series.*aggregate/],
    [matrix([{}, [AT, 1]]), "error", /range/],
    [{ kind: "scalar", sample: [AT - 600_000, 1] }, "noData", /600 s old/],
    [{ kind: "unavailable", message: "Prometheus cannot be reached" }, "error", /cannot be reached/],
  ])("%j is %s", async (answer, kind, message) => {
    const { readings } = await read({ max: answer }, { metrics: [query] });
    expect(readings[0]).toMatchObject({ kind, metric: "load", message: expect.stringMatching(message) });
  });

  test("is an error where it names a variable that there is not, and Prometheus is not asked", async () => {
    const { readings, asked } = await read({}, { metrics: [{ ...query, promql: 'x{a="{{nope}}"}' } as MetricSpec] });
    expect(readings[0]).toMatchObject({ kind: "error", message: expect.stringMatching(/^\{\{nope\}\} is unknown/) });
    expect(asked).toEqual([]);
  });
});

describe("measureP95()", () => {
  const asking = async (answer: Answer, given: Partial<MeasureRequest> = {}) => {
    const asked: string[] = [];
    const source = {
      query: async (promql: string) => {
        asked.push(promql);
        return answer;
      },
    };
    return { p95: await measureP95(source, { ...request, ...given }, AT - 3_600_000), asked };
  };

  test("asks once, for the whole time, of the release's own pods", async () => {
    const { p95, asked } = await asking(vector([{ le: "0.1" }, 90], [{ le: "0.2" }, 100], [{ le: "+Inf" }, 100]));
    expect(asked).toEqual([
      'sum by (le) (increase(http_request_duration_seconds_bucket{namespace="shop",pod=~"web-6d4c-[a-z0-9]{5}|web-58bf-[a-z0-9]{5}",pod=~"web-6d4c-[a-z0-9]{5}"}[3600000ms]))',
    ]);
    expect(p95).toEqual({ kind: "measured", ms: expect.closeTo(150, 6) });
  });

  test("knows milliseconds, and what lies above the highest bucket", async () => {
    const istio = { queries: queriesOf("istio", subject) };
    const { p95 } = await asking(vector([{ le: "250" }, 50], [{ le: "+Inf" }, 100]), istio);
    expect(p95).toEqual({ kind: "measured", ms: 250, atLeast: true });
  });

  test.each<[string, Answer, Partial<MeasureRequest>, string]>([
    ["nothing was counted", vector(), {}, "no request was counted in http_request_duration_seconds_bucket"],
    ["Prometheus is away", { kind: "unavailable", message: "no answer" }, {}, "no answer"],
    ["a source cannot tell the sides apart", vector(), { queries: queriesOf("nginx", subject) }, "nginx counts by"],
  ])("is unknown, and says why: %s", async (_, answer, given, said) => {
    const { p95 } = await asking(answer, given);
    expect(p95).toMatchObject({ kind: "unknown", message: expect.stringContaining(said) });
  });
});
