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

/** `error-rate 4.8 % (17/352), stable 0.10 %` or `latency 4.8 % over 500 ms (17/352)`. */
export function observed(spec: MetricSpec, [nC, xC, nS, xS]: Window, reference?: number): string {
  const over = spec.kind === "latency" ? ` over ${spec.maxMs} ms` : "";
  const canary = `${spec.name} ${percent(nC === 0 ? 0 : xC / nC)}${over} (${Math.round(xC)}/${Math.round(nC)})`;
  if (nS > 0) return `${canary}, stable ${percent(xS / nS)}`;
  return reference === undefined ? canary : `${canary}, stable had ${percent(reference)}`;
}
