/** Requests slower than a limit, out of a histogram whose boundaries may miss the limit. */
export interface SlowCounts {
  readonly total: number;
  /** Above the next boundary at or over the limit. */
  readonly surely: number;
  /** Above the last boundary at or under the limit. */
  readonly possibly: number;
}

/**
 * Counts of a classic histogram.
 * @param cumulative [le, count] in any order, `le` as Prometheus writes it, `+Inf` among them
 * @param limit in the histogram's unit
 */
export function slowOfClassic(
  cumulative: readonly (readonly [string, number])[],
  limit: number,
): SlowCounts & { exact: boolean } {
  const rows = cumulative.map(([le, count]) => [boundaryOf(le), count] as const).sort((a, b) => a[0] - b[0]);
  const total = rows.at(-1)?.[1] ?? 0;
  const over = rows.find(([le]) => le >= limit)?.[1] ?? total;
  const under = rows.findLast(([le]) => le <= limit)?.[1] ?? 0;
  return { total, surely: total - over, possibly: total - under, exact: rows.some(([le]) => le === limit) };
}

/** Counts of a native histogram: [boundary rule, left, right, count] as in Prometheus' JSON. */
export function slowOfNative(
  buckets: readonly (readonly [number, string, string, string])[],
  limit: number,
): SlowCounts {
  let [total, surely, possibly] = [0, 0, 0];
  for (const [, left, right, text] of buckets) {
    const count = Number(text);
    total += count;
    if (Number(left) >= limit) surely += count;
    if (Number(right) > limit) possibly += count;
  }
  return { total, surely, possibly };
}

/** The boundary that an `le` label names, in the histogram's unit. */
export function boundaryOf(le: string): number {
  return le === "+Inf" || le === "Inf" ? Number.POSITIVE_INFINITY : Number(le);
}

/**
 * A quantile of a classic histogram, as `histogram_quantile` estimates it: evenly spread within its bucket.
 * @param counts [le, requests up to it] in any order, `+Inf` among them; one boundary may be written in two ways, "1" and "1.0"
 * @param quantile 0–1
 * @returns in the histogram's unit; `atLeast` where it lies above the highest bucket; undefined where nothing was counted
 */
export function quantileOfClassic(
  counts: readonly (readonly [string, number])[],
  quantile: number,
): { readonly value: number; readonly atLeast?: true } | undefined {
  const sums = new Map<number, number>();
  for (const [le, count] of counts) sums.set(boundaryOf(le), (sums.get(boundaryOf(le)) ?? 0) + count);
  const rows = [...sums].sort((a, b) => a[0] - b[0]);
  const total = rows.at(-1)?.[1] ?? 0;
  if (!(total > 0) || rows.at(-1)?.[0] !== Number.POSITIVE_INFINITY) return undefined;
  const wanted = quantile * total;
  const i = rows.findIndex(([, count]) => count >= wanted);
  const [upper = 0, upTo = 0] = rows[i] ?? [];
  const [lower = 0, below = 0] = i > 0 ? (rows[i - 1] ?? []) : [];
  if (upper === Number.POSITIVE_INFINITY) return { value: lower, atLeast: true };
  return { value: upTo === below ? upper : lower + ((upper - lower) * (wanted - below)) / (upTo - below) };
}
