import { lnBeta } from "../../analysis/logs.ts";

/** Whether users come in the ratio that the weights say. Where they do not, keys are missing, something caches, or the variant
 * drives its users away: what is compared is then not what was meant to be. An alarm, never a reason to revert. */
export interface SampleRatio {
  readonly wanted: number; // fraction
  readonly seen: number; // fraction
  readonly requests: number;
  /** How much likelier another ratio is than the wanted one, as N in N:1, at most a million. */
  readonly evidence: number;
}

/** Users send requests in bunches, some far more than others, so that many requests say no more than one user: so many are
 * taken for one. It is twice and more what real programs need; an alarm may come later, but not in vain. */
const REQUESTS_A_USER = 100;
/** Evidence that alarms; it may be looked at any number of times. */
const ALARM = 10_000;
/** A difference smaller than this share of the smaller side is true of every real program, and alarms nobody. */
const LEAST_DIFFERENCE = 0.1;

/** @param seen requests of the variant and of the control, at one weight
 * @param weightBp the variant's share, in basis points
 * @returns undefined where there is nothing to compare */
export function sampleRatioOf(
  [treated, control]: readonly [number, number],
  weightBp: number,
): SampleRatio | undefined {
  const requests = treated + control;
  if (requests === 0 || weightBp <= 0 || weightBp >= 10_000) return undefined;
  const wanted = weightBp / 10_000;
  return {
    wanted,
    seen: round(treated / requests),
    requests: Math.round(requests),
    evidence: evidenceOf(treated, control, wanted),
  };
}

/** A Beta-binomial against the wanted share: a test that holds at every look.
 *
 *     E = B(½ + x, ½ + n − x) ⁄ B(½, ½) ⁄ (p^x (1−p)^(n−x)) */
function evidenceOf(treated: number, control: number, wanted: number): number {
  const [x, y] = [treated / REQUESTS_A_USER, control / REQUESTS_A_USER];
  const log = lnBeta(0.5 + x, 0.5 + y) - lnBeta(0.5, 0.5) - x * Math.log(wanted) - y * Math.log1p(-wanted);
  return Number(Math.exp(Math.min(Math.max(log, -20), Math.log(1_000_000))).toPrecision(2));
}

/** Whether people should be told. */
export function isMismatch({ wanted, seen, evidence }: SampleRatio): boolean {
  return evidence >= ALARM && Math.abs(seen - wanted) > LEAST_DIFFERENCE * Math.min(wanted, 1 - wanted);
}

function round(share: number): number {
  return Math.round(share * 10_000) / 10_000;
}
