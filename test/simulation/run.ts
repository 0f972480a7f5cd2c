import type { JsonPatchOperation } from "../../src/api/kubernetes.ts";
import type { planRollout } from "../../src/core/rollout/plan.ts";
import { OUTAGE, WRITE_FAULTS } from "./faults.ts";
import { Frame, type Goal, goalOf, laterGoalsOf, type Outcome } from "./frame.ts";
import { HAPPENINGS, NAMES, STAGES } from "./happenings.ts";
import { Ledger } from "./invariants/ledger.ts";
import { settled } from "./invariants/settled.ts";
import { type Hooks, OPERATOR } from "./operator.ts";
import { image } from "./scenario.ts";
import { Simulation } from "./simulation.ts";

/** A mistake, put around the real plan, or between it and the API server. */
export interface Mistake {
  readonly plan?: typeof planRollout;
  /** Of a write of status. */
  readonly send?: (operations: readonly JsonPatchOperation[]) => readonly JsonPatchOperation[];
  /** Of how the operator asks the API server: see `Hooks`. */
  readonly readsLive?: boolean;
  readonly insists?: boolean;
}

/** Plays one seed from beginning to end. */
export async function play(seed: number, mistake: Mistake = {}): Promise<Outcome> {
  return await new Run(seed, mistake).play();
}

class Run {
  readonly #sim: Simulation;
  readonly #ledger: Ledger;
  readonly #goals: readonly Goal[];
  readonly #frame: Frame<Simulation>;

  constructor(seed: number, mistake: Mistake) {
    const hooks: Partial<Hooks> = {
      ...mistake,
      fault: () => this.#frame.writeFault(),
      onPass: (pass) => {
        this.#frame.looked();
        this.#ledger.onPass(pass);
      },
      onWrite: (...args) => this.#ledger.onWrite(...args),
      onCrash: (why) => {
        this.#sim.story.tell("operator", `crashes: ${why}`);
        this.#ledger.onCrash();
      },
    };
    const first = goalOf(seed, NAMES, STAGES);
    this.#sim = new Simulation(seed, hooks, first.stage === "Leaving");
    this.#ledger = new Ledger(this.#sim);
    this.#goals = [...this.#draw(first), ...this.#later(seed)];
    this.#frame = this.#framed(seed);
    this.#sim.api.onCommit(({ object, actor, type }) => {
      if (actor === OPERATOR) this.#frame.wrote();
      else if (["git", "person", "autoscaler"].includes(actor)) this.#sim.story.tell(actor, `${type} ${object.kind}`);
      if (object.kind === "Rollout" && type === "modified") this.#frame.tempt();
    });
  }

  async play(): Promise<Outcome> {
    return await this.#frame.play();
  }

  #framed(seed: number): Frame<Simulation> {
    const sim = this.#sim;
    const isLeaving = (stage: string) => stage === "Leaving"; // It does not last, nor do the others that are on their way to rest.
    const lasts = (stage: string) => stage === "Resting" || stage === "Stepping";
    return new Frame<Simulation>(seed, {
      world: sim,
      ledger: this.#ledger,
      happenings: { ...HAPPENINGS, ...OUTAGE },
      goals: this.#goals,
      tempo: {
        likely: (stage) => (sim.rollout === undefined ? 0 : isLeaving(stage) ? 1 : lasts(stage) ? 0.4 : 0.8),
        withinMs: (stage) => (isLeaving(stage) ? 20 : 800),
        writeFault: 0.3,
        quietMs: 600_000,
        mostWrites: 100,
        busy: "I12",
      },
      begin: () => {
        sim.begin();
        this.#script();
      },
      calm: () => this.#calm(),
      answer: () => this.#answer(),
      settled: (isQuiet) => settled(sim, this.#ledger, isQuiet),
      end: () => `${sim.rollout?.status?.phase ?? "gone"}`,
    });
  }

  /** Two to six things that are to happen, each in a stage. */
  #draw(first: Goal): Goal[] {
    const { rng } = this.#sim;
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

  /** Only what is deleted leaves. */
  #later(seed: number): Goal[] {
    const goals = laterGoalsOf(seed, STAGES);
    const isLeaving = goals.some(({ stage }) => stage === "Leaving");
    return isLeaving ? [{ name: "deleteRollout", stage: "Stepping" }, ...goals] : goals;
  }

  /** New versions, and what leads to the stage in which something is to happen. */
  #script(): void {
    const { rng, health } = this.#sim;
    const goals = new Set(this.#goals.map(({ stage }) => stage));
    const second = image(2);
    const wanted = goals.has("Returning") ? rng.chance(0.6) : false;
    if (wanted) health[second] = { comesUp: "soon", errorRate: 0.3 };
    else if (goals.has("HandingOver") || goals.has("RollingBack"))
      health[second] = { comesUp: "soon", errorRate: 0.001 };
    this.#sim.later(rng.int(20_000, 60_000), () => this.#sim.wantVersion(2));
    if (goals.has("Returning") && !wanted) this.#frame.aim({ name: "abort", stage: "Stepping" });
    if (goals.has("RollingBack") || goals.has("HandingOver")) {
      this.#sim.later(rng.int(70_000, 120_000), () => this.#sim.request("promote:full"));
      if (goals.has("RollingBack")) this.#rollBackOnceBaking();
    }
    if (rng.chance(0.4)) this.#sim.later(rng.int(60_000, 400_000), () => this.#sim.wantVersion(rng.int(1, 4)));
    this.#frame.temptOften(10_000);
  }

  #rollBackOnceBaking(): void {
    const { rng } = this.#sim;
    const look = () => {
      if (!this.#frame.isFaulty) return;
      const { rollout } = this.#sim;
      if (rollout?.status?.bake === undefined || rollout.status.progress?.stage !== "Resting") {
        this.#sim.later(5_000, look);
        return;
      }
      if (rng.chance(0.5)) this.#sim.request("rollback");
      else this.#frame.happen("turnsBad");
    };
    this.#sim.later(30_000, look);
  }

  #calm(): void {
    const { network, prometheus } = this.#sim;
    prometheus.fault = undefined;
    prometheus.incident = false;
    network.refusingUntilMs = 0;
    network.refuse(0);
    this.#sim.apply();
    if (this.#sim.rollout?.spec.replicas === 0) this.#sim.edit("person", { replicas: 2 });
  }

  #answer(): void {
    const { rollout } = this.#sim;
    if (rollout === undefined) return;
    if (rollout.spec.paused === true) this.#sim.edit("person", { paused: false });
    if (rollout.status?.phase !== "Paused") return;
    if (rollout.status.progress?.paused === true) this.#sim.request("resume");
    else this.#sim.request("promote");
  }
}
