import { NAMES, STAGES } from "./happenings.ts";
import keptSeeds from "./kept-seeds.json" with { type: "json" };
import { type Outcome, play } from "./run.ts";

/** From so many seeds on a cell that stays empty is a failure. */
const ENOUGH = 2_000;

export interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly story: boolean;
}

/** Plays the seeds, and those that once failed; prints what was met and what was broken.
 * @returns the exit code */
export function report({ seeds, from, story }: Options): number {
  const met = new Map<string, number>();
  const ends = new Map<string, number>();
  const broken: Outcome[] = [];
  const kept = story ? [] : keptSeeds.map(({ seed }) => seed);
  const all = [...kept, ...Array.from({ length: seeds }, (_, i) => from + i)];
  const started = performance.now();
  let passes = 0;
  for (const seed of all) {
    const outcome = play(seed);
    passes += outcome.passes;
    add(ends, outcome.end);
    for (const [cell, count] of outcome.met) met.set(cell, (met.get(cell) ?? 0) + count);
    if (story) console.log(outcome.story.join("\n"));
    if (outcome.violations.length === 0) continue;
    broken.push(outcome);
    if (!story && broken.length === 1) console.log(outcome.story.join("\n"));
    for (const { invariant, message } of outcome.violations) console.log(`seed ${seed}: ${invariant} ${message}`);
  }
  const seconds = (performance.now() - started) / 1_000;
  if (!story) console.log(table(met));
  const empty = emptyCells(met);
  console.log(
    `${all.length} seeds, ${passes} passes in ${seconds.toFixed(1)} s: ${(all.length / seconds).toFixed(0)} seeds a second; they ended ${[...ends].map(([end, n]) => `${n} ${end}`).join(", ")}`,
  );
  if (seeds >= ENOUGH) for (const cell of empty) console.log(`never met: ${cell}`);
  if (broken.length > 0)
    console.log(`${broken.length} seeds broke an invariant: ${broken.map(({ seed }) => seed).join(", ")}`);
  return broken.length > 0 || (seeds >= ENOUGH && empty.length > 0) ? 1 : 0;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function emptyCells(met: ReadonlyMap<string, number>): string[] {
  return NAMES.flatMap((name) => STAGES.map((stage) => `${name} × ${stage}`)).filter((cell) => !met.has(cell));
}

/** How often each thing met each stage of a release. */
function table(met: ReadonlyMap<string, number>): string {
  const width = Math.max(...NAMES.map((name) => name.length));
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(width)} ${cells.map((c) => c.padStart(12)).join("")}`;
  const rows = NAMES.map((name) =>
    row(
      name,
      STAGES.map((stage) => String(met.get(`${name} × ${stage}`) ?? "—")),
    ),
  );
  return [row("", STAGES), ...rows].join("\n");
}
