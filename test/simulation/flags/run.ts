import type { JsonPatchOperation } from "../../../src/api/kubernetes.ts";
import { ANNOTATION_REQUEST } from "../../../src/api/request.ts";
import type { planFlag } from "../../../src/core/flags/control/plan.ts";
import { WRITE_FAULTS } from "../happenings.ts";
import { OPERATOR, type WriteFault } from "../operator.ts";
import type { Outcome } from "../run.ts";
import { FLAG_HAPPENINGS, FLAG_NAMES, FLAG_STAGES } from "./happenings.ts";
import { FlagLedger } from "./ledger.ts";
import { isFlag } from "./operator.ts";
import { TREATED } from "./scenario.ts";
import { servedTo } from "./served.ts";
import { FlagSimulation } from "./simulation.ts";

/** A mistake, put around the real decision or between it and the API server. */
export interface FlagMistake {
  readonly plan?: typeof planFlag;
  readonly send?: (operations: readonly JsonPatchOperation[]) => readonly JsonPatchOperation[];
}

interface Goal {
  readonly name: string;
  readonly stage: string;
}

/** Faults stop then; what follows must end well. */
const FAULTS_MS = 600_000;
const SETTLE_MS = 3_600_000;
const QUIET_MS = 400_000;
const LOOK_MS = 5_000;
const MOST_WRITES = 60; // in ten seconds
const MOST_PASSES = 1_000;

/** Plays one seed from beginning to end. */
export async function playFlag(seed: number, mistake: FlagMistake = {}): Promise<Outcome> {
  return await new FlagRun(seed, mistake).play();
}

class FlagRun {
  readonly #seed: number;
  readonly #sim: FlagSimulation;
  readonly #ledger: FlagLedger;
  readonly #met = new Map<string, number>();
  readonly #goals: Goal[];
  #passes = 0;
  #lastWriteMs = 0;
  #busy = { slot: 0, writes: 0, passes: 0 };
  #isFaulty = true;
  readonly #staysKilled: boolean;

  constructor(seed: number, mistake: FlagMistake) {
    this.#seed = seed;
    this.#sim = new FlagSimulation(seed, {
      ...mistake,
      fault: () => this.#writeFault(),
      onPass: (pass) => {
        this.#passes++;
        this.#count("passes", MOST_PASSES);
        this.#ledger.onPass(pass);
      },
      onCrash: (why) => {
        this.#sim.story.tell("operator", `crashes: ${why}`);
        this.#ledger.onCrash();
      },
      onBroken: (message) => this.#ledger.violate("F8", message),
    });
    const { rng, api } = this.#sim;
    this.#ledger = new FlagLedger(this.#sim);
    this.#staysKilled = rng.chance(0.05);
    this.#goals = this.#draw();
    api.onCommit((commit) => {
      const { object, actor, type } = commit;
      if (actor === OPERATOR) this.#wrote();
      this.#tell(actor, type, object);
      this.#ledger.onCommit(commit);
      if (isFlag(object) && type === "modified") this.#tempt();
    });
  }

  async play(): Promise<Outcome> {
    const { agenda } = this.#sim;
    this.#sim.begin();
    this.#script();
    this.#lookOften();
    await this.#until(agenda.nowMs + FAULTS_MS);
    if (this.#ledger.violations.length === 0) await this.#settle();
    return {
      seed: this.#seed,
      violations: this.#ledger.violations,
      met: this.#met,
      passes: this.#passes,
      story: this.#sim.story.lines,
      end: this.#sim.stage,
    };
  }

  /** What this seed is to meet first: the seed's number walks the table, so that no cell is left to luck. */
  #draw(): Goal[] {
    const { rng } = this.#sim;
    const cell = this.#seed % (FLAG_NAMES.length * FLAG_STAGES.length);
    const name = FLAG_NAMES[cell % FLAG_NAMES.length] ?? "";
    const stage = FLAG_STAGES[Math.floor(cell / FLAG_NAMES.length)] ?? "";
    const more = Array.from({ length: rng.int(0, 6) }, () => ({
      name: rng.chance(0.3) ? rng.pick(WRITE_FAULTS) : rng.pick(FLAG_NAMES),
      stage: rng.chance(0.4) ? "Progressing" : rng.pick(FLAG_STAGES),
    }));
    return [{ name, stage }, ...more];
  }

  /** What leads to the stages in which something is to happen. */
  #script(): void {
    const { agenda, rng } = this.#sim;
    const later = (name: string, least: number, most: number) =>
      agenda.after(rng.int(least, most), () => this.#happen(name));
    const stages = new Set(this.#goals.map(({ stage }) => stage));
    if (stages.has("Reverted")) later(rng.chance(0.5) ? "abort" : "turnsBad", 20_000, 100_000);
    else if (rng.chance(0.3)) later("turnsBad", 20_000, 300_000);
    if (stages.has("Baking") || stages.has("Healthy")) later("promoteFull", 20_000, 120_000);
    if (stages.has("Killed")) later("kill", 10_000, 200_000);
    if (stages.has("Disabled")) later("disabled", 10_000, 200_000);
    if (stages.has("Paused")) later("pause", 5_000, 100_000);
    if (rng.chance(0.3)) later("retry", 150_000, 500_000);
    for (let ms = 2_000; ms < FAULTS_MS; ms += LOOK_MS) agenda.after(ms, () => this.#tempt());
  }

  #lookOften(): void {
    this.#sim.agenda.after(LOOK_MS, () => {
      this.#ledger.look(LOOK_MS);
      this.#lookOften();
    });
  }

  /** Whether one of the things to happen happens now. */
  #tempt(): void {
    const { stage, rng } = this.#sim;
    const due = this.#goals.find((goal) => goal.stage === stage && goal.name in FLAG_HAPPENINGS);
    if (!this.#isFaulty || due === undefined || !rng.chance(0.5)) return;
    this.#goals.splice(this.#goals.indexOf(due), 1);
    this.#sim.agenda.after(rng.int(0, stage === "Starting" ? 5 : 400), () => this.#happen(due.name));
  }

  #happen(name: string): void {
    if (!this.#isFaulty) return;
    const { stage, story } = this.#sim;
    story.tell("—", name);
    if (FLAG_HAPPENINGS[name]?.(this.#sim) === false) return;
    this.#meet(name, stage);
  }

  #writeFault(): WriteFault | undefined {
    const { stage, rng } = this.#sim;
    const due = this.#goals.find((g) => g.stage === stage && (WRITE_FAULTS as readonly string[]).includes(g.name));
    if (!this.#isFaulty || due === undefined || !rng.chance(0.5)) return undefined;
    this.#goals.splice(this.#goals.indexOf(due), 1);
    this.#meet(due.name, stage);
    this.#sim.story.tell("—", due.name);
    return due.name as WriteFault;
  }

  #meet(name: string, stage: string): void {
    const cell = `${name} × ${stage}`;
    this.#met.set(cell, (this.#met.get(cell) ?? 0) + 1);
  }

  #wrote(): void {
    this.#lastWriteMs = this.#sim.agenda.nowMs;
    this.#count("writes", MOST_WRITES);
  }

  /** Nothing that happens here is worth so much work: a plan that asks for another look at once would be asked for ever. */
  #count(what: "writes" | "passes", most: number): void {
    const slot = Math.floor(this.#sim.agenda.seconds / 10);
    if (this.#busy.slot !== slot) this.#busy = { slot, writes: 0, passes: 0 };
    if (++this.#busy[what] === most) this.#ledger.violate("F5", `${most} ${what} within ten seconds`);
  }

  #tell(actor: string, type: string, object: Parameters<typeof isFlag>[0]): void {
    const { story } = this.#sim;
    if (!isFlag(object) || actor !== OPERATOR) {
      story.tell(actor, `${type} ${object.kind} ${object.metadata.name}`);
      return;
    }
    const { phase, serving, message, override, lastRequest } = object.status ?? {};
    const share = override === undefined ? `${(serving?.weightBp ?? 0) / 100} %` : "override";
    story.tell(actor, `${phase} ${share}: ${message}; ${lastRequest?.value ?? ""} ${lastRequest?.result ?? ""}`);
  }

  /** Virtual time goes on once nothing more can be done at its present moment. */
  async #until(ms: number): Promise<void> {
    while (this.#ledger.violations.length === 0 && this.#sim.agenda.step(ms))
      await new Promise((resolve) => setImmediate(resolve));
  }

  /** Faults stop, people answer what waits for them: then it must come to rest, and rest. */
  async #settle(): Promise<void> {
    const { agenda, requests, story } = this.#sim;
    this.#isFaulty = false;
    story.tell("—", "faults stop");
    requests.fault = undefined;
    this.#sim.commit({ enabled: true });
    for (const { metadata } of this.#sim.kills) this.#sim.release(metadata.name);
    if (this.#staysKilled) this.#sim.kill("stop-for-good");
    const stopMs = agenda.nowMs;
    this.#lastWriteMs = stopMs;
    while (agenda.nowMs < stopMs + SETTLE_MS && agenda.nowMs - this.#lastWriteMs < QUIET_MS) {
      await this.#until(agenda.nowMs + 20_000);
      if (this.#ledger.violations.length > 0) return;
      this.#answer();
    }
    if (agenda.nowMs - this.#lastWriteMs < QUIET_MS) this.#ledger.violate("F5", "it does not come to rest");
    const wrong = this.#unsettled();
    if (wrong !== undefined) this.#ledger.violate("F5", wrong);
  }

  /** A person who looks in now and then. */
  #answer(): void {
    const { flag } = this.#sim;
    const ready = flag?.status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.reason === "StepsEdited") this.#sim.request("promote:full");
    if (flag?.status?.phase !== "Paused") return;
    this.#sim.request(flag.status.progress?.paused === true ? "resume" : "promote");
  }

  /** What is not as it should be at rest. */
  #unsettled(): string | undefined {
    const { flag, kills, agenda, isKilled } = this.#sim;
    if (flag === undefined) return "the flag is gone";
    const { phase, override, lastRequest, serving } = flag.status ?? {};
    const asked = flag.metadata.annotations?.[ANNOTATION_REQUEST];
    if (asked !== lastRequest?.value) return `nobody has answered ${asked}`;
    const variants = servedTo(flag, kills, agenda.nowMs)?.variants ?? [];
    const all = (variant: string | undefined) => variants.every((one) => one === variant);
    const safe = flag.spec.safeVariant ?? flag.spec.defaultVariant;
    const wanted = isKilled ? "Killed" : override === undefined ? "Healthy" : "Reverted";
    if (phase !== wanted) return `it rests as ${phase}, and should be ${wanted}`;
    if (wanted !== "Healthy") return all(safe) ? undefined : `${wanted}, and not everyone has "${safe}"`;
    return serving?.weightBp === 10_000 && all(TREATED) ? undefined : "promoted, and not everyone has it";
  }
}
