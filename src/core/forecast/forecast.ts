import type { ReplicaSet } from "../../api/kubernetes.ts";
import { ANNOTATION_REQUEST, formatRequest } from "../../api/request.ts";
import type { Rollout } from "../../api/rollout.ts";
import type { AnalysisMemory } from "../analysis/memory.ts";
import type { Reading } from "../analysis/model.ts";
import { planRollout, type RolloutPlan } from "../rollout/plan.ts";
import { settingsOf } from "../rollout/settings.ts";
import type { Snapshot } from "../rollout/snapshot.ts";
import type { Phase, Stage } from "../rollout/target.ts";
import type { Routers } from "../rollout/world.ts";
import { goodReadings } from "./good-metrics.ts";
import { type Assumptions, Others } from "./others.ts";
import { PaperCluster } from "./paper-cluster.ts";

export type { Assumptions };

/**
 * What will happen, should all go well: the operator's own plan, pass by pass, over a world on paper and a clock that jumps to
 * where something is due.
 *
 *     snapshot ─▶ planRollout ─▶ writes, then status ─▶ the others act ─▶ the next news, look at the metrics, or alarm
 *
 * Nothing is decided here: what this tells is what the operator would do.
 */
export interface Forecast {
  readonly moments: readonly Moment[];
  /** "settled": nothing is left to do. "held": it waits for what does not come by itself. "endless": longer than is told. */
  readonly end: "settled" | "held" | "endless";
  readonly lastsMs: number;
}

/** A pass in which something was written, or something else is waited for than before. */
export interface Moment {
  /** Since the beginning, in milliseconds. */
  readonly atMs: number;
  readonly stage: Stage;
  readonly phase: Phase;
  readonly reason: string;
  readonly message: string;
  /** Index of the step, counted from 0. */
  readonly stepIndex: number;
  /** The canary's share that is wanted, and that the routes (or sizes) say after this pass; basis points. */
  readonly weightBp: number;
  readonly writtenBp: number;
  readonly canary?: string;
  readonly stable?: string;
  /** Why each write is made, in order. */
  readonly writes: readonly string[];
  /** What is assumed to have happened before this, as nobody knows when it does: a person's "promote", or `GATES_OPEN`. */
  readonly asked?: string;
}

export const GATES_OPEN = "gates open";

/** What a watch takes to show a change. */
const NEWS_MS = 100;
const MOST_PASSES = 5_000;
/** Passes in a row in which nothing happens but time. */
const MOST_IDLE = 400;
/** After so many looks at the metrics nothing new is seen in a step. */
const LOOKS_IN_A_STEP = 4;

/** @param snapshot the world as it is; what it says of the metrics source is taken as "answers, and all is well"
 * @param stopAtPerson whether to end where a person is waited for, instead of assuming that they promote */
export function forecast(
  snapshot: Snapshot,
  routers: Routers,
  assumed: Assumptions,
  options: { readonly stopAtPerson?: boolean } = {},
): Forecast {
  const walk = new Walk(snapshot, routers, assumed);
  let idle = 0;
  for (let passes = 0; passes < MOST_PASSES; passes++) {
    const { happened, nextMs, plan } = walk.pass();
    idle = happened ? 0 : idle + 1;
    if (idle > MOST_IDLE) return walk.told("held");
    if (plan.target.reason === "GateClosed" && walk.openGates()) continue;
    if (happened) continue;
    if (plan.target.phase === "Paused" && options.stopAtPerson === true) return walk.told("held");
    if (plan.target.phase === "Paused" && !walk.promote(plan)) return walk.told("held");
    if (plan.target.phase === "Paused") continue;
    if (nextMs === undefined) return walk.told("settled");
    walk.jumpTo(nextMs);
  }
  return walk.told("endless");
}

class Walk {
  readonly #paper: PaperCluster;
  readonly #others: Others;
  readonly #routers: Routers;
  readonly #source: Snapshot["metrics"]["source"];
  readonly #startMs: number;
  readonly #moments: Moment[] = [];
  #nowMs: number;
  #memory: AnalysisMemory | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #looks = 0;
  #place = "";
  #asked: string | undefined;

  constructor(snapshot: Snapshot, routers: Routers, assumed: Assumptions) {
    this.#paper = new PaperCluster(snapshot);
    this.#others = new Others(this.#paper, assumed);
    this.#routers = routers;
    this.#source = snapshot.metrics.source;
    this.#startMs = snapshot.nowMs;
    this.#nowMs = snapshot.nowMs;
  }

  /** Gather, plan, act; then the others. */
  pass(): { readonly happened: boolean; readonly nextMs: number | undefined; readonly plan: RolloutPlan } {
    const readings = this.#readings();
    const memory = this.#memory === undefined ? {} : { memory: this.#memory };
    const snapshot = this.#paper.snapshot(this.#nowMs, { source: this.#source, readings, ...memory });
    const plan = planRollout(snapshot, this.#routers);
    for (const write of plan.writes) this.#paper.write(write, this.#nowMs);
    const { status } = plan;
    if (status !== undefined) this.#paper.change<Rollout>(this.#paper.rollout, (rollout) => ({ ...rollout, status }));
    this.#remember(plan, readings.length > 0);
    this.#tell(plan);
    const moved = this.#others.act(this.#nowMs);
    const happened = plan.writes.length > 0 || status !== undefined || moved;
    if (happened) this.#nowMs += NEWS_MS;
    return { happened, nextMs: this.#nextMs(plan), plan };
  }

  jumpTo(ms: number): void {
    this.#nowMs = Math.max(this.#nowMs + 1, ms);
  }

  /** A person goes past the wait of a step. What holds a pause by request or by the spec, nobody lets go.
   * @returns whether that leads on */
  promote({ target, status }: RolloutPlan): boolean {
    const hash = status?.wanted?.revision ?? this.#paper.rollout.status?.wanted?.revision;
    if (target.reason === "PausedByUser" || hash === undefined) return false;
    const nonce = String(this.#nowMs - this.#startMs);
    const request = formatRequest({ verb: "promote", hash, nonce });
    this.#asked = "promote";
    return this.#paper.change<Rollout>(this.#paper.rollout, (rollout) => ({
      ...rollout,
      metadata: {
        ...rollout.metadata,
        annotations: { ...rollout.metadata.annotations, [ANNOTATION_REQUEST]: request },
      },
    }));
  }

  /** The gates open, whatever closes them; the approval of a person is asked for by itself.
   * @returns whether there was one to open */
  openGates(): boolean {
    const { rollout } = this.#paper;
    const { gates = [], ...spec } = rollout.spec;
    const approvals = gates.filter((gate) => "approval" in gate);
    if (approvals.length === gates.length) return false;
    this.#asked = GATES_OPEN;
    return this.#paper.change<Rollout>(rollout, (now) => ({ ...now, spec: { ...spec, gates: approvals } }));
  }

  told(end: Forecast["end"]): Forecast {
    return { moments: this.#moments, end, lastsMs: this.#nowMs - this.#startMs };
  }

  #nextMs(plan: RolloutPlan): number | undefined {
    const { checkAgainInMs } = plan;
    const times = [
      checkAgainInMs === undefined ? undefined : this.#nowMs + checkAgainInMs,
      this.#others.nextMs,
      this.#lookMs(),
    ].filter((ms) => ms !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  get #analysis() {
    return settingsOf(this.#paper.rollout).analysis;
  }

  /** When Prometheus is asked next. In a step that lasts for days every look but the first ones would show the same. */
  #lookMs(): number | undefined {
    const analysis = this.#analysis;
    if (this.#memory === undefined || analysis === undefined) return undefined;
    const inARow = analysis.metrics.map((spec) => (spec.kind === "query" ? spec.consecutive : 0));
    if (this.#looks >= LOOKS_IN_A_STEP + Math.max(0, ...inARow)) return undefined;
    return this.#lookedMs + analysis.intervalMs;
  }

  #readings(): Reading[] {
    const analysis = this.#analysis;
    if (this.#memory === undefined || analysis === undefined) return [];
    if (this.#nowMs - this.#lookedMs < analysis.intervalMs) return [];
    const sets = this.#paper.list<ReplicaSet>("ReplicaSet");
    const sides = { canary: this.#memory.subject, stable: this.#paper.rollout.status?.stable?.revision };
    const podsOf = (set: ReplicaSet) => this.#others.podsOf(set);
    return goodReadings(analysis.metrics, sets, sides, podsOf, this.#nowMs, this.#nowMs - this.#startMs);
  }

  #remember({ memory, target }: RolloutPlan, looked: boolean): void {
    if (memory === undefined || memory.subject !== this.#memory?.subject) this.#lookedMs = Number.NEGATIVE_INFINITY;
    else if (looked) this.#lookedMs = this.#nowMs;
    this.#memory = memory;
    const place = `${target.stage} ${target.stepIndex}`;
    this.#looks = place === this.#place ? this.#looks + (looked ? 1 : 0) : 0;
    this.#place = place;
  }

  #tell({ target, writes }: RolloutPlan): void {
    const { stage, phase, reason, message, stepIndex, weightBp, canary, stable } = target;
    const last = this.#moments.at(-1);
    const told = last?.message === message && last.phase === phase && last.stepIndex === stepIndex;
    if (told && writes.length === 0) return;
    this.#moments.push({
      atMs: this.#nowMs - this.#startMs,
      ...{ stage, phase, reason, message, stepIndex, weightBp },
      writtenBp: this.#paper.rollout.status?.weights?.writtenBp ?? 0,
      ...(canary === undefined ? {} : { canary }),
      ...(stable === undefined ? {} : { stable }),
      writes: writes.map(({ why }) => why),
      ...(this.#asked === undefined ? {} : { asked: this.#asked }),
    });
    this.#asked = undefined;
  }
}
