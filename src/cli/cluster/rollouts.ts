import type { ControllerRevision, Pod, ReplicaSet } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { LABEL_ROLLOUT, labelValue } from "../../core/rollout/names.ts";
import { type Cluster, KINDS } from "./cluster.ts";

/** A Rollout with what belongs to it, as far as its reader may see that. */
export interface RolloutTree {
  readonly rollout: Rollout;
  readonly replicaSets: readonly ReplicaSet[];
  readonly revisions: readonly ControllerRevision[];
  readonly pods: readonly Pod[];
}

/** @throws CliError that names the Rollouts which exist, where this one does not */
export async function readRollout(cluster: Cluster, name: string): Promise<Rollout> {
  return await cluster.read<Rollout>(KINDS.rollouts, name);
}

export function labelOf(rolloutName: string): string {
  return `${LABEL_ROLLOUT}=${labelValue(rolloutName)}`;
}

export async function readTree(cluster: Cluster, name: string): Promise<RolloutTree> {
  const rollout = await readRollout(cluster, name);
  const { namespace } = cluster;
  const labelled = { labelSelector: labelOf(name) };
  const [replicaSets, revisions, pods] = await Promise.all([
    cluster.listIfAllowed<ReplicaSet>(KINDS.replicaSets, namespace, labelled),
    cluster.listIfAllowed<ControllerRevision>(KINDS.revisions, namespace, labelled),
    cluster.listIfAllowed<Pod>(KINDS.pods, namespace, labelled),
  ]);
  return { rollout, replicaSets: replicaSets ?? [], revisions: revisions ?? [], pods: pods ?? [] };
}
