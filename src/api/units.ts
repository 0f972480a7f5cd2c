/** Units as people write them, and as Zenith counts: milliseconds, basis points, fractions. */

/** A value that does not say what its unit needs. Admission refuses these; what slips through becomes a condition. */
export class UnitError extends Error {
  override readonly name = "UnitError";
}

/** Reads a value, and says where it stood should it not be one.
 * @throws UnitError with the path before the unit's own sentence */
export function readAt<V, T>(path: string, parse: (value: V) => T, value: V): T {
  try {
    return parse(value);
  } catch (error) {
    throw error instanceof UnitError ? new UnitError(`${path} ${error.message}`) : error;
  }
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
export const MAX_DURATION_MS = 365 * UNIT_MS.d;

/** @example parseDurationMs("10m") // 600000
 * @throws UnitError unless one integer and s, m, h or d, at most 365d */
export function parseDurationMs(text: string): number {
  const match = /^([0-9]{1,9})(s|m|h|d)$/.exec(text);
  if (match === null)
    throw new UnitError(`must be one integer and s, m, h or d, such as "10m" (got ${JSON.stringify(text)})`);
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  if (ms > MAX_DURATION_MS) throw new UnitError(`must be at most 365d (got ${JSON.stringify(text)})`);
  return ms;
}

/** A share of traffic in basis points, 0–10 000.
 * @example parseWeightBp(5) // 500
 * @example parseWeightBp("0.5%") // 50 */
export function parseWeightBp(weight: number | string): number {
  const bp = typeof weight === "number" ? weight * 100 : parsePercent(weight) * 10_000;
  const rounded = Math.round(bp);
  if (!(rounded >= 0 && rounded <= 10_000) || Math.abs(bp - rounded) > 1e-6) {
    throw new UnitError(`must be a percentage from 0 to 100 with at most two decimals (got ${JSON.stringify(weight)})`);
  }
  return rounded;
}

/** A share of users in parts of 100 000.
 * @example parseShare(5) // 5000
 * @example parseShare("0.125%") // 125 */
export function parseShare(share: number | string): number {
  const parts = typeof share === "number" ? share * 1000 : parsePercent(share) * 100_000;
  const rounded = Math.round(parts);
  if (!(rounded >= 0 && rounded <= 100_000) || Math.abs(parts - rounded) > 1e-6) {
    throw new UnitError(
      `must be a percentage from 0 to 100 with at most three decimals (got ${JSON.stringify(share)})`,
    );
  }
  return rounded;
}

/** @example parsePercent("0.5%") // 0.005 */
export function parsePercent(text: string): number {
  const match = /^([0-9]{1,3}(?:\.[0-9]{1,4})?)%$/.exec(text);
  const value = Number(match?.[1]);
  if (match === null || value > 100)
    throw new UnitError(`must be a percentage such as "0.5%", at most 100% (got ${JSON.stringify(text)})`);
  return value / 100;
}

/** @example parseLatencyMs("500ms") // 500 */
export function parseLatencyMs(text: string): number {
  const match = /^([0-9]{1,9})(ms|s|m)$/.exec(text);
  const ms = Number(match?.[1]) * { ms: 1, s: 1_000, m: 60_000 }[match?.[2] as "ms" | "s" | "m"];
  if (match === null || ms === 0)
    throw new UnitError(`must be a time such as "500ms" or "2s" (got ${JSON.stringify(text)})`);
  return ms;
}
