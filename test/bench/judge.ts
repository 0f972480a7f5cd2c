import { type AnalysisState, judge, startAnalysis, startStep } from "../../src/core/analysis/judge.ts";
import type { AnalysisSettings, SideCounters } from "../../src/core/analysis/model.ts";

/*
 * How often the judge reverts a healthy canary, and how soon it reverts a bad one, by simulation: steps of 1, 5, 10, 25
 * and 50 %, five minutes each, a scrape every 15 s, Poisson arrivals. The judge is the real one, fed with counters.
 */

export interface BenchJudgeOptions {
  /** Rollouts in each cell of the tables. */
  readonly rollouts?: number;
  readonly rps?: readonly number[];
  readonly seed?: number;
  readonly print?: (line: string) => void;
}

const STEPS = [0.01, 0.05, 0.1, 0.25, 0.5];
const INTERVAL_MS = 15_000;
const WINDOWS_PER_STEP = 20;

const settings: AnalysisSettings = {
  metrics: [{ kind: "errorRate", name: "error-rate", max: 0.01 }],
  intervalMs: INTERVAL_MS,
  onNoData: { afterMs: 300_000, then: "hold" },
  onUnsure: { afterMs: 1_800_000, then: "pause" },
  judge: "evidence",
  alpha: 0.01,
  warmupMs: 30_000,
};

/** Bad rates in one window, as [canary, stable], and the mean size of the bunches in which errors come. */
interface Traffic {
  readonly name: string;
  /** Anew for each rollout: it may remember what the window before was like. */
  begin(random: Random): (window: number) => readonly [canary: number, stable: number];
  readonly bunch?: number;
}

const steady = (name: string, canary: number, stable: number, bunch = 1): Traffic => ({
  name,
  begin: () => () => [canary, stable],
  bunch,
});
const plain = (rate: number) => steady(`plain ${percent(rate)}`, rate, rate);

/** Log-normal noise of the rates, its mean 1, its coefficient of variation 53 %, of which a minute later e^-1 is left. */
const NOISE_SD = Math.sqrt(Math.log(1 + 0.53 ** 2));
const KEPT = Math.exp(-INTERVAL_MS / 60_000);

/** Each version has ups and downs of its own that last about a minute: garbage collection, or a bad node. */
const ownNoise = (rate: number): Traffic => ({
  name: `${percent(rate)}, own noise`,
  begin: (random) => {
    const levels = [normal(random), normal(random)];
    return () => {
      const [canary, stable] = levels.map((level, side) => {
        levels[side] = KEPT * level + Math.sqrt(1 - KEPT ** 2) * normal(random);
        return Math.min(rate * Math.exp(NOISE_SD * level - NOISE_SD ** 2 / 2), 1);
      });
      return [canary as number, stable as number];
    };
  },
});

/** Failures that are independent of each other, or hit both versions alike: the promise holds. */
export const PROMISED: readonly Traffic[] = [
  plain(0.001),
  plain(0.005),
  plain(0.009),
  {
    name: "0.5 %, common noise",
    begin: (random) => () => {
      const rate = Math.min(0.005 * Math.exp(0.7 * normal(random)), 1);
      return [rate, rate];
    },
  },
  {
    name: "0.5 %, shared outage",
    begin: () => (window) => (window >= 50 && window < 58 ? [0.2, 0.2] : [0.005, 0.005]),
  },
  { name: "0.5 %, one bad window", begin: () => (window) => [window === 50 ? 0.3 : 0.005, 0.005] },
  steady("0.5 %, bunches of 5", 0.005, 0.005, 5),
];
/** Just below the limit, or with noise of one version alone that outlasts windows: not promised, so measured. */
const BEYOND: readonly Traffic[] = [steady("0.9 %, bunches of 5", 0.009, 0.009, 5), ownNoise(0.005), ownNoise(0.009)];

/** Stable fails in 0.1 %. */
export const WORSE = [0.005, 0.01, 0.02, 0.05, 0.2].map((rate) => steady(percent(rate), rate, 0.001));

/** Prints the three tables. */
export async function benchJudge(options: BenchJudgeOptions = {}): Promise<void> {
  const { rollouts = 300, rps = [10, 100, 1000], seed = 1, print = console.log } = options;
  const table = async (title: string, traffics: readonly Traffic[], told: (failedAtMs: number[]) => string) => {
    print("");
    print(
      row(
        title,
        rps.map((r) => `${r} rps`),
      ),
    );
    for (const traffic of traffics) {
      const cells = await Promise.all(rps.map((r) => cell(traffic, r, rollouts, seed)));
      print(row(traffic.name, cells.map(told)));
    }
  };
  const reverted = (failedAtMs: number[]) => percent(failedAtMs.length / rollouts);
  print(`Judge: ${rollouts} rollouts a cell, limit 1 %, seed ${seed}; at most 1 % of healthy ones may be reverted`);
  await table("healthy: reverted", PROMISED, reverted);
  await table("beyond the promise: reverted", BEYOND, reverted);
  await table("from 0.1 % to: median, found", WORSE, (failedAtMs) => found(failedAtMs, rollouts));
}

/** Plays one cell's rollouts; between them others get their turn.
 * @returns after how many milliseconds each of those was reverted that were */
export async function cell(traffic: Traffic, rps: number, rollouts: number, seed: number): Promise<number[]> {
  const failedAtMs: number[] = [];
  for (let i = 0; i < rollouts; i++) {
    const random = randomOf(seed * 1_000_003 + rps * 7919 + i);
    const at = play(traffic, rps, random);
    if (at !== undefined) failedAtMs.push(at);
    if (i % 20 === 19) await new Promise((done) => setImmediate(done));
  }
  return failedAtMs;
}

/** Plays one rollout.
 * @returns after how many milliseconds it was reverted; undefined if it was not */
function play(traffic: Traffic, rps: number, random: Random): number | undefined {
  let state: AnalysisState = startAnalysis(settings, 0);
  const sums = [0, 0, 0, 0];
  const ratesOf = traffic.begin(random);
  for (let window = 0; window < STEPS.length * WINDOWS_PER_STEP; window++) {
    const weight = STEPS[Math.floor(window / WINDOWS_PER_STEP)] as number;
    const nowMs = (window + 1) * INTERVAL_MS;
    if (window % WINDOWS_PER_STEP === 0) state = startStep(state, nowMs - INTERVAL_MS);
    const rates = ratesOf(window);
    [weight, 1 - weight].forEach((share, side) => {
      const requests = poisson((rps * share * INTERVAL_MS) / 1000, random);
      sums[2 * side] = (sums[2 * side] ?? 0) + requests;
      sums[2 * side + 1] =
        (sums[2 * side + 1] ?? 0) + badOf(requests, rates[side as 0 | 1], traffic.bunch ?? 1, random);
    });
    const canary = sideOf("canary", nowMs, sums[0] as number, sums[1] as number);
    const stable = sideOf("stable", nowMs, sums[2] as number, sums[3] as number);
    const judged = judge(settings, state, {
      nowMs,
      stepStartedAtMs: 0,
      compare: true,
      bornAfterMs: 0,
      readings: [{ kind: "counters", metric: "error-rate", canary, stable }],
    });
    if (judged.verdict.kind === "Fail") return nowMs;
    state = judged.state;
  }
  return undefined;
}

function sideOf(pod: string, nowMs: number, total: number, bad: number): SideCounters {
  const samples = (count: number) => [[0, 0] as const, [nowMs, count] as const];
  return { total: [{ pod, samples: samples(total) }], bad: [{ pod, samples: samples(bad) }] };
}

/** Bad ones among `requests`, in bunches whose sizes are geometric with the mean `bunch`. */
function badOf(requests: number, rate: number, bunch: number, random: Random): number {
  let bad = 0;
  const bunches = poisson((requests * rate) / bunch, random);
  for (let i = 0; i < bunches; i++)
    bad += bunch === 1 ? 1 : 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - 1 / bunch));
  return Math.min(bad, requests);
}

type Random = () => number;

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** By multiplication while the mean is small, else by the normal approximation, which is as good there. */
function poisson(mean: number, random: Random): number {
  if (mean > 200) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const limit = Math.exp(-mean);
  let [events, product] = [0, random()];
  while (product > limit) {
    events++;
    product *= random();
  }
  return events;
}

function found(failedAtMs: readonly number[], rollouts: number): string {
  const sorted = failedAtMs.toSorted((a, b) => a - b); // The median counts those never found as later than all.
  const median = sorted[Math.ceil(rollouts / 2) - 1];
  const share = percent(sorted.length / rollouts);
  return median === undefined ? `– (${share})` : `${(median / 60_000).toFixed(2)} min (${share})`;
}

function percent(rate: number): string {
  return `${Number((100 * rate).toFixed(2))} %`;
}

function row(name: string, cells: readonly string[]): string {
  return [name.padEnd(30), ...cells.map((text) => text.padStart(20))].join("");
}

if (import.meta.main) await benchJudge({ rollouts: Number(process.argv[2] ?? 300) });
