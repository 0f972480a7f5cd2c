import type { Agenda } from "../agenda.ts";
import type { Rng } from "../rng.ts";

/** A pod, as the ReplicaSet controller and the kubelet know it. */
export interface Pod {
  readonly name: string;
  readonly set: string; // name of its ReplicaSet
  readonly labels: Readonly<Record<string, string>>;
  readonly image: string;
  readonly createdMs: number;
  ready: boolean;
}

/** How the pods of a version come up. */
export interface Health {
  readonly comesUp: "soon" | "slowly" | "never" | "half";
  /** Share of its requests that fail, 0–1. */
  readonly errorRate: number;
}

/** Every pod of the cluster. They are no objects of the API server here: what the operator sees of them are sizes,
 * endpoints and counters. */
export class Pods {
  readonly all = new Map<string, Pod>();
  readonly #agenda: Agenda;
  readonly #rng: Rng;
  readonly #health: (image: string) => Health;
  readonly #listeners: ((pod: Pod) => void)[] = [];
  #made = 0;

  constructor(agenda: Agenda, rng: Rng, health: (image: string) => Health) {
    this.#agenda = agenda;
    this.#rng = rng;
    this.#health = health;
  }

  onChange(listener: (pod: Pod) => void): void {
    this.#listeners.push(listener);
  }

  of(set: string): Pod[] {
    return [...this.all.values()].filter((pod) => pod.set === set);
  }

  make(set: string, labels: Readonly<Record<string, string>>, image: string): void {
    const name = `${set}-${suffix(this.#made++)}`;
    const pod: Pod = { name, set, labels, image, createdMs: this.#agenda.nowMs, ready: false };
    this.all.set(name, pod);
    this.#tell(pod);
    const { comesUp } = this.#health(image);
    if (comesUp === "never" || (comesUp === "half" && this.#rng.chance(0.5))) return;
    this.#becomeReady(pod, comesUp === "slowly" ? this.#rng.int(20_000, 60_000) : this.#rng.int(800, 8_000));
  }

  remove(pod: Pod): void {
    if (!this.all.delete(pod.name)) return;
    this.#tell(pod);
  }

  /** Containers die: not ready for a while, or for good. */
  fail(pod: Pod, forMs: number | undefined): void {
    if (!pod.ready) return;
    pod.ready = false;
    this.#tell(pod);
    if (forMs !== undefined) this.#becomeReady(pod, forMs);
  }

  #becomeReady(pod: Pod, inMs: number): void {
    this.#agenda.after(inMs, () => {
      if (!this.all.has(pod.name) || pod.ready) return;
      pod.ready = true;
      this.#tell(pod);
    });
  }

  #tell(pod: Pod): void {
    for (const listener of this.#listeners) listener(pod);
  }
}

/** Five letters, a new one each time. */
function suffix(n: number): string {
  return n.toString(36).padStart(5, "x").slice(-5);
}
