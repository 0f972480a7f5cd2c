import type { KubeObject } from "../api/kubernetes.ts";

/** What an object is called in queues and maps: "namespace/name". */
export type Key = string;

export function keyOf({ metadata }: KubeObject): Key {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
