import type { JsonPatchOperation, KubeObject } from "../../src/api/kubernetes.ts";
import { applyPatch } from "../../src/core/forecast/json-patch.ts";
import { type Answer, json, refusal } from "./scripted-server.ts";

export interface Lease extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The one object of stories about leaders, kept as an API server would. */
export class LeaseKeeper {
  lease: Lease | undefined;
  #version = 100;

  get holder(): unknown {
    return this.lease?.spec.holderIdentity;
  }

  /** Changes it as somebody else would. */
  edit(spec: Lease["spec"]): void {
    if (this.lease !== undefined) this.lease = this.#next({ ...this.lease, spec: { ...this.lease.spec, ...spec } });
  }

  readonly answer: Answer = (response, seen) => {
    const body = seen.body === "" ? undefined : JSON.parse(seen.body);
    if (seen.method === "POST") {
      if (this.lease !== undefined) return refusal(409, "AlreadyExists")(response, seen);
      const made = body as Lease;
      this.lease = this.#next({ ...made, metadata: { ...made.metadata, uid: `lease-${++this.#version}` } });
    } else if (this.lease === undefined) return refusal(404, "NotFound")(response, seen);
    else if (seen.method === "PATCH") {
      const operations = body as JsonPatchOperation[];
      const based = operations.find(({ path }) => path === "/metadata/resourceVersion") as { value?: unknown };
      if (based?.value !== this.lease.metadata.resourceVersion) return refusal(409, "Conflict")(response, seen);
      this.lease = this.#next(applyPatch(this.lease, operations));
    }
    return json(200, this.lease)(response, seen);
  };

  #next(lease: Lease): Lease {
    return { ...lease, metadata: { ...lease.metadata, resourceVersion: String(++this.#version) } };
  }
}
