import { readFileSync, writeFileSync } from "node:fs";
import { NAMES, STAGES } from "./happenings.ts";
import keptSeeds from "./kept-seeds.json" with { type: "json" };
import { catchPlanted, PLANTED } from "./planted.ts";
import { type Outcome, play } from "./run.ts";

const KEPT = new URL("kept-seeds.json", import.meta.url);

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
    if (!kept.includes(seed)) keep(outcome);
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
