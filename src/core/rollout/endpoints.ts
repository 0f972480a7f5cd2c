import type { EndpointSlice, ReplicaSet } from "../../api/kubernetes.ts";
import { LABEL_REVISION } from "./names.ts";
import { TO_DEPLOYMENT } from "./objects.ts";

/** Where the endpoints of a Service lead: ready pods by revision, as the slices say. */
export interface EndpointsView {
  /** Names of pods that may get requests. */
  readonly pods: ReadonlySet<string>;
  /** Those of no ReplicaSet of this Rollout, and how many they are. */
  readonly foreignPods: readonly string[];
  readonly foreign: number;
  readonly byRevision: ReadonlyMap<string, number>;
}

export function endpointsOf(slices: readonly EndpointSlice[], sets: readonly ReplicaSet[]): EndpointsView {
  const pods = new Set<string>();
  const byRevision = new Map<string, number>();
  const foreignPods: string[] = [];
  for (const endpoint of slices.flatMap((slice) => slice.endpoints ?? [])) {
    const name = endpoint.targetRef?.name;
    if (endpoint.conditions?.ready === false || name === undefined || pods.has(name)) continue;
    pods.add(name);
    const owner = sets.find((set) => isPodOf(name, set.metadata.name))?.metadata.labels?.[LABEL_REVISION];
    if (owner === undefined) foreignPods.push(name);
    else byRevision.set(owner, (byRevision.get(owner) ?? 0) + 1);
  }
  return { pods, foreignPods, foreign: foreignPods.length, byRevision };
}

/** ReplicaSet pods are named `<set>-<five letters>`. */
function isPodOf(pod: string, set: string): boolean {
  return pod.length === set.length + 6 && pod.startsWith(`${set}-`);
}

/** How a Service is narrowed to the pods of a Deployment, as their names tell: undefined while the slices show none, or pods
 * of more than one of its ReplicaSets, or names too long to tell. */
export function deploymentPodsOf({ foreignPods }: EndpointsView, deployment: string | undefined): string | undefined {
  if (deployment === undefined || foreignPods.length === 0) return undefined;
  const hashes = new Set(
    foreignPods.map((pod) => {
      const rest = pod.startsWith(`${deployment}-`) ? pod.slice(deployment.length + 1) : "";
      return /^([a-z0-9]{1,10})-[a-z0-9]{5}$/.exec(rest)?.[1];
    }),
  );
  const [only] = hashes;
  return hashes.size === 1 && only !== undefined ? `${TO_DEPLOYMENT}${only}` : undefined;
}
