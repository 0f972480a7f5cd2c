import type { Write } from "../../plan.ts";
import { ANNOTATION_MARK, ANNOTATION_REASON } from "../names.ts";
import { recordOf } from "../objects.ts";
import type { Target } from "../target.ts";
import type { Revision, World } from "../world.ts";
import { annotate, patch, remove } from "./patch.ts";

/** Writes that remember: one ControllerRevision for each kept revision, with its mark. */

export function recordWrites(target: Target, world: World): Write[] {
  const { wanted, revisions } = world;
  if (wanted === undefined || wanted.record !== undefined) return [];
  // One that is rejected before its first step has no pods, and must not come even if status is lost.
  const needed = target.sizes[wanted.hash] !== undefined || target.rejected?.revision === wanted.hash;
  if (!needed) return [];
  const number = 1 + Math.max(0, ...[...revisions.values()].map((r) => r.number));
  return [{ verb: "create", why: `record revision ${wanted.hash}`, object: recordOf(world, wanted, number) }];
}

/** The marks on records say what is stable should status be lost. */
export function markWrites(target: Target, world: World): Write[] {
  const writes: Write[] = [];
  const mark = (revision: Revision | undefined, kind: string, reason: string) => {
    if (revision?.record === undefined || (revision.mark?.kind === kind && revision.mark.reason === reason)) return;
    writes.push(
      patch(
        revision.record,
        annotate(revision.record, { [ANNOTATION_MARK]: kind, [ANNOTATION_REASON]: reason }),
        `mark revision ${revision.hash} as ${kind}`,
      ),
    );
  };
  if (target.promoted !== undefined) mark(world.revisions.get(target.promoted), "promoted", "");
  if (target.forgetRejected === true) return [...writes, ...unmarked(world.wanted)];
  const rejected = target.rejected ?? world.status.rejected;
  if (rejected !== undefined && target.urgent === undefined && target.promoted === undefined)
    mark(world.revisions.get(rejected.revision), "rejected", rejected.message.slice(0, 1024));
  return writes;
}

function unmarked(revision: Revision | undefined): Write[] {
  if (revision?.record === undefined || revision.mark === undefined) return [];
  const operations = annotate(revision.record, { [ANNOTATION_MARK]: undefined, [ANNOTATION_REASON]: undefined });
  return [patch(revision.record, operations, `let revision ${revision.hash} try again`)];
}

/** ReplicaSets only for revisions that have or get pods; records up to the history limit. */
export function oldRevisions(target: Target, world: World): Write[] {
  if (target.stage === "Leaving" || target.stage === "Starting") return [];
  const needed = new Set([
    target.stable,
    target.canary,
    target.previous,
    world.wanted?.hash,
    target.rejected?.revision,
    world.status.rejected?.revision,
  ]);
  const writes: Write[] = [];
  const all = [...world.revisions.values()].sort((a, b) => b.number - a.number);
  for (const { hash, replicaSet, size, pods } of all) {
    const idle = replicaSet !== undefined && size === 0 && pods === 0 && (target.sizes[hash] ?? 0) === 0;
    // Each pod that ends is another version of its ReplicaSet, which a delete would rest on in vain.
    if (idle && (replicaSet.status?.terminatingReplicas ?? 0) === 0 && hash !== target.stable && hash !== target.canary)
      writes.push(remove(replicaSet, `remove the empty ReplicaSet of revision ${hash}`));
  }
  const spare = all
    .filter(({ hash, replicaSet }) => !needed.has(hash) && replicaSet === undefined)
    .slice(world.settings.historyLimit);
  for (const { record, hash } of spare)
    if (record !== undefined) writes.push(remove(record, `forget revision ${hash}, beyond the history limit`));
  return writes;
}
