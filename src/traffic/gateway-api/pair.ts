import type { BackendRef } from "../../api/kubernetes.ts";
import { keysOf, weightOf } from "./backend.ts";
import { MAX_WEIGHT, type RuleNote } from "./note.ts";

/**
 * The arithmetic of one rule. At rest the entry of the Service is as its author wrote it; during a release it stands as a
 * pair that shares the weight it had:
 *
 *     rest     [web (w=3)] [other (w=1)]
 *     paired   [web 60] [web-canary 15] [other 25]      canary 20 %, all weights × 25, so that siblings keep their ratio
 */
export interface Entries {
  readonly refs: readonly BackendRef[];
  readonly service: number; // position of the Service's entry
  readonly canary: number; // position of the canary's entry, −1 where there is none
  readonly note: PairNote | undefined;
}

/** The part of a note that is about weights. */
export type PairNote = Pick<RuleNote, "factor" | "pair" | "canaryBp" | "absent" | "listed">;

/** Sum of both weights, as they are. */
export function sumOf({ refs, service, canary }: Entries): number {
  return weightOf(refs[service]) + (canary === -1 ? 0 : weightOf(refs[canary]));
}

/** The canary's share of the pair in basis points: what was asked for, where the weights are the nearest to it that the rule
 * can say; else the nearest to what they are. */
export function shareOf(entries: Entries): number {
  const { refs, canary, note } = entries;
  const sum = sumOf(entries);
  const theirs = canary === -1 ? 0 : weightOf(refs[canary]);
  if (note !== undefined && sum === note.pair && theirs === canaryWeight(sum, note.canaryBp)) return note.canaryBp;
  return sum === 0 ? 0 : Math.round((10_000 * theirs) / sum);
}

/** The rule's list with a pair in it, and the note that leads back. */
export function paired(
  entries: Entries,
  canaryService: string,
  canaryBp: number,
): { refs: readonly BackendRef[]; note: PairNote } {
  const { refs, service, canary, absent } = authored(entries);
  const listed = canary !== -1;
  const total = weightOf(refs[service]);
  const factor = factorFor(total, canaryBp, Math.max(1, ...refs.map(weightOf)));
  const pair = total * factor;
  const weight = canaryWeight(pair, canaryBp);
  const scaled = refs.map((ref, i) => {
    if (i === service) return { ...ref, weight: pair - weight };
    return { ...ref, weight: i === canary ? weight : weightOf(ref) * factor };
  });
  const entry = { ...(refs[service] as BackendRef), name: canaryService, weight };
  const withPair = listed ? scaled : [...scaled.slice(0, service + 1), entry, ...scaled.slice(service + 1)];
  return { refs: withPair, note: { factor, pair, canaryBp, absent, listed } };
}

/** The rule's list as its author would have it. */
export function folded(entries: Entries): readonly BackendRef[] {
  const { refs, absent } = authored(entries);
  const keys = keysOf(refs);
  return refs.map((ref, i) => {
    if (ref.weight !== 1 || !absent.includes(keys[i] ?? "")) return ref;
    const { weight: _one, ...rest } = ref;
    return rest;
  });
}

interface Authored {
  readonly refs: readonly BackendRef[];
  readonly service: number;
  readonly canary: number; // −1 unless the author lists it; its weight is 0
  readonly absent: readonly string[];
}

/**
 * Our entry gone and weights divided by the factor. Someone may have edited weights meanwhile. How a pair shares what it has is
 * ours to say: the sum is as it was. All else is theirs: a list that the factor no longer divides stands as it is, since weights
 * mean nothing but their ratio.
 */
function authored(entries: Entries): Authored {
  const { refs, service, canary, note } = entries;
  const without = keysOf(refs).filter((_, i) => refs[i]?.weight === undefined);
  if (note === undefined) return { refs, service, canary, absent: without };
  const { listed } = note;
  const absent = [...new Set([...note.absent, ...without])];
  const live = sumOf(entries);
  // A note with nothing in its pair is not believed against weights that have something.
  const total = listed || note.pair === 0 ? live : note.pair;
  const others = refs.filter((_, i) => i !== service && i !== canary).map(weightOf);
  const divides = total === note.pair && [total, ...others].every((weight) => weight % note.factor === 0);
  const factor = divides ? note.factor : 1;
  const whole = refs.map((ref, i) => {
    if (i === canary) return { ...ref, weight: 0 };
    return { ...ref, weight: (i === service ? total : weightOf(ref)) / factor };
  });
  if (listed) return { refs: whole, service, canary, absent };
  const kept = whole.filter((_, i) => i !== canary);
  return { refs: kept, service: canary < service ? service - 1 : service, canary: -1, absent };
}

/** Rounded down: a canary never gets more than was asked for. */
function canaryWeight(pair: number, canaryBp: number): number {
  return Math.floor((pair * canaryBp) / 10_000);
}

/** The least factor that expresses the share in whole weights, or the largest that the bound allows. */
function factorFor(total: number, canaryBp: number, largest: number): number {
  if (total === 0) return 1;
  const least = 10_000 / gcd(10_000, total * canaryBp);
  return Math.max(1, Math.min(least, Math.floor(MAX_WEIGHT / largest)));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
