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
