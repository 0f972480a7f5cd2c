import type { JsonPatchOperation, ReplicaSet } from "../../../api/kubernetes.ts";
import type { Write } from "../../plan.ts";
import { ANNOTATION_ADOPTED_REPLICAS, ANNOTATION_CHANGED_BY, sameTemplate } from "../names.ts";
import { replicaSetOf } from "../objects.ts";
import type { Target } from "../target.ts";
import type { World } from "../world.ts";
import { annotate, patch, setAnnotation } from "./patch.ts";

/** Writes that make, grow and shrink pods: our ReplicaSets, and the Deployment that we serve for. */

export function sizeWrites(target: Target, world: World): { up: Write[]; down: Write[] } {
  const up: Write[] = [];
  const down: Write[] = [];
  for (const [hash, size] of Object.entries(target.sizes)) {
    const revision = world.revisions.get(hash) ?? (world.wanted?.hash === hash ? world.wanted : undefined);
    if (revision === undefined) continue;
    const set = revision.replicaSet;
    if (set === undefined) {
      if (size > 0)
        up.push({
          verb: "create",
          why: `make ${size} ${size === 1 ? "pod" : "pods"} of revision ${hash}`,
          object: replicaSetOf(world, revision, size),
        });
      continue;
    }
    const counting = sooner(set, world);
    if (revision.size !== size) {
      const operations = [{ op: "replace" as const, path: "/spec/replicas", value: size }, ...counting];
      const write = patch(set, operations, `scale revision ${hash} from ${revision.size} to ${size}`);
      (size > revision.size ? up : down).push(write);
    } else if (counting.length > 0 && size > 0) {
      const seconds = world.settings.minReadySeconds;
      up.push(patch(set, counting, `let pods of revision ${hash} count once ready for ${seconds} s`));
    }
  }
  return { up, down };
}

/** Pods that are there may count sooner, but not later: those that serve would be taken for lost. */
function sooner(set: ReplicaSet, { settings }: World): JsonPatchOperation[] {
  const { minReadySeconds } = settings;
  if ((set.spec.minReadySeconds ?? 0) <= minReadySeconds) return [];
  return [{ op: "replace", path: "/spec/minReadySeconds", value: minReadySeconds }];
}

/** A referenced Deployment: paused and at 0 while we serve for it; its template only when it is handed back. */
export function deploymentWrites(target: Target, world: World): Write[] {
  const { deployment } = world.snapshot;
  const kept: Target["deployment"] =
    world.settings.workload !== undefined && world.stable !== undefined && target.stage !== "Leaving"
      ? { paused: true, replicas: 0 }
      : undefined;
  const want = target.deployment ?? kept;
  if (deployment === undefined || want === undefined) return [];
  const operations: JsonPatchOperation[] = [];
  if (want.template !== undefined && !sameTemplate(deployment.spec.template, want.template))
    operations.push({ op: "replace", path: "/spec/template", value: want.template });
  if ((deployment.spec.paused ?? false) !== want.paused)
    operations.push({ op: "add", path: "/spec/paused", value: want.paused });
  if (want.replicas !== undefined && deployment.spec.replicas !== want.replicas)
    operations.push({ op: "replace", path: "/spec/replicas", value: want.replicas });
  if (operations.length === 0) return [];
  const marks = want.paused
    ? { ...setAnnotation(deployment, ANNOTATION_CHANGED_BY, world.name), ...adoptedSize(world) }
    : { [ANNOTATION_CHANGED_BY]: undefined, [ANNOTATION_ADOPTED_REPLICAS]: undefined };
  operations.push(...annotate(deployment, marks));
  const why = want.paused
    ? want.replicas === 0
      ? "scale the Deployment to 0"
      : "pause the Deployment"
    : "hand the Deployment back";
  return [patch(deployment, operations, why, WHAT_OTHERS_APPLY, true)];
}

/** What Git or Helm says of a Deployment too: their next apply must not meet us as another owner. */
const WHAT_OTHERS_APPLY = ["/spec/replicas", "/spec/paused", "/spec/template"];

function adoptedSize({ snapshot }: World): Record<string, string> {
  const { deployment } = snapshot;
  if (deployment?.metadata.annotations?.[ANNOTATION_ADOPTED_REPLICAS] !== undefined) return {};
  return { [ANNOTATION_ADOPTED_REPLICAS]: String(deployment?.spec.replicas ?? 1) };
}
