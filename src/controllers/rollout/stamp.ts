import { type JsonPatchOperation, type KubeObject, refOf } from "../../api/kubernetes.ts";
import type { Write } from "../../core/plan.ts";
import { ANNOTATION_TERM, LABEL_REVISION, LABEL_ROLLOUT } from "../../core/rollout/names.ts";
import { annotate } from "../../core/rollout/writes/patch.ts";
import { isLaterTerm } from "../../kube/leader.ts";
import type { Resources } from "../../kube/resource.ts";

/**
 * The Lease alone cannot stop a leader that sleeps between looking at it and writing. So a selector moves only after the
 * ReplicaSet that will receive traffic bears the term of whoever moves it, written on the version that was read: a leader
 * that wakes up late is refused there, as a later one has stamped it meanwhile.
 */
export class TermStamps {
  readonly #resources: Resources;
  readonly #term: string;
  readonly #sets: Map<string, KubeObject>;
  readonly #underWay = new Map<string, Promise<KubeObject>>();

  /** @param sets all that may receive traffic, as they were read */
  constructor(resources: Resources, term: string, sets: readonly KubeObject[]) {
    this.#resources = resources;
    this.#term = term;
    this.#sets = new Map(sets.map((set) => [set.metadata.name, set]));
  }

  /** A ReplicaSet is born with its stamp: a release under one leader takes no write more. */
  born(object: KubeObject): KubeObject {
    if (object.kind !== "ReplicaSet") return object;
    const annotations = { ...object.metadata.annotations, [ANNOTATION_TERM]: this.#term };
    return { ...object, metadata: { ...object.metadata, annotations } };
  }

  /** What was written in the meantime is what the next stamp rests on. */
  note(object: KubeObject): void {
    if (object.kind === "ReplicaSet") this.#sets.set(object.metadata.name, object);
  }

  /** Stamps what these writes will send traffic to.
   * @returns the ReplicaSets that were written
   * @throws ApiError, or Error where a later leader was here */
  async before(writes: readonly Write[]): Promise<KubeObject[]> {
    const wanted = [...this.#sets.values()].filter((set) => writes.some((write) => sendsTo(write, set)));
    const stamped = await Promise.all(wanted.map((set) => this.#stamp(set)));
    return stamped.filter((set) => set !== undefined);
  }

  async #stamp(set: KubeObject): Promise<KubeObject | undefined> {
    const { name, annotations, resourceVersion = "" } = set.metadata;
    const found = annotations?.[ANNOTATION_TERM];
    if (found === this.#term) return undefined;
    if (found !== undefined && isLaterTerm(found, this.#term))
      throw new Error(`ReplicaSet "${name}" bears term ${found}, later than ours, ${this.#term}: another leads`);
    // Two selectors may move to one revision at once.
    const underWay = this.#underWay.get(name);
    if (underWay !== undefined) return await underWay;
    const operations: JsonPatchOperation[] = [
      { op: "replace", path: "/metadata/resourceVersion", value: resourceVersion },
      ...annotate(set, { [ANNOTATION_TERM]: this.#term }),
    ];
    const stamping = this.#resources.jsonPatch<KubeObject>(refOf(set), operations);
    this.#underWay.set(name, stamping);
    const object = await stamping.finally(() => this.#underWay.delete(name));
    this.note(object);
    return object;
  }
}

/** Whether a write lets a Service select the pods of this ReplicaSet: of its revision, or of any of its Rollout. */
function sendsTo(write: Write, set: KubeObject): boolean {
  const selector = selectorOf(write);
  const labels = set.metadata.labels ?? {};
  if (selector?.[LABEL_ROLLOUT] === undefined || selector[LABEL_ROLLOUT] !== labels[LABEL_ROLLOUT]) return false;
  const revision = selector[LABEL_REVISION];
  return revision === undefined ? hasPods(set) : revision === labels[LABEL_REVISION];
}

function hasPods(set: KubeObject): boolean {
  return (set as { spec?: { replicas?: number } }).spec?.replicas !== 0;
}

function selectorOf(write: Write): Readonly<Record<string, string>> | undefined {
  if (write.verb === "create" && write.object.kind === "Service")
    return (write.object as { spec?: { selector?: Record<string, string> } }).spec?.selector;
  if (write.verb !== "jsonPatch" || write.ref.kind !== "Service") return undefined;
  const moved = write.operations.find(({ path }) => path === "/spec/selector");
  return moved !== undefined && "value" in moved ? (moved.value as Record<string, string>) : undefined;
}
