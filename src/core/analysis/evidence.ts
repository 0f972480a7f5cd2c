import { logAddExp, logSumExp } from "./logs.ts";

/*
 * Is the canary worse than allowed? Answered by betting against its health.
 *
 * Every scrape is a window of exact counts. In each, six bets say "the canary's rate is ρ times what is allowed"; a bet
 * multiplies its stake by the likelihood of what was seen under that claim, against health. New bets are placed out of
 * a reserve at every window, so that a regression that begins late is not buried under the losses of good hours. Were
 * the canary healthy, the stakes could not be expected to grow; so capital of 100 has a probability of at most 1 in 100,
 * however often one looks (Ville). Two things keep that true of real traffic: a cap on what one window may multiply (errors
 * come in bunches), and the root taken of busy windows (versions have noise of their own).
 */

/** Counts of one window: [canary requests, canary bad, stable requests, stable bad]. */
export type Window = readonly [number, number, number, number];

/** What health means in one test: the canary's bad rate is at most `ratio` × stable's + `slack`. Ratio 0 looks at no stable. */
export interface Test {
  readonly ratio: number;
  readonly slack: number; // fraction of requests
  /** The metric's limit: the first guess of stable's rate. */
  readonly max: number;
}

/** How bets are placed. */
export interface Betting {
  /** Squared coefficient of variation of the noise that a version has of its own; 0 trusts every request to be independent. */
  readonly sigma2: number;
  /** Windows over which the reserve is spread at first; later in proportion to the windows seen. */
  readonly horizon: number;
  /** Share of the reserve staked in the first window. */
  readonly first: number;
  /** The most by which one window may multiply a bet. */
  readonly cap: number;
}

/** The capital of one test; all logarithms are natural. */
export interface Evidence {
  readonly n: number; // windows with canary traffic
  readonly logCash: number;
  readonly logBets: readonly number[]; // one of each RHO, empty before the first window
  readonly stable: number; // stable requests seen
  readonly stableBad: number;
}

/** "So many times worse than allowed." */
export const RHO = [1.2, 1.5, 2.5, 5, 10, 30] as const;

export const BETTING = { sigma2: 0.1, horizon: 100, first: 0.5 } as const;

/** Windows that must be bad before a revert: one is never enough, three take 45 s at a scrape every 15 s. */
export const MIN_BAD_WINDOWS = 3;

/**
 * The capital that reverts, and the cap on one window.
 * @param alpha share of healthy rollouts that may be reverted, 0–1
 * @param tests number of tests whose capital is added up
 */
export function limits(alpha: number, tests: number, minBadWindows = MIN_BAD_WINDOWS) {
  const need = tests / alpha;
  // A looser alpha must not tighten the cap.
  const cap = ((2 * tests) / Math.min(alpha, 0.01)) ** (1 / minBadWindows);
  return { need, logNeed: Math.log(need), cap };
}

export function noEvidence(): Evidence {
  return { n: 0, logCash: 0, logBets: [], stable: 0, stableBad: 0 };
}

/**
 * What one window says to each bet, as logarithms of the factors.
 * `weight` is the share of bad requests that would fall to the canary if both were equally allowed; `expected` the bad
 * canary requests if it is healthy; `temper` the root taken because of noise.
 */
export function windowIncrement(
  window: Window,
  test: Test,
  betting: Betting,
  past: Pick<Evidence, "stable" | "stableBad">,
) {
  const [nC, xC, nS, xS] = window;
  const compared = test.ratio > 0;
  const weight = compared && test.ratio * nC + nS > 0 ? (test.ratio * nC) / (test.ratio * nC + nS) : 0;
  const bad = compared ? xC + xS : xC;
  const stableRate = (past.stableBad + 1) / (past.stable + 1 / test.max); // Of earlier windows only, or the bet would know its outcome.
  const expected = nC * (compared ? test.ratio * stableRate * (1 - weight) + test.slack : test.slack);
  const temper = 1 / (1 + (compared ? 3 : 2) * betting.sigma2 * expected);
  const logCap = Math.log(betting.cap);
  const increments = RHO.map((rho) => {
    const logD = Math.log1p(weight * (rho - 1));
    const logA = Math.log(rho) - logD;
    return Math.min(temper * (xC * Math.log(rho) - bad * logD - nC * test.slack * Math.expm1(logA)), logCap);
  });
  return { weight, stableRate, expected, temper, increments };
}

/**
 * Takes in one window. A window without canary traffic says nothing and costs nothing.
 *
 * The reserve gives 1/horizon a window at first, and 1/n once n windows have passed: over a bake of two days a constant
 * share would have used it up, and what begins on the second day would be found an hour late.
 */
export function addWindow(evidence: Evidence, window: Window, test: Test, betting: Betting): Evidence {
  if (window[0] <= 0) return evidence;
  const { increments } = windowIncrement(window, test, betting, evidence);
  const share = evidence.n === 0 ? betting.first : 1 / Math.max(betting.horizon, evidence.n);
  const stake = evidence.logCash + Math.log(share) - Math.log(RHO.length);
  return {
    n: evidence.n + 1,
    logCash: evidence.logCash + Math.log1p(-share),
    logBets: increments.map((gain, i) => logAddExp(evidence.logBets[i] ?? Number.NEGATIVE_INFINITY, stake) + gain),
    stable: evidence.stable + window[2],
    stableBad: evidence.stableBad + window[3],
  };
}

/** Logarithm of the whole capital: 0 is none either way. */
export function logEvidence(evidence: Evidence): number {
  return logSumExp([evidence.logCash, ...evidence.logBets]);
}

/** The three tests of one metric. `equal` and `absolute` count together as one: worse than stable and worse than the limit. */
export interface MetricEvidence {
  readonly relative: Evidence;
  readonly absolute: Evidence;
  readonly equal: Evidence;
}

/** With what the canary is compared: stable in the same window, stable's rate of an earlier time, or nothing but the limit. */
export type Comparison =
  | { readonly kind: "stable" }
  | { readonly kind: "rate"; readonly rate: number } // fraction of requests
  | { readonly kind: "none" };

/** Tests that are added up for each metric. */
export const TESTS_PER_METRIC = 2;

export function noMetricEvidence(): MetricEvidence {
  return { relative: noEvidence(), absolute: noEvidence(), equal: noEvidence() };
}

/** Takes one window into the tests that `comparison` allows. */
export function addMetricWindow(
  evidence: MetricEvidence,
  window: Window,
  max: number,
  comparison: Comparison,
  betting: Betting,
): MetricEvidence {
  const { relative, equal } = evidence;
  const absolute = addWindow(evidence.absolute, window, { ratio: 0, slack: max, max }, betting);
  switch (comparison.kind) {
    case "stable":
      return {
        relative: addWindow(relative, window, { ratio: 1.5, slack: max / 10, max }, betting),
        absolute,
        equal: addWindow(equal, window, { ratio: 1, slack: 0, max }, betting),
      };
    case "rate": // Another hour's stable: it can excuse the canary, but not accuse it.
      return {
        relative,
        absolute,
        equal: addWindow(equal, window, { ratio: 0, slack: comparison.rate, max }, betting),
      };
    case "none":
      return { relative, absolute, equal };
  }
}

/** Logarithms of the capital of the metric's tests, in the order relative, guarded; to be added up over all metrics. */
export function testsOf(evidence: MetricEvidence, comparison: Comparison): readonly number[] {
  const absolute = logEvidence(evidence.absolute);
  const guarded = comparison.kind === "none" ? absolute : Math.min(absolute, logEvidence(evidence.equal));
  return evidence.relative.n === 0 ? [guarded] : [logEvidence(evidence.relative), guarded];
}
