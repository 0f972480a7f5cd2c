import { lnBeta, logSumExp } from "./logs.ts";

/*
 * Is the canary proven to be below its limit? The mirror image of evidence.ts, and needed in each step anew: what a
 * canary showed at 5 % says little about 50 %.
 */

/** "So much better than the limit." */
export const RHO_PASS = [0.02, 0.1, 0.25, 0.5] as const;

/** Chance that a canary exactly at its limit is passed. */
export const BETA = 0.05;

/** The four bets, as natural logarithms. */
export type PassEvidence = readonly number[];

export function noPassEvidence(): PassEvidence {
  return RHO_PASS.map(() => 0);
}

/** Takes in one window of `requests`, `bad` of which were bad, against the limit `max` (fraction). */
export function addPassWindow(
  evidence: PassEvidence,
  requests: number,
  bad: number,
  max: number,
  sigma2 = 0.1,
): PassEvidence {
  const expected = requests * max;
  const temper = 1 / (1 + sigma2 * expected);
  return RHO_PASS.map((rho, i) => {
    const gain = -expected * Math.expm1(temper * Math.log(rho)); // expected × (1 − ρ^temper)
    return (evidence[i] ?? 0) + bad * temper * Math.log(rho) + (sigma2 > 0 ? Math.log1p(sigma2 * gain) / sigma2 : gain);
  });
}

/** Natural logarithm of the evidence for health. */
export function logPass(evidence: PassEvidence): number {
  return logSumExp(evidence) - Math.log(evidence.length);
}

export function isPassed(evidence: PassEvidence, beta = BETA): boolean {
  return logPass(evidence) >= Math.log(1 / beta);
}

/** About how many more canary requests until it passes if its rate is `rate`; undefined: never at this rate. */
export function requestsToPass(evidence: PassEvidence, max: number, rate: number, beta = BETA): number | undefined {
  if (isPassed(evidence, beta)) return 0;
  const goal = Math.log(1 / beta) + Math.log(RHO_PASS.length);
  const needs = RHO_PASS.flatMap((rho, i) => {
    const drift = rate * Math.log(rho) + max * (1 - rho);
    return drift > 0 ? [Math.max(0, (goal - (evidence[i] ?? 0)) / drift)] : [];
  });
  return needs.length === 0 ? undefined : Math.ceil(Math.min(...needs) - 1e-9);
}

/** About how many canary requests until it fails, if its rate is `factor` times the limit `max`: fewer than these prove nothing. */
export function requestsToDetect(max: number, factor: number, alpha: number, tests: number): number {
  const drift = max * (factor * Math.log(factor) - factor + 1);
  return Math.ceil((Math.log(tests / alpha) + Math.log(12)) / drift); // 12: half of the capital, in six bets.
}

/**
 * An interval for a rate that holds at every look, for display.
 * @param bad of `requests`
 * @returns [lower, upper], fractions; [0, 1] while nothing was seen
 */
export function rateInterval(bad: number, requests: number, alpha = 0.05): readonly [number, number] {
  if (requests === 0) return [0, 1];
  const good = requests - bad;
  const base = lnBeta(0.5 + bad, 0.5 + good) - lnBeta(0.5, 0.5) - Math.log(1 / alpha);
  const isOutside = (p: number) =>
    base - (bad > 0 ? bad * Math.log(p) : 0) - (good > 0 ? good * Math.log1p(-p) : 0) > 0;
  const observed = bad / requests;
  const lower = bad === 0 ? 0 : boundary(1e-300, observed, isOutside);
  const upper = good === 0 ? 1 : boundary(1 - 1e-16, observed, isOutside);
  return [lower, upper];
}

/** Bisects between a point outside and one inside. */
function boundary(outside: number, inside: number, isOutside: (p: number) => boolean): number {
  let [out, within] = [outside, inside];
  for (let i = 0; i < 200; i++) {
    const middle = (out + within) / 2;
    if (isOutside(middle)) out = middle;
    else within = middle;
  }
  return within;
}
