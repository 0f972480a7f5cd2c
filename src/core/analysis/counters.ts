import type { Window } from "./evidence.ts";
import type { SideCounters } from "./model.ts";

/*
 * From cumulative counters to counts, each request once.
 *
 * The ledger holds, for every pod, the last scrape that was counted. Whatever is read later, again or late, a scrape
 * counts what its counter rose since the one before. As counters are cumulative, nothing is lost when a scrape is
 * missed, and nothing doubled when readings overlap.
 */

/** Of one pod: milliseconds since the start of the analysis, requests, bad ones; and while it warms up, until when. */
export type Entry = readonly [atMs: number, total: number, bad: number, warmUntilMs?: number];

/** Last counted scrape by pod; the keys are digests of the pods' names, which keeps a hundred pods within a few kB. */
export type Ledger = Readonly<Record<string, Entry>>;

/** What one scrape of one pod adds. */
export interface Increase {
  readonly atMs: number; // milliseconds since epoch
  readonly total: number;
  readonly bad: number;
}

export interface Counting {
  readonly side: "canary" | "stable";
  readonly startedAtMs: number; // the ledger's zero
  /** Canary pods first scraped after this started at 0 unseen; of others the first scrape is only where counting begins. */
  readonly bornAfterMs: number;
  /** Where the ledger is empty: scrapes up to here were counted, or are not to be. */
  readonly countedUpToMs?: number;
  /** Increases of canary pods younger than this are dropped, with all that they say. */
  readonly warmupMs: number;
}

/** Pods of one side that are remembered; beyond it the longest unseen are forgotten. */
export const MAX_PODS = 512;

/** Windows into which one reading is divided at most; beyond it they get longer. */
export const MAX_WINDOWS = 240;

/**
 * Counts what is new in a reading.
 * @returns the ledger after it, and the increases in no particular order
 */
export function count(
  ledger: Ledger,
  side: SideCounters,
  counting: Counting,
): { ledger: Ledger; increases: Increase[] } {
  const entries: Record<string, Entry> = { ...ledger };
  const increases: Increase[] = [];
  const bad = new Map(side.bad.map((counter) => [counter.pod, new Map(counter.samples)]));
  for (const { pod, samples } of side.total) {
    // A bad counter that is missing in a scrape which has the total was not touched yet: 0.
    const scrapes = samples.map(([at, total]): Entry => [at - counting.startedAtMs, total, bad.get(pod)?.get(at) ?? 0]);
    if (scrapes.length === 0) continue;
    const key = digest(pod);
    let last = entries[key] ?? firstEntry(scrapes, counting);
    for (const scrape of scrapes) {
      if (scrape[0] <= last[0]) continue; // Counted already.
      if (last[3] === undefined || last[0] >= last[3]) increases.push(increase(last, scrape, counting.startedAtMs));
      last = last[3] === undefined || last[3] <= scrape[0] ? scrape : [scrape[0], scrape[1], scrape[2], last[3]];
    }
    entries[key] = last;
  }
  return { ledger: bounded(entries), increases };
}

/** Where counting begins for a pod that was never seen: one of the canary without an earlier scrape is new. `scrapes` is not
 * empty. */
function firstEntry(scrapes: readonly Entry[], counting: Counting): Entry {
  const countFrom = Math.max(counting.bornAfterMs, counting.countedUpToMs ?? 0) - counting.startedAtMs;
  const before = scrapes.findLast(([at]) => at <= countFrom);
  const first = scrapes[0] as Entry;
  if (counting.side === "stable") return before ?? first;
  const bornAt = first[0] - 1;
  const [at, total, bad] = before ?? [bornAt, 0, 0];
  return counting.warmupMs > 0 ? [at, total, bad, bornAt + counting.warmupMs] : [at, total, bad];
}

/** What a counter rose from one scrape to the next. A fall is a restart: it began at 0 again. */
function increase(last: Entry, scrape: Entry, startedAtMs: number): Increase {
  const restarted = scrape[1] < last[1];
  const total = restarted ? scrape[1] : scrape[1] - last[1];
  const bad = restarted || scrape[2] < last[2] ? scrape[2] : scrape[2] - last[2];
  return { atMs: startedAtMs + scrape[0], total, bad: Math.min(bad, total) };
}

/**
 * Divides increases into windows of about `intervalMs`, oldest first: one in normal times, several after an outage, so
 * that it is judged as it would have been. What arrived late is counted in the oldest.
 */
export function windowsOf(
  canary: readonly Increase[],
  stable: readonly Increase[],
  span: { readonly fromMs: number; readonly toMs: number; readonly intervalMs: number },
): Window[] {
  const length = span.toMs - span.fromMs;
  const n = Math.min(Math.max(Math.round(length / span.intervalMs), 1), MAX_WINDOWS);
  const windows = Array.from({ length: n }, () => [0, 0, 0, 0] as [number, number, number, number]);
  const indexOf = (atMs: number) => Math.min(Math.max(Math.ceil(((atMs - span.fromMs) / length) * n) - 1, 0), n - 1);
  for (const { atMs, total, bad } of canary) add(windows[indexOf(atMs)] as number[], 0, total, bad);
  for (const { atMs, total, bad } of stable) add(windows[indexOf(atMs)] as number[], 2, total, bad);
  return windows;
}

function add(window: number[], offset: 0 | 2, total: number, bad: number): void {
  window[offset] = (window[offset] ?? 0) + total;
  window[offset + 1] = (window[offset + 1] ?? 0) + bad;
}

function bounded(entries: Record<string, Entry>): Ledger {
  const list = Object.entries(entries);
  if (list.length <= MAX_PODS) return entries;
  list.sort((a, b) => b[1][0] - a[1][0]);
  return Object.fromEntries(list.slice(0, MAX_PODS));
}

/** FNV-1a twice with different seeds, 36 bits in base 36: among 500 names a clash has odds of 1 in 500,000. */
function digest(name: string): string {
  return ((fnv(name, 0x811c9dc5) & 0xf) * 0x1_0000_0000 + fnv(name, 0x2b2f3d47)).toString(36);
}

function fnv(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
