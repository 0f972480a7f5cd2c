import { type JsonPatchOperation, type KubeObject, refOf } from "../../api/kubernetes.ts";
import type { Write } from "../plan.ts";
import type { RouteWish } from "../routing.ts";
import {
  ANNOTATION_ADOPTED_REPLICAS,
  ANNOTATION_CHANGED_BY,
  ANNOTATION_MARK,
  ANNOTATION_REASON,
  ANNOTATION_REJECTED,
  canonicalJson,
  FINALIZER,
  sameTemplate,
} from "./names.ts";
import { canaryServiceOf, isOwnedBy, pinned, portsOf, recordOf, replicaSetOf } from "./objects.ts";
import type { Rejection, Target } from "./target.ts";
import type { Revision, Routers, World } from "./world.ts";

/**
 * Says which writes lead from what is to what should be, in the order in which they must happen. It always runs: paused,
 * held and deleting Rollouts are repaired like any other. A breach comes first and in one group; then, going up, capacity
 * before traffic, and going down, traffic before capacity: `decide` has seen to it that a size only falls once its
 * revision has no traffic.
 */
export function converge(target: Target, world: World, routers: Routers): Write[] {
  if (target.phase === "Failed" && target.stage !== "Starting" && Object.keys(target.sizes).length === 0) return [];
  const traffic = [
    ...routeWrites(target, world, routers),
    ...canaryServiceWrites(target, world),
    ...serviceWrites(target, world),
  ];
  const urgent = target.urgent === undefined ? [] : traffic.map((write) => ({ ...write, together: "breach" }));
  const calm = target.urgent === undefined ? traffic : [];
  const { up, down } = sizeWrites(target, world);
  return [
    ...urgent,
    ...finalizerWrites(target, world),
    ...recordWrites(target, world),
    ...deploymentWrites(target, world),
    ...up,
    ...calm,
    ...down,
    ...replicasWrite(target, world),
    ...markWrites(target, world),
    ...rejectionCleared(target, world),
    ...oldRevisions(target, world),
    ...release(target, world),
  ];
}

function routeWrites(target: Target, world: World, routers: Routers): Write[] {
  const { settings, snapshot } = world;
  const wish = target.wish;
  if (wish === undefined || settings.service === undefined || settings.canaryService === undefined) return [];
  const backends = { service: settings.service, canaryService: settings.canaryService };
  return snapshot.routes.flatMap(({ object }): Write[] => {
    const router = object === undefined ? undefined : routers.get(object.kind);
    if (object === undefined || router === undefined) return [];
    const reading = router.read(object, backends);
    if (
      reading.kind === "unusable" ||
      (reading.kind === "rest" && wish.kind === "paired" && wish.canaryBp === 0 && target.stage !== "Stepping")
    )
      return [];
    const operations = [...router.write(object, backends, wish)];
    if (operations.length === 0) return [];
    return [patch(object, [...operations, ...rejectionNote(object, target.urgent)], routeWhy(wish), ["/spec/rules"])];
  });
}

function routeWhy(wish: RouteWish): string {
  return wish.kind === "rest"
    ? "fold the route into what its author wrote"
    : `give the canary ${wish.canaryBp / 100} %`;
}

function serviceWrites(target: Target, world: World): Write[] {
  const { service } = world.snapshot;
  if (service === undefined || target.selects === undefined) return [];
  const selector = pinned(world, service.spec.selector ?? {}, target.selects);
  if (canonicalJson(selector) === canonicalJson(service.spec.selector ?? {})) return [];
  const changedBy =
    target.selects === "author"
      ? removeAnnotation(service, ANNOTATION_CHANGED_BY)
      : setAnnotation(service, ANNOTATION_CHANGED_BY, world.name);
  const operations: JsonPatchOperation[] = [
    { op: "replace", path: "/spec/selector", value: selector },
    ...mergeAnnotations(service, changedBy, rejectionNote(service, target.urgent)),
  ];
  const why =
    target.selects === "author"
      ? "give the Service its author's selector back"
      : `let the Service select ${target.selects === "all" ? "this Rollout's pods" : `revision ${target.selects}`}`;
  return [patch(service, operations, why, ["/spec/selector"])];
}

function canaryServiceWrites(target: Target, world: World): Write[] {
  const { service, canaryService } = world.snapshot;
  if (world.settings.canaryService === undefined || service === undefined || target.canarySelects === undefined)
    return [];
  if (canaryService === undefined) {
    if (target.stage !== "Stepping") return [];
    return [
      { verb: "create", why: "make the canary Service", object: canaryServiceOf(world, service, target.canarySelects) },
    ];
  }
  const selector = pinned(world, canaryService.spec.selector ?? {}, target.canarySelects);
  const operations: JsonPatchOperation[] = [];
  if (canonicalJson(selector) !== canonicalJson(canaryService.spec.selector ?? {})) {
    operations.push(
      { op: "replace", path: "/spec/selector", value: selector },
      ...rejectionNote(canaryService, target.urgent),
    );
  }
  const ours = isOwnedBy(canaryService, world.rollout.metadata.uid);
  if (ours && canonicalJson(portsOf(canaryService)) !== canonicalJson(portsOf(service))) {
    operations.push({ op: "replace", path: "/spec/ports", value: portsOf(service) });
  }
  return operations.length === 0
    ? []
    : [
        patch(canaryService, operations, `let the canary Service select revision ${target.canarySelects}`, [
          "/spec/selector",
        ]),
      ];
}

function sizeWrites(target: Target, world: World): { up: Write[]; down: Write[] } {
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
          why: `make ${size} pods of revision ${hash}`,
          object: replicaSetOf(world, revision, size),
        });
    } else if (revision.size !== size) {
      const write = patch(
        set,
        [{ op: "replace", path: "/spec/replicas", value: size }],
        `scale revision ${hash} from ${revision.size} to ${size}`,
      );
      (size > revision.size ? up : down).push(write);
    }
  }
  return { up, down };
}

function recordWrites(target: Target, world: World): Write[] {
  const { wanted, revisions } = world;
  const needed = wanted !== undefined && wanted.record === undefined && target.sizes[wanted.hash] !== undefined;
  if (!needed) return [];
  const number = 1 + Math.max(0, ...[...revisions.values()].map((r) => r.number));
  return [{ verb: "create", why: `record revision ${wanted.hash}`, object: recordOf(world, wanted, number) }];
}

/** A referenced Deployment: paused and at 0 while we serve for it; its template only when it is handed back. */
function deploymentWrites(target: Target, world: World): Write[] {
  const { deployment } = world.snapshot;
  const kept =
    world.settings.workload !== undefined && world.stable !== undefined && target.stage !== "Leaving"
      ? { paused: true, replicas: 0 }
      : undefined;
  const want = target.deployment ?? kept;
  if (deployment === undefined || want === undefined) return [];
  const operations: JsonPatchOperation[] = [];
  const back =
    !want.paused && world.stable !== undefined && !sameTemplate(deployment.spec.template, world.stable.template);
  if (back) operations.push({ op: "replace", path: "/spec/template", value: world.stable?.template });
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
  return [patch(deployment, operations, why)];
}

function adoptedSize({ snapshot }: World): Record<string, string> {
  const { deployment } = snapshot;
  if (deployment?.metadata.annotations?.[ANNOTATION_ADOPTED_REPLICAS] !== undefined) return {};
  return { [ANNOTATION_ADOPTED_REPLICAS]: String(deployment?.spec.replicas ?? 1) };
}

function finalizerWrites(target: Target, world: World): Write[] {
  const { metadata } = world.rollout;
  if (target.stage === "Leaving" || metadata.finalizers?.includes(FINALIZER) === true) return [];
  const operations: JsonPatchOperation[] =
    metadata.finalizers === undefined
      ? [{ op: "add", path: "/metadata/finalizers", value: [FINALIZER] }]
      : [{ op: "add", path: "/metadata/finalizers/-", value: FINALIZER }];
  return [patch(world.rollout, operations, "hold the Rollout until what it changes is put back")];
}

/** `/scale` needs a size to stand in the spec: where it is left out, the last one is written. */
function replicasWrite(target: Target, world: World): Write[] {
  if (world.settings.replicas !== undefined || target.stage === "Leaving" || target.phase === "Failed") return [];
  return [
    patch(
      world.rollout,
      [{ op: "add", path: "/spec/replicas", value: world.replicas }],
      `write down the size ${world.replicas} that autoscalers start from`,
    ),
  ];
}

/** The marks on records say what is stable should status be lost. */
function markWrites(target: Target, world: World): Write[] {
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
  const rejected = target.rejected;
  if (rejected !== undefined && target.urgent === undefined)
    mark(world.revisions.get(rejected.revision), "rejected", rejected.message.slice(0, 1024));
  return writes;
}

/** Taken away once status holds the rejection. */
function rejectionCleared(target: Target, world: World): Write[] {
  if (target.urgent !== undefined) return [];
  const { service, canaryService, routes } = world.snapshot;
  return [service, canaryService, ...routes.map((route) => route.object)].flatMap((object): Write[] => {
    const note = object?.metadata.annotations?.[ANNOTATION_REJECTED];
    if (object === undefined || note === undefined || note.split(" ")[0] !== world.status.rejected?.revision) return [];
    return [
      patch(
        object,
        annotate(object, { [ANNOTATION_REJECTED]: undefined }),
        "take the note of a rejection away: status holds it",
      ),
    ];
  });
}

/** ReplicaSets only for revisions that have or get pods; records up to the history limit. */
function oldRevisions(target: Target, world: World): Write[] {
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
    if (idle && hash !== target.stable && hash !== target.canary)
      writes.push(remove(replicaSet, `remove the empty ReplicaSet of revision ${hash}`));
  }
  const spare = all
    .filter(({ hash, replicaSet }) => !needed.has(hash) && replicaSet === undefined)
    .slice(world.settings.historyLimit);
  for (const { record, hash } of spare)
    if (record !== undefined) writes.push(remove(record, `forget revision ${hash}, beyond the history limit`));
  return writes;
}

function release(target: Target, world: World): Write[] {
  const index = world.rollout.metadata.finalizers?.indexOf(FINALIZER) ?? -1;
  if (target.release !== true || index === -1) return [];
  const path = `/metadata/finalizers/${index}`;
  const orphans = world.settings.onDelete === "keep" ? keepOrphans(world) : [];
  return [
    ...orphans,
    patch(
      world.rollout,
      [
        { op: "test", path, value: FINALIZER },
        { op: "remove", path },
      ],
      "let the Rollout go",
    ),
  ];
}

/** `keep`: no owner reference stays, so nothing of ours is collected with the Rollout. */
function keepOrphans(world: World): Write[] {
  const { replicaSets, revisions } = world.snapshot;
  return [...replicaSets, ...revisions]
    .filter((object) => isOwnedBy(object, world.rollout.metadata.uid))
    .map((object) =>
      patch(object, [{ op: "remove", path: "/metadata/ownerReferences" }], "keep the pods when the Rollout goes"),
    );
}

function patch(
  object: KubeObject,
  operations: readonly JsonPatchOperation[],
  why: string,
  shared?: readonly string[],
): Write {
  return {
    verb: "jsonPatch",
    ref: refOf(object),
    operations,
    resourceVersion: object.metadata.resourceVersion ?? "",
    why,
    ...(shared === undefined ? {} : { shared }),
  };
}

function remove(object: KubeObject, why: string): Write {
  return {
    verb: "delete",
    ref: refOf(object),
    uid: object.metadata.uid ?? "",
    resourceVersion: object.metadata.resourceVersion ?? "",
    why,
  };
}

function rejectionNote(object: KubeObject, urgent: Rejection | undefined): JsonPatchOperation[] {
  if (urgent === undefined) return [];
  return annotate(object, { [ANNOTATION_REJECTED]: `${urgent.revision} ${urgent.message}`.slice(0, 2048) });
}

function setAnnotation(object: KubeObject, key: string, value: string): Record<string, string> {
  return object.metadata.annotations?.[key] === value ? {} : { [key]: value };
}

function removeAnnotation(object: KubeObject, key: string): Record<string, undefined> {
  return object.metadata.annotations?.[key] === undefined ? {} : { [key]: undefined };
}

/** Two lots of annotation changes on one object must not both make the map. */
function mergeAnnotations(
  object: KubeObject,
  changes: Record<string, string | undefined>,
  note: readonly JsonPatchOperation[],
): JsonPatchOperation[] {
  const own = annotate(object, changes);
  if (own.length === 0) return [...note];
  return [...own, ...note.filter((op) => op.path !== "/metadata/annotations")];
}

function annotate(object: KubeObject, changes: Record<string, string | undefined>): JsonPatchOperation[] {
  const present = object.metadata.annotations;
  const operations: JsonPatchOperation[] = [];
  for (const [key, value] of Object.entries(changes)) {
    const path = `/metadata/annotations/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (value !== undefined) operations.push({ op: "add", path, value });
    else if (present?.[key] !== undefined) operations.push({ op: "remove", path });
  }
  if (operations.length === 0 || present !== undefined) return operations;
  return [{ op: "add", path: "/metadata/annotations", value: {} }, ...operations];
}
