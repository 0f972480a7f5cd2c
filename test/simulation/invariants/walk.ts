import { settingsOf } from "../../../src/core/rollout/settings.ts";
import { weightAt } from "../../../src/core/steps.ts";
import type { Pass } from "../operator.ts";
import type { Ledger, Written } from "./ledger.ts";
import { canaryBpOf, pinOf } from "./routes.ts";

/** How far one canary has come, told from its writes alone: what I1, I8 and I16 ask for. */
export interface Progress {
  readonly canary: string;
  /** The step whose weight was last written; −1 before the first. */
  readonly index: number;
  readonly sinceMs: number;
  /** Requests to promote since then. */
  readonly promoted: number;
  /** The Service was moved to it once: what comes later puts it back. */
  readonly handedOver: boolean;
  /** A person promoted fully, or changed the steps: any weight of the walk may come next. */
  readonly free: boolean;
}

export class Walk {
  progress: Progress | undefined;
  readonly #ledger: Ledger;
  #steps = "";

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  onPass({ plan: { target }, snapshot }: Pass): void {
    const steps = JSON.stringify(snapshot.rollout.spec.strategy);
    if (target.stage === "Stepping" && target.canary !== undefined) {
      const begun = snapshot.rollout.status?.progress?.canary === target.canary;
      if (this.progress?.canary !== target.canary || (!begun && this.progress.index !== -1)) {
        this.progress = {
          canary: target.canary,
          index: -1,
          sinceMs: this.#nowMs,
          promoted: 0,
          handedOver: false,
          free: false,
        };
      } else if (steps !== this.#steps) this.progress = { ...this.progress, free: true };
    } else if (target.stage === "Resting" || target.stage === "Returning") this.progress = undefined;
    this.#steps = steps;
  }

  onRequest(verb: string, hash: string): void {
    if (this.progress === undefined || hash !== this.progress.canary || !verb.startsWith("promote")) return;
    const { promoted, free } = this.progress;
    this.progress = { ...this.progress, promoted: promoted + 1, free: free || verb === "promote:full" };
  }

  /** Moves on to the step whose weight was written. */
  onWrite({ pass, commit }: Written): void {
    if (
      this.progress !== undefined &&
      commit.object.metadata.name === "web" &&
      pinOf(commit.object) === this.progress.canary
    )
      this.progress = { ...this.progress, handedOver: true };
    const bp = canaryBpOf(commit.object);
    if (this.progress === undefined || bp === 0 || bp === canaryBpOf(commit.old)) return;
    const index = this.stepOf(pass, bp);
    if (index === undefined || index === this.progress.index) return;
    this.progress = { ...this.progress, index, sinceMs: this.#nowMs, promoted: 0, free: false };
  }

  /** Which step has this weight: the present one, or the next with another weight; undefined: none may. */
  stepOf({ snapshot }: Pass, bp: number): number | undefined {
    const { steps } = settingsOf(snapshot.rollout);
    const { index, free } = this.progress ?? { index: -1, free: false };
    if (free) {
      const any = steps.findIndex((step) => step.kind === "weight" && step.weightBp === bp);
      return any === -1 ? undefined : any;
    }
    if (index >= 0 && weightAt(steps, index) === bp) return index;
    const next = steps.findIndex((step, i) => i > index && step.kind === "weight");
    return next !== -1 && weightAt(steps, next) === bp ? next : undefined;
  }

  get #nowMs(): number {
    return this.#ledger.sim.agenda.nowMs;
  }
}
