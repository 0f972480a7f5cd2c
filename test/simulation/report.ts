import { readFileSync, writeFileSync } from "node:fs";
import { cellOf, firstBroken, type Outcome } from "./frame.ts";
import { playAll, THREADS } from "./players.ts";
import { SUBJECTS, type Subject, type SubjectName } from "./subjects.ts";

/** From so many seeds on a cell that stays empty is a failure. */
const ENOUGH = 2_000;

export interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly threads?: number;
}

/** Plays the seeds, and those that once failed; prints what was met and what was broken.
 * @returns the exit code */
export async function report(name: SubjectName, { seeds, from, threads = THREADS }: Options): Promise<number> {
  const subject = SUBJECTS[name];
  const met = new Map<string, number>();
  const ends = new Map<string, number>();
  const broken: Outcome[] = [];
  const kept = keptOf(subject).map(({ seed }) => seed);
  const all = [...kept, ...Array.from({ length: seeds }, (_, i) => from + i)];
  const started = performance.now();
  let passes = 0;
  await playAll(name, all, threads, (outcome) => {
    passes += outcome.passes;
    add(ends, outcome.end);
    for (const [cell, count] of outcome.met) met.set(cell, (met.get(cell) ?? 0) + count);
    if (outcome.violations.length === 0) return;
    broken.push(outcome);
    if (!kept.includes(outcome.seed)) keep(subject, outcome);
    if (broken.length === 1) console.log(outcome.story.join("\n"));
    console.log(wrongs(outcome));
  });
  const seconds = (performance.now() - started) / 1_000;
  const empty = seeds >= ENOUGH ? emptyCells(subject, met) : [];
  const ended = [...ends].map(([end, n]) => `${n} ${end}`).join(", ");
  console.log(table(subject, met));
  console.log(
    `${name}: ${all.length} seeds, ${passes} passes in ${seconds.toFixed(1)} s: ${(all.length / seconds).toFixed(0)} seeds a second; they ended ${ended}`,
  );
  for (const cell of empty) console.log(`never met: ${cell}`);
  const seedsBroken = broken.map(({ seed }) => seed).sort((a, b) => a - b);
  console.log(`${broken.length} violations${broken.length === 0 ? "" : `, of seeds ${seedsBroken.join(", ")}`}`);
  return broken.length > 0 || empty.length > 0 ? 1 : 0;
}

/** Plays one seed, and prints its story.
 * @returns the exit code */
export async function tell(name: SubjectName, seed: number): Promise<number> {
  const outcome = await SUBJECTS[name].play(seed);
  console.log(outcome.story.join("\n"));
  if (outcome.violations.length === 0) return 0;
  console.log(wrongs(outcome));
  keep(SUBJECTS[name], outcome);
  return 1;
}

function wrongs({ seed, violations }: Outcome): string {
  return violations.map(({ invariant, message }) => `seed ${seed}: ${invariant} ${message}`).join("\n");
}

/** A seed that failed is played again in every run from now on. */
function keep(subject: Subject, { seed, violations }: Outcome): void {
  const known = keptOf(subject);
  if (known.some((one) => one.seed === seed)) return;
  const was = `${violations[0]?.invariant}: ${violations[0]?.message}`;
  const lines = [...known, { seed, was }].map((one) => `  { "seed": ${one.seed}, "was": ${JSON.stringify(one.was)} }`);
  writeFileSync(subject.kept, `[\n${lines.join(",\n")}\n]\n`);
}

function keptOf({ kept }: Subject): { seed: number; was: string }[] {
  return JSON.parse(readFileSync(kept, "utf8")) as { seed: number; was: string }[];
}

/** Plants each mistake, and prints which seed and which invariant found it.
 * @returns the exit code: 1 where one stays unseen */
export async function reportPlanted(name: SubjectName, seeds: number): Promise<number> {
  const { planted } = SUBJECTS[name];
  const width = Math.max(...planted.map((one) => one.name.length));
  let missed = 0;
  for (const one of planted) {
    const caught = await firstBroken(one.play, seeds);
    if (caught === undefined) missed++;
    const { invariant, message } = caught?.violation ?? {};
    const found = caught === undefined ? "not seen" : `seed ${caught.seed}: ${invariant} ${message}`;
    console.log(`${one.name.padEnd(width)}  ${found}`);
  }
  console.log(`${planted.length - missed} of ${planted.length} planted mistakes were found`);
  return missed === 0 ? 0 : 1;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function emptyCells({ names, stages, impossible }: Subject, met: ReadonlyMap<string, number>): string[] {
  return names
    .flatMap((name) => stages.map((stage) => cellOf({ name, stage })))
    .filter((cell) => !met.has(cell) && !impossible.includes(cell));
}

/** How often each thing met each stage. */
function table({ names, stages }: Subject, met: ReadonlyMap<string, number>): string {
  const width = Math.max(...names.map((name) => name.length));
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(width)} ${cells.map((c) => c.padStart(12)).join("")}`;
  const rows = names.map((name) =>
    row(
      name,
      stages.map((stage) => String(met.get(cellOf({ name, stage })) ?? "—")),
    ),
  );
  return [row("", stages), ...rows].join("\n");
}
