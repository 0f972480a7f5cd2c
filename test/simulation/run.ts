import type { planRollout } from "../../src/core/rollout/plan.ts";
import { HAPPENINGS, NAMES, STAGES, WRITE_FAULTS } from "./happenings.ts";
import { Ledger } from "./invariants/ledger.ts";
import { settled } from "./invariants/settled.ts";
import { OPERATOR, type WriteFault } from "./operator.ts";
import { image } from "./scenario.ts";
import { Simulation } from "./simulation.ts";

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

interface Target {
  readonly name: string;
  readonly stage: string;
}

/** Faults stop then; what follows must end well. */
const FAULTS_MS = 600_000;
const SETTLE_MS = 3_600_000;
const QUIET_MS = 600_000;
const MOST_PASSES = 1_000;
const MOST_WRITES = 100;

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

/** Plays one seed from beginning to end. */
export function play(seed: number, plan?: typeof planRollout): Outcome {
  return new Run(seed, plan).play();
}

class Run {
  readonly #seed: number;
  readonly #sim: Simulation;
  readonly #ledger: Ledger;
  readonly #met = new Map<string, number>();
  readonly #targets: Target[];
  #passes = 0;
  readonly #looks = new Busy();
  readonly #writes = new Busy();
  #lastWriteMs = 0;
  #faulty = true;

  constructor(seed: number, plan: typeof planRollout | undefined) {
    this.#seed = seed;
    const hooks = {
      fault: () => this.#writeFault(),
      onPass: (pass: Parameters<Ledger["onPass"]>[0]) => {
        this.#looked();
        this.#ledger.onPass(pass);
      },
      onWrite: (...args: Parameters<Ledger["onWrite"]>) => this.#ledger.onWrite(...args),
      onCrash: (why: string) => {
        this.#sim.story.tell("operator", `crashes: ${why}`);
        this.#ledger.onCrash();
      },
    };
    this.#sim = new Simulation(seed, hooks, this.#cell.stage === "Leaving", plan);
    this.#ledger = new Ledger(this.#sim);
    this.#targets = this.#draw();
    this.#sim.api.onCommit(({ object, actor, type }) => {
      if (actor === OPERATOR) this.#wrote();
      else if (["git", "person", "autoscaler"].includes(actor)) this.#sim.story.tell(actor, `${type} ${object.kind}`);
      if (object.kind === "Rollout" && type === "modified") this.#tempt();
    });
  }

  play(): Outcome {
    const { agenda } = this.#sim;
    this.#sim.begin();
    this.#script();
    this.#until(agenda.nowMs + FAULTS_MS);
    if (this.#ledger.violations.length === 0) this.#settle();
    return {
      seed: this.#seed,
      violations: this.#ledger.violations,
      met: this.#met,
      passes: this.#passes,
      story: this.#sim.story.lines,
      end: `${this.#sim.rollout?.status?.phase ?? "gone"}`,
    };
  }

  /** The cell of the table that is this seed's own. */
  get #cell(): Target {
    const cell = this.#seed % (NAMES.length * STAGES.length);
    return { name: NAMES[cell % NAMES.length] ?? "", stage: STAGES[Math.floor(cell / NAMES.length)] ?? "" };
  }

  /** Two to six things that are to happen, each in a stage; the seed's number walks the table, so that no cell is left to luck. */
  #draw(): Target[] {
    const { rng } = this.#sim;
    const first = this.#cell;
    const count = rng.int(0, 5);
    const more = Array.from({ length: count }, () => {
      const name = rng.chance(0.35) ? rng.pick(WRITE_FAULTS) : rng.pick(NAMES);
      const stage = rng.chance(0.5) ? "Stepping" : rng.pick(STAGES);
      return { name, stage };
    });
    const leaving =
      first.stage === "Leaving" || rng.chance(0.1) ? [{ name: "deleteRollout", stage: rng.pick(STAGES) }] : [];
    return [first, ...leaving, ...more.filter(({ name }) => name !== "deleteRollout")];
  }

  /** New versions, and what leads to the stage in which something is to happen. */
  #script(): void {
    const { agenda, rng, health } = this.#sim;
    const goals = new Set(this.#targets.map(({ stage }) => stage));
    const second = image(2);
    const wanted = goals.has("Returning") ? rng.chance(0.6) : false;
    if (wanted) health[second] = { comesUp: "soon", errorRate: 0.3 };
    else if (goals.has("HandingOver") || goals.has("RollingBack"))
      health[second] = { comesUp: "soon", errorRate: 0.001 };
    agenda.after(rng.int(20_000, 60_000), () => this.#sim.wantVersion(2));
    if (goals.has("Returning") && !wanted) this.#targets.push({ name: "abort", stage: "Stepping" });
    if (goals.has("RollingBack") || goals.has("HandingOver")) {
      agenda.after(rng.int(70_000, 120_000), () => this.#sim.request("promote:full"));
      if (goals.has("RollingBack")) this.#rollBackOnceBaking();
    }
    if (rng.chance(0.4)) agenda.after(rng.int(60_000, 400_000), () => this.#sim.wantVersion(rng.int(1, 4)));
    for (let ms = 10_000; ms < FAULTS_MS; ms += 5_000) agenda.after(ms, () => this.#tempt());
  }

  #rollBackOnceBaking(): void {
    const { agenda, rng } = this.#sim;
    const look = () => {
      if (!this.#faulty) return;
      const { rollout } = this.#sim;
      if (rollout?.status?.bake === undefined || rollout.status.progress?.stage !== "Resting") {
        agenda.after(5_000, look);
        return;
      }
      if (rng.chance(0.5)) this.#sim.request("rollback");
      else this.#happen("turnsBad");
    };
    agenda.after(30_000, look);
  }

  /** Whether one of the things to happen happens now. */
  #tempt(): void {
    if (!this.#faulty) return;
    const { stage, rng, rollout } = this.#sim;
    if (rollout === undefined) return;
    const due = this.#targets.find((target) => target.stage === stage && target.name in HAPPENINGS);
    const leaving = stage === "Leaving"; // It does not last, nor do the others that are on their way to rest.
    const likely = leaving ? 1 : stage === "Resting" || stage === "Stepping" ? 0.4 : 0.8;
    if (due === undefined || !rng.chance(likely)) return;
    this.#targets.splice(this.#targets.indexOf(due), 1);
    // Not within the write that led here.
    this.#sim.agenda.after(rng.int(0, leaving ? 20 : 800), () => {
      if (this.#faulty) this.#happen(due.name);
    });
  }

  #happen(name: string): void {
    const { stage, story } = this.#sim;
    story.tell("—", name);
    if (HAPPENINGS[name]?.(this.#sim) === false) return;
    this.#ledger.onHappening(name);
    this.#count(name, stage);
  }

  #writeFault(): WriteFault | undefined {
    if (!this.#faulty) return undefined;
    const { stage, rng } = this.#sim;
    const due = this.#targets.find((t) => t.stage === stage && (WRITE_FAULTS as readonly string[]).includes(t.name));
    if (due === undefined || !rng.chance(0.3)) return undefined;
    this.#targets.splice(this.#targets.indexOf(due), 1);
    this.#count(due.name, stage);
    this.#sim.story.tell("—", due.name);
    return due.name as WriteFault;
  }

  /** Nothing that happens here is worth so many looks: a plan that asks for another at once would be asked for ever. */
  #looked(): void {
    this.#passes++;
    if (this.#looks.add(this.#sim.agenda.seconds) === MOST_PASSES)
      this.#ledger.violate("I12", `${MOST_PASSES} passes within ten seconds`);
  }

  #wrote(): void {
    this.#lastWriteMs = this.#sim.agenda.nowMs;
    if (this.#writes.add(this.#sim.agenda.seconds) === MOST_WRITES)
      this.#ledger.violate("I12", `${MOST_WRITES} writes within ten seconds`);
  }

  #count(name: string, stage: string): void {
    const cell = `${name} × ${stage}`;
    this.#met.set(cell, (this.#met.get(cell) ?? 0) + 1);
  }

  #until(ms: number): void {
    while (this.#ledger.violations.length === 0 && this.#sim.agenda.step(ms));
  }

  /** Faults stop, people answer what waits for them: then it must come to rest, and rest. */
  #settle(): void {
    const { agenda, network, prometheus, story } = this.#sim;
    this.#faulty = false;
    prometheus.fault = undefined;
    prometheus.incident = false;
    network.refusingUntilMs = 0;
    network.refuse(0);
    this.#sim.apply();
    story.tell("—", "faults stop");
    if (this.#sim.rollout?.spec.replicas === 0) this.#sim.edit("person", { replicas: 2 });
    const stopMs = agenda.nowMs;
    this.#lastWriteMs = stopMs;
    while (agenda.nowMs < stopMs + SETTLE_MS && agenda.nowMs - this.#lastWriteMs < QUIET_MS) {
      this.#until(agenda.nowMs + 20_000);
      if (this.#ledger.violations.length > 0) return;
      this.#answer();
    }
    for (const violation of settled(this.#sim, this.#ledger, agenda.nowMs - this.#lastWriteMs >= QUIET_MS))
      this.#ledger.violate(violation.invariant, violation.message);
  }

  /** A person who looks in now and then. */
  #answer(): void {
    const { rollout } = this.#sim;
    if (rollout === undefined) return;
    if (rollout.spec.paused === true) this.#sim.edit("person", { paused: false });
    if (rollout.status?.phase !== "Paused") return;
    if (rollout.status.progress?.paused === true) this.#sim.request("resume");
    else this.#sim.request("promote");
  }
}
