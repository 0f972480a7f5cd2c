import { sameJson } from "../../../src/core/json.ts";
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
  /** The steps were changed since the last weight: any weight of the walk may come next. */
  readonly edited: boolean;
  /** A person promoted fully: 100 % may come at any time, unjudged. */
  readonly full: boolean;
  /** The canary gave its weight back and stays: it may come again to any weight that it had. */
  readonly gaveBack: boolean;
}

export class Walk {
  progress: Progress | undefined;
  readonly #ledger: Ledger;
  #steps: unknown;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  onPass({ plan: { target }, snapshot }: Pass): void {
    const steps = snapshot.rollout.spec.strategy;
    if (target.stage === "Stepping" && target.canary !== undefined) {
      const begun = snapshot.rollout.status?.progress?.canary === target.canary;
      if (this.progress?.canary !== target.canary || (!begun && this.progress.index !== -1)) {
        this.progress = {
          canary: target.canary,
          index: -1,
          sinceMs: this.#nowMs,
          promoted: 0,
          handedOver: false,
          edited: false,
          full: false,
          gaveBack: false,
        };
      } else if (!sameJson(steps, this.#steps)) this.progress = { ...this.progress, edited: true };
    } else if (target.stage === "Resting" || target.stage === "Returning") this.progress = undefined;
    this.#steps = steps;
  }

  onRequest(verb: string, hash: string): void {
    if (this.progress === undefined || hash !== this.progress.canary || !verb.startsWith("promote")) return;
    const { promoted, full } = this.progress;
    this.progress = { ...this.progress, promoted: promoted + 1, full: full || verb === "promote:full" };
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
    if (this.progress === undefined || bp === canaryBpOf(commit.old)) return;
    if (bp === 0) {
      this.progress = { ...this.progress, gaveBack: true };
      return;
    }
    const index = this.stepOf(pass, bp);
    if (index === undefined || (index === this.progress.index && !this.progress.gaveBack)) return;
    const next = { index, sinceMs: this.#nowMs, promoted: 0, edited: false, gaveBack: false };
    this.progress = { ...this.progress, ...next };
  }

  /** Which step has this weight: the present one, or the next with another weight; undefined: none may. */
  stepOf({ snapshot }: Pass, bp: number): number | undefined {
    const { steps } = settingsOf(snapshot.rollout);
    const { index = -1, edited, full, gaveBack } = this.progress ?? {};
    if (index >= 0 && weightAt(steps, index) === bp) return index;
    const next = steps.findIndex((step, i) => i > index && step.kind === "weight");
    if (next !== -1 && weightAt(steps, next) === bp) return next;
    if (full === true && bp === 10_000) return steps.length - 1;
    const last = edited === true ? steps.length : gaveBack === true ? index : -1;
    const any = steps.findLastIndex((step, i) => i <= last && step.kind === "weight" && step.weightBp === bp);
    return any === -1 ? undefined : any;
  }

  get #nowMs(): number {
    return this.#ledger.sim.agenda.nowMs;
  }
}
