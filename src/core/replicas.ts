/**
 * How many pods each side has. Where routes divide traffic, sizes only have to be enough; where they do not, the share of
 * pods is the share of traffic, and the two sides exchange pods within `maxSurge` and `maxUnavailable`.
 */

export interface Sizes {
  readonly stable: number;
  readonly canary: number;
}

/** One side as it is: pods asked for, and pods available; both integers ≥ 0. */
export interface Side {
  readonly size: number;
  readonly available: number;
}

/** The canary's pods where routes divide traffic: its share, rounded up, so that each pod bears no more than before.
 * @param canaryBp canary share in basis points, 0–10 000
 * @example canarySizeWithRoutes(10, 500) // 1 */
export function canarySizeWithRoutes(replicas: number, canaryBp: number): number {
  return Math.min(replicas, Math.ceil((replicas * canaryBp) / 10_000));
}

/** Divides `replicas` so that the canary's share of pods is nearest to its share of traffic; of two as near, the larger
 * canary. With room to surge one pod more may be counted, where that comes nearer. Neither side is left without a pod
 * while both should have traffic and there are two to divide.
 * @param replicas wanted in total, integer ≥ 0
 * @param canaryBp canary share in basis points, 0–10 000
 * @param maxSurge pods that may exist above `replicas`
 * @see docs/guarantees.md, "replicas as weights"
 * @example splitReplicas(10, 2500, 0) // { stable: 7, canary: 3 } */
export function splitReplicas(replicas: number, canaryBp: number, maxSurge: number): Sizes {
  const exact = (replicas * canaryBp) / 10_000;
  const half = exact - Math.floor(exact) === 0.5;
  const rounded = half ? [Math.ceil(exact)] : [Math.ceil(exact), Math.floor(exact)];
  const totals = maxSurge > 0 && replicas > 0 ? [replicas, replicas + 1] : [replicas];
  const both = canaryBp > 0 && canaryBp < 10_000 && (totals.at(-1) ?? 0) >= 2;
  let best: Sizes | undefined;
  let nearest = Number.POSITIVE_INFINITY;
  for (const total of totals) {
    for (const canary of rounded) {
      if (canary > total || (both && (canary === 0 || canary === total))) continue;
      const off = total === 0 ? 0 : Math.abs((canary * 10_000) / total - canaryBp);
      if (off >= nearest) continue;
      nearest = off;
      best = { stable: total - canary, canary };
    }
  }
  return best ?? { stable: replicas, canary: 0 };
}

/** `maxSurge` and `maxUnavailable` as pods: shares of `replicas`, surge rounded up and unavailable down, as a Deployment
 * rounds them. Where both come to 0 one pod may be unavailable, else none could ever be replaced. */
export function resolveSurge(
  replicas: number,
  maxSurge: number | string,
  maxUnavailable: number | string,
): { maxSurge: number; maxUnavailable: number } {
  const pods = (value: number | string, round: (n: number) => number) =>
    typeof value === "number" ? value : round((replicas * Number.parseFloat(value)) / 100);
  const surge = pods(maxSurge, Math.ceil);
  const unavailable = pods(maxUnavailable, Math.floor);
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** The next sizes on the way to a split: first as many pods up as may be, stable before the canary, then as many down as
 * leaves enough available. Pods that are not available hold nothing up on the side that shrinks.
 * @param others pods of revisions that have no part any more: they go first, and count against the surge
 * @example nextSizes({ replicas: 10, canaryBp: 5000, maxSurge: 2, maxUnavailable: 1, stable: { size: 10, available: 10 },
 *   canary: { size: 0, available: 0 }, others: 0 }) // { stable: 9, canary: 2 } */
export function nextSizes(input: {
  readonly replicas: number;
  readonly canaryBp: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  readonly stable: Side;
  readonly canary: Side;
  readonly others: number;
}): Sizes {
  const { replicas, stable, canary, others } = input;
  const wanted = splitReplicas(replicas, input.canaryBp, input.maxSurge);
  let room = Math.max(0, replicas + input.maxSurge - stable.size - canary.size - others);
  const grow = (size: number, to: number) => {
    const by = Math.min(room, Math.max(0, to - size));
    room -= by;
    return size + by;
  };
  const grown = { stable: grow(stable.size, wanted.stable), canary: grow(canary.size, wanted.canary) };
  if (others > 0) return grown;
  const rising = wanted.canary >= canary.size;
  const counted = countedOn(canary, !rising) + countedOn(stable, rising);
  let spare = Math.max(0, counted - (replicas - input.maxUnavailable));
  const shrink = (size: number, to: number) => {
    const by = Math.min(spare, Math.max(0, size - to));
    spare -= by;
    return size - by;
  };
  const smallerCanary = canary.size > wanted.canary ? shrink(canary.size, wanted.canary) : grown.canary;
  const smallerStable = stable.size > wanted.stable ? shrink(stable.size, wanted.stable) : grown.stable;
  return { stable: smallerStable, canary: smallerCanary };
}

/** Pods of one side that count as serving while it is decided what may go. */
function countedOn({ size, available }: Side, shrinks: boolean): number {
  return shrinks || size < available ? size : available;
}
