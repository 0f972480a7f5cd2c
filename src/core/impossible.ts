import type { KubeObject } from "../api/kubernetes.ts";
import type { Conditions } from "../api/status.ts";
import { conditionsSaying } from "./conditions.ts";
import { canonicalJson } from "./json.ts";

interface Status {
  observedGeneration?: number | undefined;
  phase?: string | undefined;
  message?: string | undefined;
  conditions?: Conditions;
}

/** Conditions that a status about which nothing can be decided has: all False but Stalled. */
export interface Standing {
  readonly denied: readonly string[];
  /** Those that are about something else, and stay as they are. */
  readonly kept: readonly string[];
}

/** The status of an object about which nothing can be decided, as its spec cannot be read say: Failed, and for the rest as it
 * was.
 * @returns undefined where status says so already */
export function impossibleStatus<S extends Status>(
  object: KubeObject & { readonly status?: S },
  { denied, kept }: Standing,
  { reason, message }: { readonly reason: string; readonly message: string },
  nowMs: number,
): S | undefined {
  const before = object.status ?? ({} as S);
  const now = new Date(nowMs).toISOString();
  const generation = object.metadata.generation ?? 0;
  const states = [...denied.map((type) => [type, "False"] as const), ["Stalled", "True"] as const];
  const said = Object.fromEntries(states.map(([type, status]) => [type, { status, reason, message }]));
  const others = before.conditions?.filter(({ type }) => kept.includes(type)) ?? [];
  const conditions = [...conditionsSaying(said, before.conditions, generation, now), ...others];
  const next: S = { ...before, observedGeneration: generation, phase: "Failed", message, conditions };
  return canonicalJson(next) === canonicalJson(before) ? undefined : next;
}
