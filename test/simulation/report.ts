import { readFileSync, writeFileSync } from "node:fs";
import { NAMES, STAGES } from "./happenings.ts";
import keptSeeds from "./kept-seeds.json" with { type: "json" };
import { catchPlanted, PLANTED } from "./planted.ts";
import { playAll, THREADS } from "./players.ts";
import { type Outcome, play } from "./run.ts";

const KEPT = new URL("kept-seeds.json", import.meta.url);

/** From so many seeds on a cell that stays empty is a failure. */
const ENOUGH = 2_000;

/** The canary Service is made for the first canary. */
const IMPOSSIBLE: readonly string[] = ["deleteCanaryService × Starting"];

export interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly threads?: number;
}

/** Plays the seeds, and those that once failed; prints what was met and what was broken.
 * @returns the exit code */
export async function report({ seeds, from, threads = THREADS }: Options): Promise<number> {
  const met = new Map<string, number>();
  const ends = new Map<string, number>();
  const broken: Outcome[] = [];
  const kept = keptSeeds.map(({ seed }) => seed);
  const all = [...kept, ...Array.from({ length: seeds }, (_, i) => from + i)];
  const started = performance.now();
  let passes = 0;
  await playAll(all, threads, (outcome) => {
    passes += outcome.passes;
    add(ends, outcome.end);
    for (const [cell, count] of outcome.met) met.set(cell, (met.get(cell) ?? 0) + count);
    if (outcome.violations.length === 0) return;
    broken.push(outcome);
    if (!kept.includes(outcome.seed)) keep(outcome);
    if (broken.length === 1) console.log(outcome.story.join("\n"));
    console.log(wrongs(outcome));
  });
  const seconds = (performance.now() - started) / 1_000;
  const empty = seeds >= ENOUGH ? emptyCells(met) : [];
  const ended = [...ends].map(([end, n]) => `${n} ${end}`).join(", ");
  console.log(table(met));
  console.log(
    `${all.length} seeds, ${passes} passes in ${seconds.toFixed(1)} s: ${(all.length / seconds).toFixed(0)} seeds a second; they ended ${ended}`,
  );
  for (const cell of empty) console.log(`never met: ${cell}`);
  const seedsBroken = broken.map(({ seed }) => seed).sort((a, b) => a - b);
  console.log(`${broken.length} violations${broken.length === 0 ? "" : `, of seeds ${seedsBroken.join(", ")}`}`);
  return broken.length > 0 || empty.length > 0 ? 1 : 0;
}

/** Plays one seed, and prints its story.
 * @returns the exit code */
export function tell(seed: number): number {
  const outcome = play(seed);
  console.log(outcome.story.join("\n"));
  if (outcome.violations.length === 0) return 0;
  console.log(wrongs(outcome));
  keep(outcome);
  return 1;
}

function wrongs({ seed, violations }: Outcome): string {
  return violations.map(({ invariant, message }) => `seed ${seed}: ${invariant} ${message}`).join("\n");
}

/** A seed that failed is played again in every run from now on. */
function keep({ seed, violations }: Outcome): void {
  const known = JSON.parse(readFileSync(KEPT, "utf8")) as { seed: number; was: string }[];
  if (known.some((one) => one.seed === seed)) return;
  const was = `${violations[0]?.invariant}: ${violations[0]?.message}`;
  const lines = [...known, { seed, was }].map((one) => `  { "seed": ${one.seed}, "was": ${JSON.stringify(one.was)} }`);
  writeFileSync(KEPT, `[\n${lines.join(",\n")}\n]\n`);
}

/** Plants each mistake, and prints which seed and which invariant found it.
 * @returns the exit code: 1 where one stays unseen */
export function reportPlanted(seeds: number): number {
  const width = Math.max(...PLANTED.map(({ name }) => name.length));
  let missed = 0;
  for (const planted of PLANTED) {
    const caught = catchPlanted(planted, seeds);
    if (caught === undefined) missed++;
    const found =
      caught === undefined
        ? "not seen"
        : `seed ${caught.seed}: ${caught.violation.invariant} ${caught.violation.message}`;
    console.log(`${planted.name.padEnd(width)}  ${found}`);
  }
  console.log(`${PLANTED.length - missed} of ${PLANTED.length} planted mistakes were found`);
  return missed === 0 ? 0 : 1;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function emptyCells(met: ReadonlyMap<string, number>): string[] {
  return NAMES.flatMap((name) => STAGES.map((stage) => `${name} × ${stage}`)).filter(
    (cell) => !met.has(cell) && !IMPOSSIBLE.includes(cell),
  );
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
