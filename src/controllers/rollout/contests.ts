import { describeRef, type KubeObject, type ObjectRef, refOf } from "../../api/kubernetes.ts";
import { lastEditor } from "../../core/flags/control/writers.ts";
import type { Write } from "../../core/plan.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import { FIELD_MANAGER } from "../../kube/resource.ts";
import type { Written } from "../awaited.ts";
import type { Key } from "../key.ts";

/** Who resets what we wrote now and then, as a GitOps tool does, is answered at once, each time. Beyond this two programs
 * write against each other, and ours gives way where that costs nothing. */
const REPAIRS = 10;
const WINDOW_MS = 30_000;
/** How long a quarrel is told of after its last repair. */
const TOLD_MS = 30_000;

interface Quarrel {
  readonly ref: ObjectRef;
  /** What was written, again and again, and when within the window. */
  readonly why: string;
  readonly atMs: readonly number[];
  /** The other one, once it is a quarrel. */
  readonly by?: string;
}

/** Who keeps resetting which of a Rollout's routes and Services. */
export class Contests {
  readonly #nowMs: () => number;
  readonly #quarrels = new Map<Key, Map<string, Quarrel>>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Counts what was written once more as it had been written before.
   * @param snapshot what was read: our write takes the other's entry out of managedFields */
  note(key: Key, snapshot: Snapshot, writes: readonly Write[], written: Written): void {
    const nowMs = this.#nowMs();
    for (const write of writes) {
      if (write.verb !== "jsonPatch" || write.shared === undefined || write.together !== undefined) continue;
      const { ref, why } = write;
      if (!written.has(describeRef(ref))) continue;
      const known = this.#quarrels.get(key) ?? new Map<string, Quarrel>();
      this.#quarrels.set(key, known);
      const last = known.get(describeRef(ref));
      const before = last?.why === why ? last : undefined;
      const atMs = [...(before?.atMs ?? []).filter((ms) => nowMs - ms < WINDOW_MS), nowMs];
      const by = atMs.length < REPAIRS ? undefined : (before?.by ?? culpritOf(snapshot, ref));
      known.set(describeRef(ref), { ref, why, atMs, ...(by === undefined ? {} : { by }) });
    }
  }

  /** The quarrel that goes on, and for how long it is told if nothing more happens. */
  view(key: Key): (NonNullable<Snapshot["contested"]> & { readonly leftMs: number }) | undefined {
    for (const { ref, atMs, by } of this.#quarrels.get(key)?.values() ?? []) {
      const leftMs = (atMs.at(-1) ?? 0) + TOLD_MS - this.#nowMs();
      if (by !== undefined && leftMs > 0) return { what: `${ref.kind} "${ref.name}"`, by, leftMs };
    }
    return undefined;
  }

  forget(key: Key): void {
    this.#quarrels.delete(key);
  }
}

/** Who else wrote the object's spec last. */
function culpritOf({ service, canaryService, routes }: Snapshot, ref: ObjectRef): string {
  const object = [service, canaryService, ...routes.map((route) => route.object)].find(
    (one: KubeObject | undefined) => one !== undefined && describeRef(refOf(one)) === describeRef(ref),
  );
  return (object && lastEditor(object, FIELD_MANAGER)) ?? "unknown";
}
