import type { JsonPatchOperation, KubeObject, ObjectRef } from "../api/kubernetes.ts";

/**
 * Effects as data. A plan lists its writes in the order in which they must happen; the shell carries them out one by one
 * and stops at the first that fails, save that writes of one `together` group are all attempted: switches that take a
 * breach back do not wait for each other.
 */
export type Write = {
  /** Why, for the log and for `plan`: a short clause such as "raise the canary to 25 %". */
  readonly why: string;
  /** Writes with the same name here, standing side by side, are sent at once; one that fails stops none of them. */
  readonly together?: string;
} & (
  | { readonly verb: "create"; readonly object: KubeObject }
  | {
      readonly verb: "jsonPatch";
      readonly ref: ObjectRef;
      readonly operations: readonly JsonPatchOperation[];
      /** The version that this decision rests on; the API server refuses the write if it has moved. */
      readonly resourceVersion: string;
      /** Top-level paths that others may own by server-side apply: our entry leaves managedFields afterwards. */
      readonly shared?: readonly string[];
      /** The first of such writes is sent only if the API server says of all of the plan's that it would take them. */
      readonly rehearsed?: boolean;
      /** It stands at rest: those who apply client-side so far may go over to server-side then, and must not meet our entry. */
      readonly lasting?: boolean;
    }
  | { readonly verb: "mergePatch"; readonly ref: ObjectRef; readonly patch: unknown; readonly resourceVersion?: string }
  | { readonly verb: "delete"; readonly ref: ObjectRef; readonly uid: string; readonly resourceVersion?: string }
);

/** Something that happened, for people: becomes an Event of events.k8s.io. */
export interface Notice {
  readonly type: "Normal" | "Warning";
  readonly reason: string; // CamelCase, documented in docs/reference/reasons.md
  readonly message: string;
}

/** What to do next: `status` is written last, with a precondition, and only when it differs. */
export interface Plan<Status> {
  readonly writes: readonly Write[];
  readonly status?: Status;
  readonly notices: readonly Notice[];
  /** Look again after this long even if nothing changes; absent: when something changes. */
  readonly checkAgainInMs?: number;
}
