import type { Condition } from "../api/kubernetes.ts";

/** What a condition says now. */
export interface Said {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

type Known = readonly { readonly type: string; readonly status: string; readonly lastTransitionTime: string }[];

/** Conditions by type, in order; the time of one that says the same as before is that of before.
 * @param now RFC 3339 */
export function conditionsSaying(
  said: Readonly<Record<string, Said>>,
  before: Known | undefined,
  generation: number,
  now: string,
): Condition[] {
  return Object.entries(said).map(([type, { status, reason, message }]) => {
    const known = before?.find((condition) => condition.type === type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : seconds(now);
    const words = { reason, message: message.slice(0, 1024) };
    return { type, status, ...words, lastTransitionTime, observedGeneration: generation };
  });
}

/** Kubernetes writes times without fractions. */
export function seconds(iso: string): string {
  return `${iso.slice(0, 19)}Z`;
}
