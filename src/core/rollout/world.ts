import type { Condition, ControllerRevision, EndpointSlice, PodTemplate, ReplicaSet } from "../../api/kubernetes.ts";
import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import type { RouteEffect, RouteReading, TrafficRouter } from "../routing.ts";
import {
  ANNOTATION_MARK,
  ANNOTATION_REASON,
  ANNOTATION_REJECTED,
  LABEL_REVISION,
  LABEL_ROLLOUT,
  labelValue,
  sameTemplate,
  templateHash,
  withoutOurs,
} from "./names.ts";
import { type Settings, settingsOf } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";

/** One version of the workload: what is recorded of it, and what runs of it. */
export interface Revision {
  readonly hash: string;
  readonly template: PodTemplate;
  readonly record?: ControllerRevision;
  readonly replicaSet?: ReplicaSet;
  /** Pods asked for, that exist, and that are ready (for `minReadySeconds`); each ≥ 0. */
  readonly size: number;
  readonly pods: number;
  readonly ready: number;
  readonly mark?: { readonly kind: "promoted" | "rejected"; readonly reason: string };
  readonly number: number;
}

/** What the routes say together: the largest canary share of any, and whether all have taken it in. */
export interface RoutesView {
  readonly readings: readonly {
    readonly name: string;
    readonly reading: RouteReading | { readonly kind: "missing" };
  }[];
  /** "rest" only where every route is at rest; a route that is missing counts as neither. */
  readonly state: "none" | "rest" | "paired" | "mixed";
  readonly canaryBp: number;
  readonly effect: RouteEffect;
  readonly problem?: { readonly reason: string; readonly message: string };
}

/** Where the endpoints of a Service lead: ready pods by revision, as the slices say. */
export interface EndpointsView {
  /** Names of pods that may get requests. */
  readonly pods: ReadonlySet<string>;
  /** How many of them are of no ReplicaSet of this Rollout. */
  readonly foreign: number;
  readonly byRevision: ReadonlyMap<string, number>;
}

/** The snapshot, understood: what a rule asks for is here under one name. */
export interface World {
  readonly nowMs: number;
  readonly snapshot: Snapshot;
  readonly rollout: Rollout;
  readonly name: string;
  readonly namespace: string;
  readonly settings: Settings;
  readonly status: RolloutStatus;
  readonly revisions: ReadonlyMap<string, Revision>;
  /** What the spec asks for now; undefined where the referenced Deployment is missing. */
  readonly wanted?: Revision;
  readonly stable?: Revision;
  readonly canary?: Revision;
  readonly previous?: Revision;
  readonly replicas: number;
  readonly routes: RoutesView;
  /** The revision that a Service is pinned to: a hash, "all" (ours, any revision) or "author" (not pinned). */
  readonly selects: string;
  readonly canarySelects: string;
  readonly serviceEndpoints: EndpointsView;
  readonly canaryEndpoints: EndpointsView;
  /** A rejection that reached objects before it reached status. */
  readonly unrecordedRejection?: { readonly revision: string; readonly reason: string };
}

export type Routers = ReadonlyMap<string, TrafficRouter>;

/** Understands a snapshot. Pure; the same snapshot gives the same world. */
export function observe(snapshot: Snapshot, routers: Routers): World {
  const { rollout } = snapshot;
  const settings = settingsOf(rollout);
  const status: RolloutStatus = rollout.status ?? {};
  const revisions = revisionsOf(snapshot);
  const template = wantedTemplate(snapshot);
  const wanted = template === undefined ? undefined : wantedRevision(template, revisions, status.collisionCount ?? 0);
  const stableHash = status.stable?.revision ?? recoveredStable(snapshot, revisions);
  const selects = pinOf(snapshot.service?.spec.selector, rollout.metadata.name);
  const canaryHash = status.progress?.canary;
  const previousHash = status.progress?.previous;
  const stable = stableHash === undefined ? undefined : revisions.get(stableHash);
  return {
    nowMs: snapshot.nowMs,
    snapshot,
    rollout,
    name: rollout.metadata.name,
    namespace: rollout.metadata.namespace ?? "",
    settings,
    status,
    revisions,
    ...(wanted === undefined ? {} : { wanted }),
    ...(stable === undefined ? {} : { stable }),
    ...optional("canary", canaryHash === undefined ? undefined : revisions.get(canaryHash)),
    ...optional("previous", previousHash === undefined ? undefined : revisions.get(previousHash)),
    replicas: replicasOf(snapshot, settings, status),
    routes: routesOf(snapshot, settings, routers),
    selects,
    canarySelects: pinOf(snapshot.canaryService?.spec.selector, rollout.metadata.name),
    serviceEndpoints: endpointsOf(snapshot.serviceSlices, snapshot.replicaSets),
    canaryEndpoints: endpointsOf(snapshot.canarySlices, snapshot.replicaSets),
    ...optional("unrecordedRejection", rejectionOnObjects(snapshot, status)),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

function wantedTemplate({ rollout, deployment }: Snapshot): PodTemplate | undefined {
  if (rollout.spec.workloadRef !== undefined) return deployment?.spec.template;
  return rollout.spec.template as PodTemplate | undefined;
}

/** A template is the one of a known revision where they say the same as the API server defaults them today (its live
 * ReplicaSet), or as they were written (its record). A name taken by another template is a collision. */
function wantedRevision(template: PodTemplate, known: ReadonlyMap<string, Revision>, collisions: number): Revision {
  for (const revision of known.values()) {
    const live = revision.replicaSet?.spec.template;
    if ((live !== undefined && sameTemplate(live, template)) || sameTemplate(revision.template, template))
      return revision;
  }
  let extra = collisions;
  while (known.has(templateHash(withoutOurs(template), extra))) extra++;
  const hash = templateHash(withoutOurs(template), extra);
  return { hash, template: withoutOurs(template), size: 0, pods: 0, ready: 0, number: 0 };
}

function revisionsOf({ replicaSets, revisions, rollout }: Snapshot): Map<string, Revision> {
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
  return {
    hash,
    template: recorded ?? withoutOurs(set?.spec.template ?? { spec: {} }),
    ...optional("record", record),
    ...optional("replicaSet", set),
    size: set?.spec.replicas ?? 0,
    pods: set?.status?.replicas ?? 0,
    ready: set?.status?.availableReplicas ?? 0,
    ...(mark === "promoted" || mark === "rejected"
      ? { mark: { kind: mark, reason: record?.metadata.annotations?.[ANNOTATION_REASON] ?? "" } }
      : {}),
    number: record?.revision ?? 0,
  };
}

/** Should status be lost: what a Service is pinned to at rest, else the newest revision that was ever promoted. */
function recoveredStable(snapshot: Snapshot, revisions: ReadonlyMap<string, Revision>): string | undefined {
  const pinned = pinOf(snapshot.service?.spec.selector, snapshot.rollout.metadata.name);
  if (revisions.has(pinned)) return pinned;
  const promoted = [...revisions.values()].filter((r) => r.mark?.kind === "promoted");
  promoted.sort((a, b) => b.number - a.number);
  return promoted[0]?.hash;
}

function replicasOf({ deployment }: Snapshot, settings: Settings, status: RolloutStatus): number {
  return settings.replicas ?? status.replicasWanted ?? deployment?.spec.replicas ?? 1;
}

/** What a selector lets in: the hash of one revision, "all" of this Rollout's, or whatever its "author" wrote. */
function pinOf(selector: Readonly<Record<string, string>> | undefined, rolloutName: string): string {
  if (selector?.[LABEL_ROLLOUT] !== labelValue(rolloutName)) return "author";
  return selector[LABEL_REVISION] ?? "all";
}

function endpointsOf(slices: readonly EndpointSlice[], sets: readonly ReplicaSet[]): EndpointsView {
  const pods = new Set<string>();
  const byRevision = new Map<string, number>();
  let foreign = 0;
  for (const endpoint of slices.flatMap((slice) => slice.endpoints ?? [])) {
    const name = endpoint.targetRef?.name;
    if (endpoint.conditions?.ready === false || name === undefined || pods.has(name)) continue;
    pods.add(name);
    const owner = sets.find((set) => isPodOf(name, set.metadata.name))?.metadata.labels?.[LABEL_REVISION];
    if (owner === undefined) foreign++;
    else byRevision.set(owner, (byRevision.get(owner) ?? 0) + 1);
  }
  return { pods, foreign, byRevision };
}

/** ReplicaSet pods are named `<set>-<five letters>`. */
function isPodOf(pod: string, set: string): boolean {
  return pod.length === set.length + 6 && pod.startsWith(`${set}-`);
}

function routesOf(snapshot: Snapshot, settings: Settings, routers: Routers): RoutesView {
  if (settings.routes.length === 0 || settings.service === undefined || settings.canaryService === undefined) {
    return { readings: [], state: "none", canaryBp: 0, effect: { kind: "effective" } };
  }
  const backends = { service: settings.service, canaryService: settings.canaryService };
  const views = snapshot.routes.map(({ ref, object }) => {
    const router = routers.get(ref.kind);
    const name = `${ref.kind} "${ref.name}"`;
    if (object === undefined || router === undefined) return { name, reading: { kind: "missing" as const } };
    return { name, reading: router.read(object, backends), effect: router.effect(object) };
  });
  const missing = views.find((view) => view.reading.kind === "missing");
  const unusable = views.find((view) => view.reading.kind === "unusable");
  const shares = views.map(({ reading }) =>
    reading.kind === "paired" || reading.kind === "mixed" ? reading.canaryBp : 0,
  );
  const kinds = new Set(
    views.map((view) => view.reading.kind).filter((kind) => kind !== "missing" && kind !== "unusable"),
  );
  const [only] = kinds;
  const agree = kinds.size === 1 && (only !== "paired" || new Set(shares).size === 1);
  return {
    readings: views.map(({ name, reading }) => ({ name, reading })),
    state: kinds.size === 0 ? "rest" : agree && (only === "rest" || only === "paired") ? only : "mixed",
    canaryBp: Math.max(0, ...shares),
    effect: worstEffect(views.map((view) => ("effect" in view ? view.effect : { kind: "effective" as const }))),
    ...optional("problem", problemOf(missing?.name, unusable?.reading)),
  };
}

function problemOf(missing: string | undefined, unusable: RouteReading | { kind: "missing" } | undefined) {
  if (missing !== undefined) {
    return {
      reason: "RouteMissing",
      message: `${missing} does not exist; create it, or take it out of spec.traffic.routes`,
    };
  }
  return unusable?.kind === "unusable" ? { reason: unusable.reason, message: unusable.message } : undefined;
}

function worstEffect(effects: readonly RouteEffect[]): RouteEffect {
  return (
    effects.find((e) => e.kind === "refused") ?? effects.find((e) => e.kind === "pending") ?? { kind: "effective" }
  );
}

/** Every switch of a breach leaves the rejection on its object, so that no crash or lost status raises it again. */
function rejectionOnObjects(
  snapshot: Snapshot,
  status: RolloutStatus,
): { revision: string; reason: string } | undefined {
  const notes = [snapshot.service, snapshot.canaryService, ...snapshot.routes.map((route) => route.object)]
    .map((object) => object?.metadata.annotations?.[ANNOTATION_REJECTED])
    .filter((note) => note !== undefined);
  for (const note of notes) {
    const space = note.indexOf(" ");
    const revisionHash = space === -1 ? note : note.slice(0, space);
    if (status.rejected?.revision !== revisionHash) {
      return { revision: revisionHash, reason: space === -1 ? "rejected" : note.slice(space + 1) };
    }
  }
  return undefined;
}

/** A condition by type, where status has it. */
export function conditionOf(status: RolloutStatus, type: string): Condition | undefined {
  return status.conditions?.find((condition) => condition.type === type) as Condition | undefined;
}
