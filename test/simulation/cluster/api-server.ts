import type { JsonPatchOperation, KubeObject, ObjectRef } from "../../../src/api/kubernetes.ts";
import { applyPatch, PatchError } from "../../../src/core/forecast/json-patch.ts";
import { sameJson } from "../../../src/core/json.ts";
import { ApiError, type ApiErrorKind } from "../../../src/kube/errors.ts";
import type { Agenda } from "../agenda.ts";

/** One change that the API server has accepted. */
export interface Commit {
  readonly type: "added" | "modified" | "deleted";
  readonly object: KubeObject;
  readonly old: KubeObject | undefined;
  readonly actor: string;
  readonly atMs: number;
}

export type Kind = string;

/**
 * The API server, as far as a controller can tell it from a real one: versions, optimistic locking, generations, the
 * status subresource, finalizers, and collection of what has lost its owners.
 */
export class ApiServer {
  readonly #agenda: Agenda;
  readonly #objects = new Map<Kind, Map<string, KubeObject>>();
  readonly #listeners: ((commit: Commit) => void)[] = [];
  #version = 1_000;
  #uid = 0;
  #upAtMs = 0;
  /** How long after an outage the controller manager is at work again: it has lost its Lease, starts anew, and lists. */
  managerLateMs = 0;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  get version(): string {
    return String(this.#version);
  }

  get isDown(): boolean {
    return this.#agenda.nowMs < this.#upAtMs;
  }

  /** When it is there again. */
  get upAtMs(): number {
    return this.#upAtMs;
  }

  /** Nobody reaches it for a while: whatever is asked of it is refused. */
  goDown(forMs: number, managerLateMs: number): void {
    this.managerLateMs = managerLateMs;
    this.#upAtMs = Math.max(this.#upAtMs, this.#agenda.nowMs + forMs);
  }

  /** Does something now, or once the server is there again: whoever needs it tries until it answers.
   * @param late how many milliseconds later the first try comes that is answered; drawn only by who has to wait */
  whenUp(run: () => void, late: () => number = () => 0): void {
    if (this.isDown) this.#agenda.after(this.#upAtMs - this.#agenda.nowMs + late(), () => this.whenUp(run, late));
    else run();
  }

  /** @throws ApiError where nobody answers */
  reach(): void {
    if (this.isDown) throw refuse("network", "connect ECONNREFUSED");
  }

  /** Tells of every change, in order, at the moment at which it is accepted. */
  onCommit(listener: (commit: Commit) => void): void {
    this.#listeners.push(listener);
  }

  find<T extends KubeObject>(kind: Kind, name: string): T | undefined {
    return this.#objects.get(kind)?.get(name) as T | undefined;
  }

  list<T extends KubeObject>(kind: Kind): T[] {
    return [...(this.#objects.get(kind)?.values() ?? [])] as T[];
  }

  get(ref: ObjectRef): KubeObject {
    const object = this.find(ref.kind, ref.name);
    if (object === undefined) throw refuse("notFound", `${ref.kind} "${ref.name}" not found`);
    return object;
  }

  create(actor: string, given: KubeObject): KubeObject {
    this.reach();
    if (this.find(given.kind, given.metadata.name) !== undefined)
      throw refuse("exists", `${given.kind} "${given.metadata.name}" already exists`);
    const uid = `uid-${++this.#uid}`;
    const creationTimestamp = `${new Date(this.#agenda.nowMs).toISOString().slice(0, 19)}Z`;
    const metadata = { ...given.metadata, uid, creationTimestamp, generation: 1, resourceVersion: this.#next() };
    const object = defaulted({ ...given, metadata });
    this.#commit({ type: "added", object, old: undefined, actor, atMs: this.#agenda.nowMs });
    for (const owner of metadata.ownerReferences ?? []) if (!this.#uids().has(owner.uid)) this.#collectLater(owner.uid); // Born after its owner went.
    return object;
  }

  /** A JSON patch; of the main resource it leaves status alone, and of status all else. */
  patch(actor: string, ref: ObjectRef, operations: readonly JsonPatchOperation[], subresource?: "status"): KubeObject {
    this.reach();
    const old = this.get(ref);
    const guard = operations.find(({ path }) => path === "/metadata/resourceVersion");
    if (guard !== undefined && "value" in guard && guard.value !== old.metadata.resourceVersion)
      throw refuse("conflict", `${ref.kind} "${ref.name}" is at ${old.metadata.resourceVersion}, not ${guard.value}`);
    return this.#update(actor, old, patched(old, operations), subresource);
  }

  /** Changes an object by a function, as one who has just read it: controllers and people of the simulation write so. */
  change<T extends KubeObject>(actor: string, old: T, next: T, subresource?: "status"): T {
    this.reach();
    return this.#update(actor, this.find(old.kind, old.metadata.name) ?? old, next, subresource) as T;
  }

  /** A merge patch (RFC 7386). */
  merge(actor: string, ref: ObjectRef, patch: unknown): KubeObject {
    this.reach();
    const old = this.get(ref);
    return this.#update(actor, old, mergePatch(old, patch) as KubeObject);
  }

  delete(
    actor: string,
    ref: ObjectRef,
    precondition: { readonly uid?: string; readonly resourceVersion?: string } = {},
  ) {
    this.reach();
    const old = this.get(ref);
    const { uid, resourceVersion } = precondition;
    if (uid !== undefined && uid !== old.metadata.uid) throw refuse("conflict", `uid of ${ref.name} is another`);
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw refuse("conflict", `${ref.kind} "${ref.name}" has moved`);
    if ((old.metadata.finalizers ?? []).length === 0) return this.#remove(actor, old);
    if (old.metadata.deletionTimestamp !== undefined) return;
    const deletionTimestamp = `${new Date(this.#agenda.nowMs).toISOString().slice(0, 19)}Z`;
    const metadata = { ...old.metadata, deletionTimestamp, resourceVersion: this.#next() };
    this.#commit({ type: "modified", object: { ...old, metadata }, old, actor, atMs: this.#agenda.nowMs });
  }

  #update(actor: string, old: KubeObject, wanted: KubeObject, subresource?: "status"): KubeObject {
    const spec = (object: KubeObject) => (object as { spec?: unknown }).spec;
    const merged: KubeObject =
      subresource === "status"
        ? ({ ...old, status: (wanted as { status?: unknown }).status } as KubeObject)
        : withStatus(wanted, (old as { status?: unknown }).status);
    const metadata = { ...merged.metadata, resourceVersion: old.metadata.resourceVersion ?? "" };
    if (sameJson({ ...merged, metadata }, old)) return old; // Nothing changed: no new version.
    const moved = !sameJson(spec(merged), spec(old));
    const generation = (old.metadata.generation ?? 1) + (moved ? 1 : 0);
    const object = { ...merged, metadata: { ...metadata, generation, resourceVersion: this.#next() } };
    const released = object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0;
    if (released) this.#remove(actor, object, old);
    else this.#commit({ type: "modified", object, old, actor, atMs: this.#agenda.nowMs });
    return object;
  }

  #remove(actor: string, object: KubeObject, old = object): void {
    const metadata = { ...object.metadata, resourceVersion: this.#next() };
    this.#commit({ type: "deleted", object: { ...object, metadata }, old, actor, atMs: this.#agenda.nowMs });
    this.#collectLater(object.metadata.uid ?? "");
  }

  #collectLater(uid: string): void {
    this.#agenda.after(300, () => this.whenUp(() => this.#collect(uid)));
  }

  /** What has lost all its owners goes; what has one left loses the reference. */
  #collect(uid: string): void {
    const alive = this.#uids();
    for (const object of [...this.#objects.values()].flatMap((of) => [...of.values()])) {
      const owners = object.metadata.ownerReferences ?? [];
      if (!owners.some((owner) => owner.uid === uid)) continue;
      const kept = owners.filter((owner) => alive.has(owner.uid));
      const ref = { ...object, namespace: object.metadata.namespace ?? "", name: object.metadata.name };
      if (kept.length === 0) this.delete("garbage collector", ref);
      else
        this.change("garbage collector", object, {
          ...object,
          metadata: { ...object.metadata, ownerReferences: kept },
        });
    }
  }

  #uids(): ReadonlySet<string | undefined> {
    return new Set([...this.#objects.values()].flatMap((of) => [...of.values()].map((o) => o.metadata.uid)));
  }

  #next(): string {
    return String(++this.#version);
  }

  #commit(commit: Commit): void {
    const { object, type } = commit;
    const ofKind = this.#objects.get(object.kind) ?? new Map<string, KubeObject>();
    this.#objects.set(object.kind, ofKind);
    if (type === "deleted") ofKind.delete(object.metadata.name);
    else ofKind.set(object.metadata.name, object);
    for (const listener of this.#listeners) listener(commit);
  }
}

export function refuse(kind: ApiErrorKind, message: string): ApiError {
  return new ApiError(message, { kind });
}

function patched(old: KubeObject, operations: readonly JsonPatchOperation[]): KubeObject {
  try {
    return applyPatch(old, operations);
  } catch (error) {
    if (error instanceof PatchError) throw refuse("invalid", error.message);
    throw error;
  }
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = typeof target === "object" && target !== null ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

function withStatus(object: KubeObject, status: unknown): KubeObject {
  const { status: _given, ...rest } = object as KubeObject & { status?: unknown };
  return (status === undefined ? rest : { ...rest, status }) as KubeObject;
}

/** The API server fills in what a pod template leaves out: what comes back is not what was sent. */
function defaulted(object: KubeObject): KubeObject {
  if (object.kind !== "ReplicaSet" && object.kind !== "Deployment") return object;
  const { spec } = object as KubeObject & { spec: { template: { spec: object } } };
  const template = { ...spec.template, spec: { ...spec.template.spec, restartPolicy: "Always" } };
  return { ...object, spec: { ...spec, template } } as KubeObject;
}
