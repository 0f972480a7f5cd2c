import { isKind } from "../../src/kube/errors.ts";
import { API_SERVER_DOWN, type Happenings, isWriteFault, TWO_LEADERS, type WriteFault } from "./faults.ts";
import type { World } from "./world.ts";

export interface Violation {
  readonly invariant: string; // "I5"
  readonly message: string;
}

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** "crashAfter × Returning" → how often. */
  readonly met: ReadonlyMap<string, number>;
  readonly passes: number;
  readonly story: readonly string[];
  readonly end: string;
}

/** Something that is to happen once what is simulated is in that stage: a cell of the table. */
export interface Goal {
  readonly name: string;
  readonly stage: string;
}

/** What a run has of its own; the frame has what all runs share. */
export interface Part<W extends World> {
  readonly world: W & { readonly stage: string };
  readonly ledger: {
    readonly violations: readonly Violation[];
    violate(invariant: string, message: string): void;
    onHappening?(name: string): void;
  };
  readonly happenings: Happenings<W>;
  readonly goals: readonly Goal[];
  readonly tempo: Tempo;
  /** How it begins, and what is to happen beside the goals. */
  readonly begin: () => void;
  /** All that lasts of the faults is over. */
  readonly calm: () => void;
  /** A person who looks in now and then. */
  readonly answer: () => void;
  /** What is not as it should be at rest. */
  readonly settled: (isQuiet: boolean) => readonly Violation[];
  readonly end: () => string;
  /** Whatever is done on promises goes on before virtual time does; left out where nothing is. */
  readonly breathe?: () => Promise<void>;
}

/** How likely things are, and how long and how much is too much. */
export interface Tempo {
  /** How likely a goal is met at one of the moments at which it could be; 0 where nothing can happen. */
  readonly likely: (stage: string) => number;
  /** And within which time from then on: not within the write that led there. */
  readonly withinMs: (stage: string) => number;
  readonly writeFault: number; // how likely, of each write
  readonly quietMs: number; // without a write, it rests
  readonly mostWrites: number; // in ten seconds
  /** The invariant that too many writes or passes break. */
  readonly busy: string;
}

/** Faults stop then; what follows must end well. */
const FAULTS_MS = 600_000;
const SETTLE_MS = 3_600_000;
const TEMPT_MS = 5_000;
const MOST_PASSES = 1_000;

/** One seed from beginning to end: things happen, each in its stage, for a while; then faults stop, and it must come to rest. */
export class Frame<W extends World> {
  readonly #seed: number;
  readonly #part: Part<W>;
  readonly #goals: Goal[];
  readonly #met = new Map<string, number>();
  readonly #looks = new Busy();
  readonly #writes = new Busy();
  #passes = 0;
  #lastWriteMs = 0;
  #isFaulty = true;

  constructor(seed: number, part: Part<W>) {
    this.#seed = seed;
    this.#part = part;
    this.#goals = [...part.goals];
  }

  get isFaulty(): boolean {
    return this.#isFaulty;
  }

  async play(): Promise<Outcome> {
    const { world, ledger, begin, end } = this.#part;
    begin();
    await this.#until(world.agenda.nowMs + FAULTS_MS);
    if (world.api.isDown) await this.#until(world.api.upAtMs); // None is cut short.
    if (ledger.violations.length === 0) await this.#settle();
    return {
      seed: this.#seed,
      violations: ledger.violations,
      met: this.#met,
      passes: this.#passes,
      story: world.story.lines,
      end: end(),
    };
  }

  /** Every few seconds one of the goals may be met. */
  temptOften(fromMs: number): void {
    for (let ms = fromMs; ms < FAULTS_MS; ms += TEMPT_MS) this.#part.world.agenda.after(ms, () => this.tempt());
  }

  aim(goal: Goal): void {
    this.#goals.push(goal);
  }

  /** Whether one of the things to happen happens now. */
  tempt(): void {
    if (!this.#isFaulty) return;
    const { world, happenings, tempo } = this.#part;
    const { stage, rng, agenda } = world;
    const due = this.#goals.find((goal) => goal.stage === stage && goal.name in happenings);
    const likely = tempo.likely(stage);
    if (due === undefined || likely === 0 || !rng.chance(likely)) return;
    this.#goals.splice(this.#goals.indexOf(due), 1);
    agenda.after(rng.int(0, tempo.withinMs(stage)), () => this.happen(due.name));
  }

  happen(name: string): void {
    if (!this.#isFaulty) return;
    const { world, happenings, ledger } = this.#part;
    const { stage } = world;
    world.story.tell("—", name);
    try {
      if (happenings[name]?.(world) === false) return;
    } catch (error) {
      if (!isKind(error, "network")) throw error;
      world.api.whenUp(() => this.happen(name)); // Whoever is not answered tries again.
      return;
    }
    ledger.onHappening?.(name);
    this.#meet(name, stage);
  }

  /** What goes wrong with the write that is about to be sent. */
  writeFault(): WriteFault | undefined {
    const { stage, rng, story } = this.#part.world;
    const due = this.#goals.find((goal) => goal.stage === stage && isWriteFault(goal.name));
    if (!this.#isFaulty || due === undefined || !rng.chance(this.#part.tempo.writeFault)) return undefined;
    this.#goals.splice(this.#goals.indexOf(due), 1);
    this.#meet(due.name, stage);
    story.tell("—", due.name);
    return due.name as WriteFault;
  }

  /** Nothing that happens here is worth so many looks: a plan that asks for another at once would be asked for ever. */
  looked(): void {
    this.#passes++;
    this.#count(this.#looks, MOST_PASSES, "passes");
  }

  wrote(): void {
    this.#lastWriteMs = this.#part.world.agenda.nowMs;
    this.#count(this.#writes, this.#part.tempo.mostWrites, "writes");
  }

  #count(busy: Busy, most: number, what: string): void {
    const { ledger, world, tempo } = this.#part;
    if (busy.add(world.agenda.seconds) === most) ledger.violate(tempo.busy, `${most} ${what} within ten seconds`);
  }

  #meet(name: string, stage: string): void {
    const cell = cellOf({ name, stage });
    this.#met.set(cell, (this.#met.get(cell) ?? 0) + 1);
  }

  /** Virtual time goes on once nothing more can be done at its present moment. */
  async #until(ms: number): Promise<void> {
    const { ledger, world, breathe } = this.#part;
    while (ledger.violations.length === 0 && world.agenda.step(ms)) if (breathe !== undefined) await breathe();
  }

  /** Faults stop, people answer what waits for them: then it must come to rest, and rest. */
  async #settle(): Promise<void> {
    const { world, ledger, tempo, calm, answer, settled } = this.#part;
    const { agenda, story } = world;
    this.#isFaulty = false;
    story.tell("—", "faults stop");
    calm();
    const stopMs = agenda.nowMs;
    this.#lastWriteMs = stopMs;
    const isQuiet = () => agenda.nowMs - this.#lastWriteMs >= tempo.quietMs;
    while (agenda.nowMs < stopMs + SETTLE_MS && !isQuiet()) {
      await this.#until(agenda.nowMs + 20_000);
      if (ledger.violations.length > 0) return;
      answer();
    }
    for (const { invariant, message } of settled(isQuiet())) ledger.violate(invariant, message);
  }
}

/** How a cell of the table is called. */
export function cellOf({ name, stage }: Goal): string {
  return `${name} × ${stage}`;
}

/** The cell that is a seed's own: its number walks the table, so that none is left to luck. */
export function goalOf(seed: number, names: readonly string[], stages: readonly string[]): Goal {
  const cell = seed % (names.length * stages.length);
  return { name: names[cell % names.length] ?? "", stage: stages[Math.floor(cell / names.length)] ?? "" };
}

/** Every eighth seed meets two leaders at once as well, and every eleventh an API server that is down, in one stage after the
 * other. They came later than the table: of all other seeds, the kept ones among them, the stories stay what they were. */
export function laterGoalsOf(seed: number, stages: readonly string[]): Goal[] {
  return LATER.filter(({ every, at }) => seed % every === at).map(({ name, every }) => ({
    name,
    stage: stages[Math.floor(seed / every) % stages.length] ?? "",
  }));
}

const LATER = [
  { name: TWO_LEADERS, every: 8, at: 5 },
  { name: API_SERVER_DOWN, every: 11, at: 8 },
];

/** The first of so many seeds that breaks an invariant. */
export async function firstBroken(
  play: (seed: number) => Promise<Outcome>,
  seeds: number,
  from = 1,
): Promise<{ readonly seed: number; readonly violation: Violation } | undefined> {
  for (let seed = from; seed < from + seeds; seed++) {
    const [violation] = (await play(seed)).violations;
    if (violation !== undefined) return { seed, violation };
  }
  return undefined;
}

/** Counts within ten seconds. */
class Busy {
  #since = 0;
  #count = 0;

  add(seconds: number): number {
    if (seconds - this.#since >= 10) {
      this.#since = seconds;
      this.#count = 0;
    }
    return ++this.#count;
  }
}
