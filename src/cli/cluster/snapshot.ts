import type { KubeObject, Pod } from "../../api/kubernetes.ts";
import { makeStores, type Part } from "../../controllers/rollout/caches.ts";
import { gather } from "../../controllers/rollout/gather.ts";
import type { Sources } from "../../controllers/rollout/sources.ts";
import { labelValue } from "../../core/rollout/names.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import type { Cluster } from "./cluster.ts";
import { readRollout } from "./rollouts.ts";

/** What the operator would know of a Rollout now, read by a person with their own rights. */
export interface Seen {
  readonly snapshot: Snapshot;
  readonly pods: readonly Pod[];
  /** Kinds that this person may not read: they are taken as if there were none. */
  readonly unread: readonly string[];
}

/** @throws CliError where there is no such Rollout */
export async function readSnapshot(cluster: Cluster, name: string): Promise<Seen> {
  await readRollout(cluster, name);
  const { sources, unread } = await readSources(cluster);
  const { namespace } = cluster;
  const nowMs = cluster.client.serverNow();
  const snapshot = gather(
    sources,
    `${namespace}/${name}`,
    nowMs,
    { source: { kind: "ready" }, readings: [] },
    undefined,
  );
  if (snapshot === undefined) throw new Error(`Rollout "${name}" was deleted meanwhile`);
  const pods = sources.pods.byIndex("rollout", `${namespace}/${labelValue(name)}`);
  return { snapshot, pods, unread };
}

/** All that the operator reads in the namespace, once. */
export async function readSources(cluster: Cluster): Promise<{ sources: Sources; unread: string[] }> {
  const { sources, parts } = makeStores({ gates: true });
  const read = await Promise.all(parts.map((part) => fill(cluster, part)));
  return { sources, unread: read.flatMap((known, i) => (known ? [] : [parts[i]?.type.plural ?? ""])) };
}

/** @returns whether the person may read the kind, and the cluster has it or need not */
async function fill(cluster: Cluster, { type, store, options }: Part): Promise<boolean> {
  const query = { labelSelector: options.labelSelector };
  const objects = await cluster.listIfAllowed<KubeObject>(type, cluster.namespace, query);
  store.replace(objects ?? [], "1");
  return objects !== undefined || options.optional === true;
}
