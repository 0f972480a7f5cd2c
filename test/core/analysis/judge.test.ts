import { describe, expect, test } from "vitest";
import {
  type AnalysisState,
  checkpointOf,
  type JudgeInput,
  type Judgement,
  judge,
  overdue,
  readFromMs,
  stableRates,
  startAnalysis,
  startStep,
} from "../../../src/core/analysis/judge.ts";
import type { AnalysisSettings, Reading } from "../../../src/core/analysis/model.ts";

const START = 1_700_000_000_000;
const INTERVAL = 15_000;

const settings: AnalysisSettings = {
  metrics: [{ kind: "errorRate", name: "error-rate", max: 0.01 }],
  intervalMs: INTERVAL,
  onNoData: { afterMs: 300_000, then: "hold" },
  onUnsure: { afterMs: 1_800_000, then: "pause" },
  judge: "evidence",
  alpha: 0.01,
  warmupMs: 30_000,
};
const withLatency: AnalysisSettings = {
  ...settings,
  metrics: [...settings.metrics, { kind: "latency", name: "latency", quantile: 0.95, maxMs: 500 }],
};
const withQuery: AnalysisSettings = {
  ...settings,
  metrics: [{ kind: "query", name: "saturation", promql: "x", max: 0.8, consecutive: 3, both: false }],
};

/** Plays a rollout scrape by scrape; every scrape adds [canary requests, bad, stable requests, bad] to the counters. */
class Story {
  state: AnalysisState;
  nowMs = START;
  last: Judgement | undefined;
  private readonly sums = new Map<string, number[]>();
  private readonly settings: AnalysisSettings;
  private input: Partial<JudgeInput> = {};

  constructor(given: AnalysisSettings = settings) {
    this.settings = given;
    this.state = startAnalysis(given, START);
  }

  with(input: Partial<JudgeInput>): this {
    this.input = { ...this.input, ...input };
    return this;
  }

  step(): this {
    this.state = startStep(this.state, this.nowMs);
    return this;
  }

  /** One interval, with a reading of each metric given by name. */
  scrape(readings: Record<string, readonly [number, number, number, number] | Reading>, times = 1): this {
    for (let i = 0; i < times; i++) this.judge(readings);
    return this;
  }

  private judge(readings: Record<string, readonly [number, number, number, number] | Reading>): void {
    this.nowMs += INTERVAL;
    const input: JudgeInput = {
      nowMs: this.nowMs,
      stepStartedAtMs: START,
      compare: true,
      bornAfterMs: START,
      readings: Object.entries(readings).map(([name, r]) =>
        "kind" in r ? (r as Reading) : this.counters(name, r as readonly number[]),
      ),
      ...this.input,
    };
    // What status keeps must be enough to go on with.
    this.last = judge(this.settings, JSON.parse(JSON.stringify(this.state)) as AnalysisState, input);
    this.state = this.last.state;
  }

  private counters(metric: string, window: readonly number[]): Reading {
    const before = this.sums.get(metric) ?? [0, 0, 0, 0];
    const after = before.map((n, i) => n + (window[i] ?? 0));
    this.sums.set(metric, after);
    const at = this.nowMs - 3000;
    // A pod of stable was there before; one of the canary is new at its first scrape.
    const of = (pod: string, i: number) => {
      const earlier = i === 2 || (before[i] as number) > 0 ? [[at - INTERVAL, before[i] as number] as const] : [];
      return [{ pod, samples: [...earlier, [at, after[i] as number] as const] }];
    };
    const badOf = (pod: string, i: number) => [
      { pod, samples: [[at - INTERVAL, before[i] as number] as const, [at, after[i] as number] as const] },
    ];
    return {
      kind: "counters",
      metric,
      canary: { total: of("c", 0), bad: badOf("c", 1) },
      stable: { total: of("s", 2), bad: badOf("s", 3) },
    };
  }

  get kind() {
    return this.last?.verdict.kind;
  }
}

const good = [75, 0, 1425, 1] as const;
const bad = [75, 15, 1425, 1] as const;

describe("judge()", () => {
  test("passes a healthy canary once it is proven, and says how much it saw", () => {
    const story = new Story().scrape({ "error-rate": good }, 2);
    expect(story.kind).toBe("Unsure");
    expect(story.last?.verdict.message).toBe("error-rate: 150 of 193 requests seen, at this rate 9 s more");
    story.scrape({ "error-rate": good });
    expect(story.kind).toBe("Continue");
    expect(story.last?.verdict.message).toMatch(
      /^error-rate 0 % \(0\/225\), stable 0\.070 %: evidence 1:1 of 100:1; about \d+ requests to pass, at this rate \d+ s more$/,
    );
    expect(story.scrape({ "error-rate": good }, 5).kind).toBe("Pass");
  });

  test("begins where it begins: what pods counted before is not held against a revision that is judged anew", () => {
    const [early, late, now] = [START - 20_000, START - 5_000, START + 12_000];
    const samples = (...counts: number[]) => [early, late, now].map((at, i) => [at, counts[i] as number] as const);
    const reading: Reading = {
      kind: "counters",
      metric: "error-rate",
      canary: {
        total: [{ pod: "c", samples: samples(10_000, 10_100, 10_175) }],
        bad: [{ pod: "c", samples: samples(5_000, 5_050, 5_051) }],
      },
      stable: { total: [{ pod: "s", samples: samples(90_000, 91_000, 92_425) }], bad: [] },
    };
    const story = new Story().with({ bornAfterMs: START - 3_600_000 }).scrape({ "error-rate": reading });
    expect(story.state.metrics["error-rate"]?.step.counts).toEqual([75, 1, 1_425, 0]);
  });

  test("fails a canary that is worse than stable, after three windows and not before, with the odds in words", () => {
    const story = new Story().scrape({ "error-rate": good }, 4);
    expect(story.scrape({ "error-rate": bad }, 2).kind).not.toBe("Fail");
    expect(story.scrape({ "error-rate": bad }, 3).kind).toBe("Fail");
    expect(story.last?.verdict.message).toMatch(
      /^error-rate 20 % \(\d+\/\d+\), stable 0\.070 %: evidence [\d,]+:1, revert at 100:1$/,
    );
    expect(story.last?.metrics[0]).toMatchObject({ verdict: "Fail", value: 0.2, limit: 0.01 });
  });

  test("keeps a failure and its reason for good", () => {
    const story = new Story().scrape({ "error-rate": bad }, 6);
    const { verdict } = story.last as Judgement;
    expect(verdict.kind).toBe("Fail");
    expect(story.scrape({ "error-rate": good }, 50).last?.verdict).toEqual(verdict);
  });

  test("holds while a shared dependency makes both versions bad, and no longer", () => {
    const story = new Story().scrape({ "error-rate": good }, 4).scrape({ "error-rate": [75, 15, 1425, 285] }, 8);
    expect(story.kind).toBe("Hold");
    expect(story.last?.verdict.message).toMatch(/bad on both versions, not the canary$/);
    expect(story.scrape({ "error-rate": good }, 6).kind).not.toBe("Hold");
  });

  test("does not fail on one bad window", () => {
    const story = new Story().scrape({ "error-rate": good }, 4).scrape({ "error-rate": [75, 60, 1425, 1] });
    for (let i = 0; i < 20; i++) expect(story.scrape({ "error-rate": good }).kind).not.toBe("Fail");
  });

  test("counts the same seconds once when it is asked too often", () => {
    const story = new Story().scrape({ "error-rate": good });
    const before = story.state;
    story.nowMs -= INTERVAL - 1000;
    expect(story.scrape({ "error-rate": bad }).state.metrics).toMatchObject({
      "error-rate": { step: { readings: 1 } },
    });
    story.nowMs = before.metrics["error-rate"]?.judgedUpToMs as number;
    expect(story.scrape({ "error-rate": good }).state.metrics["error-rate"]?.step.counts).toEqual([
      225,
      15,
      2850 + 1425,
      3,
    ]);
  });

  test("wants proof in each step anew, and keeps evidence of harm", () => {
    const story = new Story().scrape({ "error-rate": good }, 20);
    expect(story.kind).toBe("Pass");
    const { evidence } = story.state.metrics["error-rate"] as AnalysisState["metrics"][string];
    story.step();
    expect(story.state.metrics["error-rate"]?.evidence).toEqual(evidence);
    expect(story.scrape({ "error-rate": good }).kind).toBe("Unsure");
  });

  test("begins a step by itself when told of a later one", () => {
    const story = new Story().scrape({ "error-rate": good }, 20);
    expect(story.with({ stepStartedAtMs: story.nowMs }).scrape({ "error-rate": good }).kind).toBe("Unsure");
    expect(story.scrape({ "error-rate": good }).state.metrics["error-rate"]?.step.readings).toBe(2);
  });

  test("takes neither an outage of Prometheus nor missing data for a breach or a pass", () => {
    const error: Reading = { kind: "error", metric: "error-rate", message: "Prometheus cannot be reached" };
    const noData: Reading = { kind: "noData", metric: "error-rate", message: "no series" };
    const story = new Story().scrape({ "error-rate": good }, 20).scrape({ "error-rate": error });
    const sinceMs = story.nowMs;
    expect(story.last?.verdict).toMatchObject({
      kind: "Error",
      sinceMs,
      message: "error-rate: Prometheus cannot be reached",
    });
    expect(story.last?.judgedUpToMs).toBe(sinceMs - INTERVAL);
    expect(story.scrape({ "error-rate": error }, 100).last?.verdict).toMatchObject({ kind: "Error", sinceMs });
    expect(story.scrape({ "error-rate": noData }).kind).toBe("NoData");
    expect(story.scrape({ "error-rate": good }).kind).toBe("Pass");
  });

  test("says NoData when canary pods are scraped no more", () => {
    const story = new Story().scrape({ "error-rate": good }, 20);
    const stale: Reading = {
      kind: "counters",
      metric: "error-rate",
      canary: { total: [], bad: [] },
      stable: { total: [], bad: [] },
    };
    expect(story.scrape({ "error-rate": stale }, 3).kind).toBe("Pass");
    expect(story.scrape({ "error-rate": stale }, 3).last?.verdict.message).toBe(
      "error-rate: no canary pod was scraped for 2 min",
    );
    expect(story.kind).toBe("NoData");
  });

  test("judges what an outage piled up scrape by scrape, as if it had been there", () => {
    const there = new Story().scrape({ "error-rate": good }, 12);
    const away = new Story().scrape({ "error-rate": good });
    const samples = (per: number, from: number) =>
      Array.from(
        { length: 12 - from },
        (_, i) => [START + (i + from) * INTERVAL + 12_000, per * (i + from + 1)] as const,
      );
    away.nowMs += 10 * INTERVAL;
    away.scrape({
      "error-rate": {
        kind: "counters",
        metric: "error-rate",
        canary: { total: [{ pod: "c", samples: samples(75, 0) }], bad: [] },
        stable: { total: [{ pod: "s", samples: samples(1425, 0) }], bad: [{ pod: "s", samples: samples(1, 0) }] },
      },
    });
    expect(away.state.metrics["error-rate"]?.evidence).toEqual(there.state.metrics["error-rate"]?.evidence);
    expect(away.last?.metrics).toEqual(there.last?.metrics);
  });

  test("at weight 100 fails on the limit and what stable last showed, whatever stable shows now", () => {
    const worse = [300, 9, 0, 0] as const; // 3 %
    const promoted = (stableBad: number) =>
      new Story().scrape({ "error-rate": [75, 0, 1425, stableBad] }, 8).with({ compare: false });
    expect(stableRates(promoted(14).state)["error-rate"]).toBeCloseTo(14 / 1425);
    expect(promoted(1).scrape({ "error-rate": worse }, 12).kind).toBe("Fail");
    expect(promoted(71).scrape({ "error-rate": worse }, 12).kind).not.toBe("Fail"); // Stable had 5 %.
    expect(
      promoted(71)
        .with({ bakeReference: { "error-rate": 0.001 } })
        .scrape({ "error-rate": worse }, 12).kind,
    ).toBe("Fail");
  });

  test("without a stable judges by the limit alone", () => {
    const story = new Story().with({ compare: false });
    expect(story.scrape({ "error-rate": [75, 15, 1425, 1425] }, 5).kind).toBe("Fail");
    expect(story.last?.verdict.message).toMatch(/^error-rate 20 % \(\d+\/\d+\)/);
  });

  test("lets the worst metric speak, and names it", () => {
    const story = new Story(withLatency).scrape({ "error-rate": good, latency: [75, 30, 1425, 20] }, 8);
    expect(story.last?.verdict).toMatchObject({ kind: "Fail", metric: "latency" });
    expect(story.last?.verdict.message).toMatch(/^latency 40 % over 500 ms \(/);
    expect(story.last?.metrics.map(({ verdict }) => verdict)).toEqual(["Pass", "Fail"]);
  });

  test.each([
    ["Hold", "Error"],
    ["Hold", "NoData"],
    ["Error", "NoData"],
    ["Error", "Unsure"],
    ["NoData", "Unsure"],
    ["NoData", "Pass"],
    ["Unsure", "Pass"],
  ])("of %s and %s says the first", (worse, better) => {
    const given: Record<string, (name: string) => readonly [number, number, number, number] | Reading> = {
      Hold: () => [75, 30, 1425, 570],
      Error: (metric) => ({ kind: "error", metric, message: "away" }),
      NoData: (metric) => ({ kind: "noData", metric, message: "none" }),
      Unsure: () => [1, 0, 1425, 1],
      Pass: () => good,
    };
    for (const [first, second] of [
      [worse, better],
      [better, worse],
    ] as const) {
      const readings = { "error-rate": given[first]!("error-rate"), latency: given[second]!("latency") };
      const story = new Story(withLatency).scrape(readings, 12);
      expect(story.last?.metrics.map(({ verdict }) => verdict)).toEqual([first, second]);
      expect(story.kind).toBe(worse);
    }
  });

  test("never passes on counts that are only surely bad", () => {
    const story = new Story();
    for (let i = 0; i < 20; i++) {
      story.scrape({ "error-rate": good });
      const reading = {
        kind: "counters",
        metric: "error-rate",
        canary: { total: [], bad: [] },
        stable: { total: [], bad: [] },
        inexact: "judged at 1 s",
      } as const;
      story.scrape({ "error-rate": reading });
    }
    expect(story.kind).toBe("Continue");
    expect(story.last?.verdict.message).toContain("judged at 1 s");
  });

  test("begins anew when a limit is edited", () => {
    const story = new Story().scrape({ "error-rate": good }, 20);
    const edited = { ...settings, metrics: [{ kind: "errorRate", name: "error-rate", max: 0.02 }] } as const;
    const input = { nowMs: story.nowMs, stepStartedAtMs: START, readings: [], compare: true, bornAfterMs: START };
    expect(judge(edited, story.state, input).verdict.kind).toBe("Unsure");
  });

  test("refuses a reading of a metric that nobody asked for", () => {
    expect(() => new Story().scrape({ other: good })).toThrow('Unknown metric in a reading: "other"');
  });

  test("refuses a metric of unknown kind", () => {
    const odd = { ...settings, metrics: [{ kind: "vibes", name: "v" }] } as unknown as AnalysisSettings;
    expect(() => startAnalysis(odd, START)).toThrow('Unknown metric: {"kind":"vibes","name":"v"}');
  });

  test("keeps its state within a few kB with a hundred pods", () => {
    const pods = (side: string) => Array.from({ length: 100 }, (_, i) => `web-${side}-6d4cf56db6-${i}`);
    let state = startAnalysis(withLatency, START);
    for (let pass = 1; pass <= 20; pass++) {
      const nowMs = START + pass * INTERVAL;
      const counters = (side: string, each: number) =>
        pods(side).map((pod, i) => ({ pod, samples: [[nowMs - 10 * i, 1_000_000 + each * pass] as const] }));
      const readings = withLatency.metrics.map(({ name }) => ({
        kind: "counters" as const,
        metric: name,
        canary: { total: counters("c", 100), bad: counters("c", 1) },
        stable: { total: counters("s", 100), bad: counters("s", 1) },
      }));
      ({ state } = judge(withLatency, state, {
        nowMs,
        stepStartedAtMs: START,
        readings,
        compare: true,
        bornAfterMs: START,
      }));
    }
    expect(JSON.stringify(state).length).toBeLessThan(18_000);
  });
});

describe("checkpointOf()", () => {
  const play = (limit: number) => {
    const story = new Story().scrape({ "error-rate": good }, 3);
    story.state = JSON.parse(checkpointOf(story.state, limit)) as AnalysisState;
    return story.scrape({ "error-rate": good }, 3).state.metrics["error-rate"];
  };

  test("leaves the ledgers out where they do not fit, and counting goes on where it was", () => {
    expect(checkpointOf(new Story().scrape({ "error-rate": good }).state, 0)).toContain('"canary":{}');
    expect(play(0)).toEqual(play(30_000));
    expect(play(0)?.step.counts).toEqual([450, 0, 8550, 6]);
  });
});

describe("judge() with thresholds", () => {
  const value = (v: number): Reading => ({ kind: "value", metric: "saturation", atMs: 0, value: v });

  test("fails a query after so many breaches in a row", () => {
    const story = new Story(withQuery).scrape({ saturation: value(0.9) }, 2);
    expect(story.last?.verdict).toMatchObject({
      kind: "Unsure",
      message: "saturation 0.9, at most 0.8: 2 of 3 breaches in a row",
    });
    expect(story.scrape({ saturation: value(0.8) }).scrape({ saturation: value(0.9) }, 2).kind).toBe("Unsure");
    expect(story.scrape({ saturation: value(0.9) }).last?.verdict).toMatchObject({
      kind: "Fail",
      message: "saturation 0.9, at most 0.8: 3 times in a row",
    });
  });

  test("goes on when as many readings as could have failed it did not", () => {
    const story = new Story(withQuery).scrape({ saturation: value(0.5) }, 2);
    expect(story.kind).toBe("Unsure");
    expect(story.scrape({ saturation: value(0.5) }).last?.verdict).toMatchObject({
      kind: "Continue",
      message: "saturation 0.5, at most 0.8",
    });
  });

  test("takes a value that is no number for no data", () => {
    expect(new Story(withQuery).scrape({ saturation: value(Number.NaN) }, 5).kind).toBe("NoData");
  });

  test("judges rates where the user asks for it", () => {
    const story = new Story({ ...settings, judge: "threshold" }).scrape({ "error-rate": [100, 2, 0, 0] }, 2);
    expect(story.kind).toBe("Unsure");
    expect(story.scrape({ "error-rate": [100, 2, 0, 0] }).kind).toBe("Fail");
    expect(story.last?.metrics[0]?.evidence).toBeUndefined();
  });

  test("judges latency where there is no histogram", () => {
    const latency: AnalysisSettings = { ...withLatency, metrics: withLatency.metrics.slice(1) };
    const story = new Story(latency).scrape({ latency: { kind: "value", metric: "latency", atMs: 0, value: 812 } }, 3);
    expect(story.last?.verdict).toMatchObject({
      kind: "Fail",
      message: "latency 812 ms, at most 500 ms: 3 times in a row",
    });
  });
});

describe("deadlines", () => {
  const noData: Reading = { kind: "noData", metric: "error-rate", message: "no series" };

  test("overdue() says what the user wants once a verdict has stood too long", () => {
    const verdict = { kind: "Unsure", message: "", sinceMs: START } as const;
    expect(overdue(settings, verdict, START + 1_799_999)).toBeUndefined();
    expect(overdue(settings, verdict, START + 1_800_000)).toBe("pause");
    expect(overdue(settings, { ...verdict, kind: "NoData" }, START + 300_000)).toBeUndefined();
    const reverting = { ...settings, onNoData: { afterMs: 300_000, then: "revert" } } as const;
    expect(overdue(reverting, { ...verdict, kind: "NoData" }, START + 300_000)).toBe("revert");
    expect(overdue(reverting, { ...verdict, kind: "Error" }, START + 9_000_000)).toBeUndefined();
  });

  test("a metric without data is left out after its time where the user says so", () => {
    const ignoring: AnalysisSettings = { ...withLatency, onNoData: { afterMs: 60_000, then: "ignore" } };
    const story = new Story(ignoring).scrape({ "error-rate": noData, latency: good }, 4);
    expect(story.kind).toBe("NoData");
    story.scrape({ "error-rate": noData, latency: good });
    expect(story.last?.verdict).toMatchObject({ kind: "Pass", metric: "latency" });
    expect(story.last?.metrics[0]?.verdict).toBe("NoData");
  });

  test("readFromMs() reaches some scrapes back, and an hour at most", () => {
    const state = startAnalysis(settings, START);
    expect(readFromMs(settings, state, START + 10)).toBe(START - 60_000);
    expect(readFromMs(settings, state, START + 7_200_000)).toBe(START + 3_600_000);
  });
});
