import type { JsonPatchOperation } from "../../../src/api/kubernetes.ts";
import { ANNOTATION_REQUEST } from "../../../src/api/request.ts";
import type { planFlag } from "../../../src/core/flags/control/plan.ts";
import { API_SERVER_DOWN, OUTAGE, WRITE_FAULTS } from "../faults.ts";
import { Frame, type Goal, goalOf, laterGoalsOf, type Outcome, type Violation } from "../frame.ts";
import { OPERATOR } from "../operator.ts";
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

const LOOK_MS = 5_000;

/** Plays one seed from beginning to end. */
export async function playFlag(seed: number, mistake: FlagMistake = {}): Promise<Outcome> {
  return await new FlagRun(seed, mistake).play();
}

class FlagRun {
  readonly #sim: FlagSimulation;
  readonly #ledger: FlagLedger;
  readonly #goals: readonly Goal[];
  readonly #frame: Frame<FlagSimulation>;
  readonly #staysKilled: boolean;

  constructor(seed: number, mistake: FlagMistake) {
    this.#sim = new FlagSimulation(seed, {
      ...mistake,
      fault: () => this.#frame.writeFault(),
      onPass: (pass) => {
        this.#frame.looked();
        this.#ledger.onPass(pass);
      },
      onCrash: (why) => {
        this.#sim.story.tell("operator", `crashes: ${why}`);
        this.#ledger.onCrash();
      },
      late: (pass, write) => this.#ledger.late(pass, write),
      onBroken: (message) => this.#ledger.violate("F8", message),
    });
    const { rng, api } = this.#sim;
    this.#ledger = new FlagLedger(this.#sim);
    this.#staysKilled = rng.chance(0.05);
    this.#goals = [...this.#draw(goalOf(seed, FLAG_NAMES, FLAG_STAGES)), ...laterGoalsOf(seed, FLAG_STAGES)];
    this.#frame = this.#framed(seed);
    api.onCommit((commit) => {
      const { object, actor, type } = commit;
      if (actor === OPERATOR) this.#frame.wrote();
      this.#tell(actor, type, object);
      this.#ledger.onCommit(commit);
      if (isFlag(object) && type === "modified") this.#frame.tempt();
    });
  }

  async play(): Promise<Outcome> {
    return await this.#frame.play();
  }

  #framed(seed: number): Frame<FlagSimulation> {
    const sim = this.#sim;
    return new Frame<FlagSimulation>(seed, {
      world: sim,
      ledger: this.#ledger,
      happenings: { ...FLAG_HAPPENINGS, ...OUTAGE },
      goals: this.#goals,
      tempo: {
        likely: () => 0.5,
        withinMs: (stage) => (stage === "Starting" ? 5 : 400),
        writeFault: 0.5,
        // A way back lasts as long as the way up did, outages and all.
        quietMs: this.#goals.some(({ name }) => name === API_SERVER_DOWN) ? 1_200_000 : 400_000,
        mostWrites: 60,
        busy: "F5",
      },
      begin: () => {
        sim.begin();
        this.#script();
        this.#lookOften();
      },
      calm: () => this.#calm(),
      answer: () => this.#answer(),
      settled: (isQuiet) => this.#settled(isQuiet),
      end: () => sim.stage,
      breathe: () => new Promise((resolve) => setImmediate(resolve)),
    });
  }

  #draw(first: Goal): Goal[] {
    const { rng } = this.#sim;
    const more = Array.from({ length: rng.int(0, 6) }, () => ({
      name: rng.chance(0.3) ? rng.pick(WRITE_FAULTS) : rng.pick(FLAG_NAMES),
      stage: rng.chance(0.4) ? "Progressing" : rng.pick(FLAG_STAGES),
    }));
    return [first, ...more];
  }

  /** What leads to the stages in which something is to happen. */
  #script(): void {
    const { agenda, rng } = this.#sim;
    const later = (name: string, least: number, most: number) =>
      agenda.after(rng.int(least, most), () => this.#frame.happen(name));
    const stages = new Set(this.#goals.map(({ stage }) => stage));
    if (stages.has("Reverted")) later(rng.chance(0.5) ? "abort" : "turnsBad", 20_000, 100_000);
    else if (rng.chance(0.3)) later("turnsBad", 20_000, 300_000);
    if (stages.has("Baking") || stages.has("Healthy")) later("promoteFull", 20_000, 120_000);
    if (stages.has("Killed")) later("kill", 10_000, 200_000);
    if (stages.has("Disabled")) later("disabled", 10_000, 200_000);
    if (stages.has("Paused")) later("pause", 5_000, 100_000);
    if (rng.chance(0.3)) later("retry", 150_000, 500_000);
    const goesAtFirst = this.#goals.some(({ name, stage }) => name === API_SERVER_DOWN && stage === "Starting");
    if (goesAtFirst) later("statusLost", 20_000, 200_000); // Of its first moments there are too few.
    this.#frame.temptOften(2_000);
  }

  #lookOften(): void {
    this.#sim.agenda.after(LOOK_MS, () => {
      this.#ledger.look(LOOK_MS);
      this.#lookOften();
    });
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

  #calm(): void {
    const { requests, kills } = this.#sim;
    requests.fault = undefined;
    this.#sim.commit({ enabled: true });
    for (const { metadata } of kills) this.#sim.release(metadata.name);
    if (this.#staysKilled) this.#sim.kill("stop-for-good");
  }

  #answer(): void {
    const { flag } = this.#sim;
    const ready = flag?.status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.reason === "StepsEdited") this.#sim.request("promote:full");
    if (flag?.status?.phase !== "Paused") return;
    this.#sim.request(flag.status.progress?.paused === true ? "resume" : "promote");
  }

  #settled(isQuiet: boolean): Violation[] {
    const wrongs = [isQuiet ? undefined : "it does not come to rest", this.#unsettled()];
    return wrongs.flatMap((message) => (message === undefined ? [] : { invariant: "F5", message }));
  }

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
