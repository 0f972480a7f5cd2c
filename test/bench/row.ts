/** One line of the table that `npm run bench` prints. */
export interface Row {
  readonly what: string;
  readonly budget: string;
  readonly measured: string;
  /** How, in a few words, so that a reader can repeat it. */
  readonly how: string;
}

export function ms(value: number): string {
  return value >= 1_000
    ? `${(value / 1_000).toFixed(1)} s`
    : value >= 10
      ? `${value.toFixed(0)} ms`
      : `${value.toFixed(2)} ms`;
}

/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
