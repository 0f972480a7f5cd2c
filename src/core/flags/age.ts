import type { KubeObject } from "../../api/kubernetes.ts";

/** Orders objects of one namespace by age: of several FeatureFlags that claim one key, the first is served, and the others say
 * so. Of two that are as old, the one whose name comes first. */
export function olderFirst(a: KubeObject, b: KubeObject): number {
  const [one, two] = [a.metadata, b.metadata].map(({ creationTimestamp = "", name }) => `${creationTimestamp} ${name}`);
  return (one as string) < (two as string) ? -1 : 1;
}
