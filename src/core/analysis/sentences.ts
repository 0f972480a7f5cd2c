import type { Window } from "./evidence.ts";
import type { MetricSpec } from "./model.ts";

/** `4.8 %`, `0.10 %`, `20 %`: two digits that count. */
export function percent(rate: number): string {
  if (rate === 0) return "0 %";
  const value = rate * 100;
  return `${value >= 99.5 ? Math.round(value) : value.toPrecision(2)} %`;
}

/** `1,700`: two digits that count. */
export function rounded(n: number): string {
  if (n > 1e6) return "over 1,000,000";
  return Math.round(Number(n.toPrecision(2))).toLocaleString("en-US");
}

/** `15 s`, `2 min`, `3 h`. */
export function roughly(ms: number): string {
  if (ms < 90_000) return `${Math.max(1, Math.round(ms / 1000))} s`;
  return ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** What both sides are called in messages. */
export interface Words {
  readonly other: string;
  /** Of a side that is compared with by what it last showed. */
  readonly otherHad: string;
  readonly nothingSeen: string;
  readonly bothBad: string;
  readonly noWorse: string;
}

/** Of a release. */
export const OF_RELEASE: Words = {
  other: "stable",
  otherHad: "stable had",
  nothingSeen: "no canary pod was scraped",
  bothBad: "bad on both versions, not the canary",
  noWorse: "no worse than stable was",
};

/** Of users who get a variant, against those who get the control. */
export const OF_VARIANTS: Words = {
  other: "control",
  otherHad: "control had",
  nothingSeen: "no request with the variant was counted",
  bothBad: "bad with both variants, not this one",
  noWorse: "no worse than the control was",
};

/** Of all requests since something began, against those before. */
export const OF_BEFORE_AFTER: Words = {
  other: "before",
  otherHad: "before",
  nothingSeen: "no request was counted",
  bothBad: "bad before too",
  noWorse: "bad before too",
};

/** `error-rate 4.8 % (17/352), stable 0.10 %` or `latency 4.8 % over 500 ms (17/352)`. */
export function observed(spec: MetricSpec, [nC, xC, nS, xS]: Window, words: Words, reference?: number): string {
  const over = spec.kind === "latency" ? ` over ${spec.maxMs} ms` : "";
  const canary = `${spec.name} ${percent(nC === 0 ? 0 : xC / nC)}${over} (${Math.round(xC)}/${Math.round(nC)})`;
  if (nS > 0) return `${canary}, ${words.other} ${percent(xS / nS)}`;
  return reference === undefined ? canary : `${canary}, ${words.otherHad} ${percent(reference)}`;
}
