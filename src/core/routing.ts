import type { JsonPatchOperation, KubeObject } from "../api/kubernetes.ts";

/** The two Services among which a route divides traffic. */
export interface Backends {
  readonly service: string;
  readonly canaryService: string;
}

/** What a route should say: nothing of ours, or a pair of which the canary has `canaryBp` of the entry's share. */
export type RouteWish = { readonly kind: "rest" } | { readonly kind: "paired"; readonly canaryBp: number }; // basis points, 0–10 000

/** What a route says now. */
export type RouteReading =
  | { readonly kind: "rest" } // The author's own: no canary entry of ours anywhere.
  | { readonly kind: "paired"; readonly canaryBp: number } // The largest share among its rules, nearest basis point.
  | { readonly kind: "mixed"; readonly canaryBp: number; readonly message: string } // Rules disagree; a write mends it.
  | { readonly kind: "unusable"; readonly reason: RouteProblem; readonly message: string };

/** The canary's share that a route gives now. */
export function canaryBpOf(reading: RouteReading | { readonly kind: "missing" }): number {
  return reading.kind === "paired" || reading.kind === "mixed" ? reading.canaryBp : 0;
}

export type RouteProblem =
  | "RouteHasNoSuchBackend" // No rule names the Service.
  | "RouteFull" // No room for a seventeenth backendRef.
  | "RouteGivesCanaryTraffic" // The author gives the canary weight at rest.
  | "RouteRepeatsBackend";

/** Whether those who carry the route have taken in its present generation. */
export type RouteEffect =
  | { readonly kind: "effective" }
  | { readonly kind: "pending"; readonly message: string } // No verdict on this generation yet.
  | { readonly kind: "refused"; readonly message: string }; // A parent says Accepted or ResolvedRefs is False.

/** Says traffic in one kind of object. Pure: it is given the object as it is and answers with the patch it wants.
 * Property: applying `write(route, backends, wish)` and then `read` gives `wish` back, for every route that is usable. */
export interface TrafficRouter {
  readonly apiVersion: string;
  readonly kind: string;
  read(route: KubeObject, backends: Backends): RouteReading;
  /** RFC 6902 operations, `test`s on the neighbouring names first; empty where nothing is to be done. */
  write(route: KubeObject, backends: Backends, wish: RouteWish): readonly JsonPatchOperation[];
  effect(route: KubeObject): RouteEffect;
}
