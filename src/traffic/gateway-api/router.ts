import {
  type BackendRef,
  describeRef,
  type JsonPatchOperation,
  type Route,
  type RouteRule,
  refOf,
} from "../../api/kubernetes.ts";
import { canonicalJson } from "../../core/json.ts";
import type { Backends, RouteReading, RouteWish, TrafficRouter } from "../../core/routing.ts";
import { leadsTo, weightOf } from "./backend.ts";
import { effectOf } from "./effect.ts";
import { annotationChange, likeOf, matchNotes, notesOf, type RuleNote } from "./note.ts";
import { type Entries, folded, type PairNote, paired, shareOf, sumOf } from "./pair.ts";

/**
 * HTTPRoute and GRPCRoute. A rule takes part when a backendRef names the Service; pair.ts tells what happens in it, note.ts how
 * we find back. Whatever the author edits meanwhile stays.
 */
export const httpRouteRouter = routerFor("HTTPRoute");
export const grpcRouteRouter = routerFor("GRPCRoute");

const MAX_BACKENDS = 16;

function routerFor(kind: string): TrafficRouter {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind,
    read: (route, backends) => read(route as Route, backends),
    write: (route, backends, wish) => write(route as Route, backends, wish),
    effect: (route) => effectOf(route as Route),
  };
}

/** A rule that takes part. */
interface Part extends Entries {
  readonly index: number;
  readonly rule: RouteRule;
}

function read(route: Route, backends: Backends): RouteReading {
  const parts = partsOf(route, backends);
  const unusable = problemOf(route, parts, backends);
  if (unusable !== undefined) return unusable;
  if (parts.every((part) => part.note === undefined)) return { kind: "rest" };
  const shares = parts.map((part) => (part.note === undefined ? undefined : shareOf(part)));
  const largest = Math.max(...shares.map((share) => share ?? 0));
  if (shares.every((share) => share === largest)) return { kind: "paired", canaryBp: largest };
  return {
    kind: "mixed",
    canaryBp: largest,
    message: `the rules of ${describeRef(refOf(route))} give the canary different shares`,
  };
}

type Unusable = Extract<RouteReading, { kind: "unusable" }>;

function problemOf(route: Route, parts: readonly Part[], backends: Backends): Unusable | undefined {
  if (parts.length > 0) return parts.map((part) => problemIn(part, route, backends)).find((p) => p !== undefined);
  const message = `${describeRef(refOf(route))} has no backendRef that names Service "${backends.service}"`;
  return { kind: "unusable", reason: "RouteHasNoSuchBackend", message };
}

function problemIn(part: Part, route: Route, { service, canaryService }: Backends): Unusable | undefined {
  const { index, refs, canary, note } = part;
  const where = `rule ${index} of ${describeRef(refOf(route))}`;
  const refuse = (reason: Unusable["reason"], message: string): Unusable => ({ kind: "unusable", reason, message });
  for (const name of [service, canaryService]) {
    if (refs.filter((ref) => leadsTo(ref, name, route.metadata.namespace ?? "")).length > 1)
      return refuse("RouteRepeatsBackend", `${where} names Service "${name}" twice`);
  }
  if (canary === -1 && refs.length >= MAX_BACKENDS)
    return refuse("RouteFull", `${where} has ${refs.length} backendRefs, which leaves no room for the canary`);
  const weight = canary === -1 ? 0 : weightOf(refs[canary]);
  if (note === undefined && weight > 0)
    return refuse(
      "RouteGivesCanaryTraffic",
      `${where} gives Service "${canaryService}" weight ${weight} at rest; set it to 0`,
    );
  return undefined;
}

function partsOf(route: Route, { service, canaryService }: Backends): Part[] {
  const namespace = route.metadata.namespace ?? "";
  const bare = (route.spec.rules ?? []).flatMap((rule, index): Part[] => {
    const refs = rule.backendRefs ?? [];
    const at = refs.findIndex((ref) => leadsTo(ref, service, namespace));
    if (at === -1) return [];
    const canary = refs.findIndex((ref) => leadsTo(ref, canaryService, namespace));
    return [{ index, rule, refs, service: at, canary, note: undefined }];
  });
  const notes = notesOf(route);
  if (notes === undefined) return bare;
  // Where the author has applied the rule anew the pair is gone, and its note speaks of nothing.
  const pairs = bare.filter(({ canary }) => canary !== -1);
  const found = matchNotes(
    notes,
    pairs.map((part) => ({ index: part.index, rule: part.rule, pair: sumOf(part) })),
  );
  return bare.map((part) => ({ ...part, note: found.get(part.index) ?? noteLost(part, notes) }));
}

/** In a route that bears our annotation, a canary with weight is a pair even where its note is lost, or where the author has
 * added one: how much it gets is ours to say. Its entry stays. */
function noteLost(part: Part, notes: readonly RuleNote[]): PairNote | undefined {
  const { refs, canary } = part;
  if (canary === -1 || (notes.length > 0 && weightOf(refs[canary]) === 0)) return undefined;
  return { factor: 1, pair: sumOf(part), canaryBp: shareOf(part), absent: [], listed: true };
}

function write(route: Route, backends: Backends, wish: RouteWish): readonly JsonPatchOperation[] {
  const parts = partsOf(route, backends);
  if (problemOf(route, parts, backends) !== undefined) return [];
  const after = parts.map((part) => wanted(part, backends, wish));
  const operations = parts.flatMap((part, i) => operationsOf(part, after[i]?.refs ?? part.refs));
  const notes = after.flatMap(({ note }) => (note === undefined ? [] : [note]));
  return [...operations, ...annotationChange(route, notes)];
}

interface Wanted {
  readonly refs: readonly BackendRef[];
  readonly note: RuleNote | undefined;
}

function wanted(part: Part, { canaryService }: Backends, wish: RouteWish): Wanted {
  const { index, rule } = part;
  if (wish.kind === "rest") return { refs: part.note === undefined ? part.refs : folded(part), note: undefined };
  const { refs, note } = paired(part, canaryService, wish.canaryBp);
  const whose = { rule: index, ...(rule.name === undefined ? {} : { name: rule.name }), like: likeOf(rule) };
  return { refs, note: { ...whose, ...note } };
}

/** The rule's list is replaced whole, after a test that the rule is still the one that was read: rules may have moved. */
function operationsOf({ index, rule, refs: before }: Part, after: readonly BackendRef[]): JsonPatchOperation[] {
  if (canonicalJson(before) === canonicalJson(after)) return [];
  const path = `/spec/rules/${index}`;
  return [
    { op: "test", path, value: rule },
    { op: "replace", path: `${path}/backendRefs`, value: after },
  ];
}
