import type { ControllerRevision, PodTemplate, ReplicaSet } from "../../api/kubernetes.ts";
import { optional } from "../optional.ts";
import {
  ANNOTATION_MARK,
  ANNOTATION_REASON,
  LABEL_REVISION,
  LABEL_ROLLOUT,
  labelValue,
  sameTemplate,
  templateHash,
  withoutOurs,
} from "./names.ts";
import { pinOf } from "./objects.ts";
import type { Snapshot } from "./snapshot.ts";

/** One version of the workload: what is recorded of it, and what runs of it. */
export interface Revision {
  readonly hash: string;
  readonly template: PodTemplate;
  readonly record?: ControllerRevision;
  readonly replicaSet?: ReplicaSet;
  /** Pods asked for, that exist, and that are ready (for `minReadySeconds`) and may stay; each ≥ 0. */
  readonly size: number;
  readonly pods: number;
  readonly ready: number;
  /** The counts are of an earlier size: pods that went and came since are not in them. */
  readonly isBehind: boolean;
  readonly mark?: { readonly kind: "promoted" | "rejected"; readonly reason: string };
  readonly number: number;
}

export function revisionsOf({ replicaSets, revisions, rollout }: Snapshot): Map<string, Revision> {
  const hashes = new Set<string>();
  const records = new Map<string, ControllerRevision>();
  const sets = new Map<string, ReplicaSet>();
  const ours = labelValue(rollout.metadata.name);
  for (const record of revisions) {
    const hash = record.metadata.labels?.[LABEL_REVISION];
    if (hash === undefined || record.metadata.labels?.[LABEL_ROLLOUT] !== ours) continue;
    records.set(hash, record);
    hashes.add(hash);
  }
  for (const set of replicaSets) {
    const hash = set.metadata.labels?.[LABEL_REVISION];
    if (
      hash === undefined ||
      set.metadata.labels?.[LABEL_ROLLOUT] !== ours ||
      set.metadata.deletionTimestamp !== undefined
    )
      continue;
    sets.set(hash, set);
    hashes.add(hash);
  }
  return new Map([...hashes].sort().map((hash) => [hash, revision(hash, records.get(hash), sets.get(hash))]));
}

function revision(hash: string, record: ControllerRevision | undefined, set: ReplicaSet | undefined): Revision {
  const recorded = (record?.data as { template?: PodTemplate } | undefined)?.template;
  const mark = record?.metadata.annotations?.[ANNOTATION_MARK];
  const size = set?.spec.replicas ?? 0;
  return {
    hash,
    template: recorded ?? withoutOurs(set?.spec.template ?? { spec: {} }),
    ...optional("record", record),
    ...optional("replicaSet", set),
    size,
    pods: set?.status?.replicas ?? 0,
    ready: Math.min(size, set?.status?.availableReplicas ?? 0),
    isBehind:
      set?.status?.observedGeneration !== undefined && set.status.observedGeneration < (set.metadata.generation ?? 0),
    ...(mark === "promoted" || mark === "rejected"
      ? { mark: { kind: mark, reason: record?.metadata.annotations?.[ANNOTATION_REASON] ?? "" } }
      : {}),
    number: record?.revision ?? 0,
  };
}

/** A template is the one of a known revision where they say the same as the API server defaults them today (its live
 * ReplicaSet), or as they were written (its record). A name taken by another template is a collision. */
export function wantedRevision(
  template: PodTemplate,
  known: ReadonlyMap<string, Revision>,
  collisions: number,
): Revision {
  for (const revision of known.values()) {
    const live = revision.replicaSet?.spec.template;
    if ((live !== undefined && sameTemplate(live, template)) || sameTemplate(revision.template, template))
      return revision;
  }
  let extra = collisions;
  while (known.has(templateHash(withoutOurs(template), extra))) extra++;
  const hash = templateHash(withoutOurs(template), extra);
  return { hash, template: withoutOurs(template), size: 0, pods: 0, ready: 0, isBehind: false, number: 0 };
}

/** Should status be lost: what a Service is pinned to, else the newest revision that was ever promoted. A pin to one that was
 * not promoted, or was rejected, is of a hand-over or a rollback: it goes back, or on, to the promoted one where that can
 * serve in its place, and is judged anew. */
export function recoveredStable(snapshot: Snapshot, revisions: ReadonlyMap<string, Revision>): string | undefined {
  const pinned = revisions.get(pinOf(snapshot.service, snapshot.rollout.metadata.name));
  const promoted = [...revisions.values()].filter((r) => r.mark?.kind === "promoted");
  promoted.sort((a, b) => b.number - a.number);
  if (pinned === undefined) return promoted[0]?.hash;
  if (pinned.mark?.kind === "promoted") return pinned.hash;
  return (promoted.find(({ ready }) => ready > 0 && ready * 2 >= pinned.ready) ?? pinned).hash;
}
