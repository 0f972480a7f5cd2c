import {
  type BackendRef,
  describeRef,
  GROUP,
  type JsonPatchOperation,
  type Route,
  type RouteRule,
  refOf,
} from "../api/kubernetes.ts";
import type { Backends, RouteEffect, RouteReading, RouteWish, TrafficRouter } from "../core/routing.ts";

/**
 * HTTPRoute and GRPCRoute. A rule takes part when a backendRef names the Service. At rest that entry is as its author wrote
 * it; during a release it stands as a pair that shares the weight it had:
 *
 *     rest     [web (w=3)] [other (w=1)]
 *     paired   [web 60] [web-canary 15] [other 25]      canary 20 %, all weights × 25, so that siblings keep their ratio
 *
 * The annotation remembers, per rule, the factor and which weights were absent; never a copy of the route. Whatever the
 * author edits meanwhile stays.
 */

const ANNOTATION = `${GROUP}/route`;
const MAX_BACKENDS = 16;
const MAX_WEIGHT = 1_000_000;

/** What we did to one rule: by position, with the factor its weights bear and whose weights its author had left out. */
interface RuleNote {
  readonly rule: number;
  readonly factor: number;
  readonly absent: readonly string[]; // names of backends
  readonly listed: boolean; // the author lists the canary Service himself
}

export const httpRouteRouter = routerFor("HTTPRoute");
export const grpcRouteRouter = routerFor("GRPCRoute");

function routerFor(kind: string): TrafficRouter {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind,
    read: (route, backends) => read(route as Route, backends),
    write: (route, backends, wish) => write(route as Route, backends, wish),
    effect: (route) => effectOf(route as Route),
  };
}

interface Part {
  readonly index: number;
  readonly rule: RouteRule;
  readonly service: number; // position of the Service's entry
  readonly canary: number; // position of the canary's entry, −1 where there is none
  readonly note: RuleNote | undefined;
}

function read(route: Route, backends: Backends): RouteReading {
  const parts = partsOf(route, backends);
  const unusable = problemOf(route, parts, backends);
  if (unusable !== undefined) return unusable;
  const paired = parts.filter((part) => part.note !== undefined && part.canary !== -1);
  if (paired.length === 0) return { kind: "rest" };
  const shares = parts.map((part) => (part.note === undefined ? undefined : shareOf(part)));
  const largest = Math.max(...shares.map((share) => share ?? 0));
  if (shares.every((share) => share === largest)) return { kind: "paired", canaryBp: largest };
  return {
    kind: "mixed",
    canaryBp: largest,
    message: `the rules of ${describeRef(refOf(route))} give the canary different shares`,
  };
}

function problemOf(
  route: Route,
  parts: readonly Part[],
  { service, canaryService }: Backends,
): RouteReading | undefined {
  const name = describeRef(refOf(route));
  const refuse = (reason: Extract<RouteReading, { kind: "unusable" }>["reason"], message: string) =>
    ({ kind: "unusable", reason, message }) as const;
  if (parts.length === 0)
    return refuse("RouteHasNoSuchBackend", `${name} has no backendRef that names Service "${service}"`);
  for (const { rule, index, note, canary } of parts) {
    const refs = rule.backendRefs ?? [];
    const where = `rule ${index} of ${name}`;
    if (refs.filter((ref) => names(ref, service)).length > 1)
      return refuse("RouteRepeatsBackend", `${where} names Service "${service}" twice`);
    if (canary === -1 && refs.length >= MAX_BACKENDS)
      return refuse("RouteFull", `${where} has ${refs.length} backendRefs, which leaves no room for the canary`);
    if (note === undefined && canary !== -1 && weightOf(refs[canary]) > 0) {
      return refuse(
        "RouteGivesCanaryTraffic",
        `${where} gives Service "${canaryService}" weight ${weightOf(refs[canary])} at rest; set it to 0`,
      );
    }
  }
  return undefined;
}

function partsOf(route: Route, { service, canaryService }: Backends): Part[] {
  const notes = notesOf(route);
  return (route.spec.rules ?? []).flatMap((rule, index): Part[] => {
    const refs = rule.backendRefs ?? [];
    const at = refs.findIndex((ref) => names(ref, service));
    if (at === -1) return [];
    const canary = refs.findIndex((ref) => names(ref, canaryService));
    const note = notes.find((n) => n.rule === index);
    return [
      { index, rule, service: at, canary, note: note !== undefined && stillHolds(refs, canary) ? note : undefined },
    ];
  });
}

/** A note outlives its rule where the author applies the route anew: then the pair is gone. */
function stillHolds(refs: readonly BackendRef[], canary: number): boolean {
  return canary !== -1 && refs.every((ref) => ref.weight !== undefined);
}

function notesOf(route: Route): RuleNote[] {
  const text = route.metadata.annotations?.[ANNOTATION];
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value)
      ? value.filter(
          (n): n is RuleNote =>
            typeof n?.rule === "number" && typeof n?.factor === "number" && Array.isArray(n?.absent),
        )
      : [];
  } catch {
    return [];
  }
}

/** The canary's share of the pair, nearest basis point. */
function shareOf({ rule, service, canary }: Part): number {
  const own = weightOf(rule.backendRefs?.[service]);
  const theirs = weightOf(rule.backendRefs?.[canary]);
  return own + theirs === 0 ? 0 : Math.round((10_000 * theirs) / (own + theirs));
}

function write(route: Route, backends: Backends, wish: RouteWish): readonly JsonPatchOperation[] {
  const parts = partsOf(route, backends);
  if (problemOf(route, parts, backends) !== undefined) return [];
  const changes = parts.map((part) => (wish.kind === "rest" ? folded(part) : paired(part, backends, wish.canaryBp)));
  const operations = changes.flatMap((change) => (change === undefined ? [] : operationsOf(change)));
  const notes = changes.flatMap((change, i) => {
    const note = change === undefined ? parts[i]?.note : change.note;
    return note === undefined ? [] : [note];
  });
  return [...operations, ...annotationChange(route, notes)];
}

interface Change {
  readonly part: Part;
  readonly refs: readonly BackendRef[];
  readonly note: RuleNote | undefined;
}

function paired(part: Part, { canaryService }: Backends, canaryBp: number): Change | undefined {
  const { refs, service, absent, listed } = authored(part);
  const total = weightOf(refs[service]);
  const factor = factorFor(total, canaryBp, Math.max(1, ...refs.map(weightOf)));
  const canary = Math.floor((total * factor * canaryBp) / 10_000);
  const scaled = refs.map((ref, i) => ({
    ...ref,
    weight: i === service ? total * factor - canary : weightOf(ref) * factor,
  }));
  const entry = { ...(refs[service] as BackendRef), name: canaryService, weight: canary };
  const withPair = listed
    ? scaled.map((ref, i) => (i === part.canary ? { ...ref, weight: canary } : ref))
    : [...scaled.slice(0, service + 1), entry, ...scaled.slice(service + 1)];
  const same = part.note?.factor === factor && JSON.stringify(withPair) === JSON.stringify(part.rule.backendRefs);
  return same ? undefined : { part, refs: withPair, note: { rule: part.index, factor, absent, listed } };
}
function folded(part: Part): Change | undefined {
  if (part.note === undefined) return undefined;
  const { refs, absent, listed } = authored(part);
  const back = refs.map((ref, i) => {
    if (absent.includes(ref.name)) {
      const { weight: _weight, ...rest } = ref;
      return rest;
    }
    return listed && i === part.canary ? { ...ref, weight: 0 } : ref;
  });
  return { part, refs: back, note: undefined };
}

/** The rule as its author would have it: our entry gone, weights divided by the factor, absent ones noted. */
function authored(part: Part): { refs: BackendRef[]; service: number; absent: readonly string[]; listed: boolean } {
  const { rule, note, canary, service } = part;
  const refs = rule.backendRefs ?? [];
  if (note === undefined) {
    return {
      refs: [...refs],
      service,
      absent: refs.filter((ref) => ref.weight === undefined).map((ref) => ref.name),
      listed: canary !== -1,
    };
  }
  const total = weightOf(refs[service]) + weightOf(refs[canary]);
  const merged = refs.map((ref, i) => ({
    ...ref,
    weight: Math.round((i === service ? total : weightOf(ref)) / note.factor),
  }));
  if (note.listed)
    return {
      refs: merged.map((ref, i) => (i === canary ? { ...ref, weight: 0 } : ref)),
      service,
      absent: note.absent,
      listed: true,
    };
  const without = merged.filter((_, i) => i !== canary);
  return { refs: without, service: canary < service ? service - 1 : service, absent: note.absent, listed: false };
}

/** The least factor that expresses the share in whole weights, or the largest that the bound allows. */
function factorFor(total: number, canaryBp: number, largest: number): number {
  if (total === 0) return 1;
  const least = 10_000 / gcd(10_000, total * canaryBp);
  return Math.max(1, Math.min(least, Math.floor(MAX_WEIGHT / largest)));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** The rule's list is replaced whole, after a test that its neighbours are still who they were. */
function operationsOf({ part, refs }: Change): JsonPatchOperation[] {
  const path = `/spec/rules/${part.index}/backendRefs`;
  const tests = (part.rule.backendRefs ?? []).map(
    (ref, i): JsonPatchOperation => ({ op: "test", path: `${path}/${i}/name`, value: ref.name }),
  );
  return [...tests, { op: "replace", path, value: refs }];
}

function annotationChange(route: Route, notes: readonly RuleNote[]): JsonPatchOperation[] {
  const before = route.metadata.annotations?.[ANNOTATION];
  const path = `/metadata/annotations/${ANNOTATION.replace("/", "~1")}`;
  if (notes.length === 0) return before === undefined ? [] : [{ op: "remove", path }];
  const value = JSON.stringify(notes);
  if (value === before) return [];
  if (route.metadata.annotations === undefined)
    return [{ op: "add", path: "/metadata/annotations", value: { [ANNOTATION]: value } }];
  return [{ op: "add", path, value }];
}

/** Every parent has to have taken the present generation in: a route has no condition that says so as a whole. */
function effectOf(route: Route): RouteEffect {
  const generation = route.metadata.generation ?? 1;
  const parents = route.status?.parents ?? [];
  if (parents.length === 0)
    return { kind: "pending", message: `no Gateway has taken ${describeRef(refOf(route))} in yet` };
  for (const type of ["Accepted", "ResolvedRefs"]) {
    for (const { conditions = [], parentRef } of parents) {
      const found = conditions.find((condition) => condition.type === type);
      const who = `parent "${parentRef.name}" of ${describeRef(refOf(route))}`;
      if (found === undefined || (found.observedGeneration ?? 0) < generation)
        return { kind: "pending", message: `${who} has not said ${type} for generation ${generation}` };
      if (found.status === "False")
        return {
          kind: "refused",
          message: `${who} says ${type}=False: ${found.reason}, ${found.message.slice(0, 200)}`,
        };
    }
  }
  return { kind: "effective" };
}

function names(ref: BackendRef, service: string): boolean {
  return (
    ref.name === service &&
    (ref.kind ?? "Service") === "Service" &&
    (ref.group ?? "") === "" &&
    ref.namespace === undefined
  );
}

function weightOf(ref: BackendRef | undefined): number {
  return ref?.weight ?? 1;
}
