import { isDeepStrictEqual } from "node:util";
import type { KubeObject, ObjectMeta, ObjectRef } from "../../../src/api/kubernetes.ts";
import { applyPatch } from "../../../src/core/forecast/json-patch.ts";
import type { Write } from "../../../src/core/plan.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The objects of a small cluster, by kind and name. Each change gives a new version, each change of a spec a new generation. */
export class Objects {
  readonly #all = new Map<string, KubeObject>();
  #version = 100;
  #uids = 0;

  get<T extends KubeObject>(kind: string, name: string): T | undefined {
    return this.#all.get(`${kind}/${name}`) as T | undefined;
  }

  list<T extends KubeObject>(kind: string): T[] {
    return [...this.#all.values()].filter((object) => object.kind === kind) as T[];
  }

  create(object: KubeObject, nowMs: number): void {
    const { kind, metadata } = object;
    if (this.get(kind, metadata.name) !== undefined) throw new Error(`409 ${kind} "${metadata.name}" exists already`);
    const created: ObjectMeta = {
      ...metadata,
      uid: `uid-${++this.#uids}`,
      resourceVersion: String(++this.#version),
      generation: 1,
      creationTimestamp: new Date(nowMs).toISOString(),
    };
    this.#all.set(`${kind}/${metadata.name}`, { ...structuredClone(object), metadata: created });
  }

  /** Changes one object as its owner, a controller or a person would. Objects are never changed in place.
   * @returns whether that made a difference */
  change<T extends KubeObject>(kind: string, name: string, edit: (object: T) => T): boolean {
    const before = this.get<T>(kind, name);
    if (before === undefined) throw new Error(`404 ${kind} "${name}" does not exist`);
    const edited = edit(before);
    if (edited === before || isDeepStrictEqual(edited, before)) return false;
    const after: Mutable<T> = { ...edited };
    const specs = [before, after] as unknown as { spec?: unknown }[];
    const generation = (before.metadata.generation ?? 1) + (isDeepStrictEqual(specs[0]?.spec, specs[1]?.spec) ? 0 : 1);
    after.metadata = { ...after.metadata, generation, resourceVersion: String(++this.#version) };
    this.#all.set(`${kind}/${name}`, after);
    this.#collect();
    return true;
  }

  remove(kind: string, name: string): void {
    this.#all.delete(`${kind}/${name}`);
    this.#collect();
  }

  /** Carries one write out, as an API server would.
   * @throws Error with 404, 409 or 422 */
  write(write: Write, nowMs: number): void {
    switch (write.verb) {
      case "create":
        this.create(write.object, nowMs);
        return;
      case "jsonPatch":
        this.#current(write.ref, write.resourceVersion);
        this.change(write.ref.kind, write.ref.name, (before) => applyPatch(before, write.operations));
        return;
      case "delete":
        if (this.#current(write.ref, write.resourceVersion).metadata.uid !== write.uid)
          throw new Error(`409 ${write.ref.kind} "${write.ref.name}" has another uid`);
        this.remove(write.ref.kind, write.ref.name);
        return;
      case "mergePatch":
        throw new Error("The core sends no merge patches");
    }
  }

  #current({ kind, name }: ObjectRef, version: string | undefined): KubeObject {
    const object = this.get(kind, name);
    if (object === undefined) throw new Error(`404 ${kind} "${name}" does not exist`);
    if (version !== undefined && version !== object.metadata.resourceVersion)
      throw new Error(`409 ${kind} "${name}" must be ${version}, is ${object.metadata.resourceVersion}`);
    return object;
  }

  /** What is being deleted goes once no finalizer holds it; what was owned goes with the last of its owners. */
  #collect(): void {
    for (let found = true; found; ) {
      const uids = new Set([...this.#all.values()].map((object) => object.metadata.uid));
      const gone = [...this.#all].filter(([, { metadata }]) => {
        const released = metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0;
        const owners = metadata.ownerReferences ?? [];
        return released || (owners.length > 0 && owners.every((owner) => !uids.has(owner.uid)));
      });
      for (const [key] of gone) this.#all.delete(key);
      found = gone.length > 0;
    }
  }
}
