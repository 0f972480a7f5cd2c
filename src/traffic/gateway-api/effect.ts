import { type Condition, describeRef, type ParentRef, type Route, refOf } from "../../api/kubernetes.ts";
import type { RouteEffect } from "../../core/routing.ts";

type ParentStatus = NonNullable<NonNullable<Route["status"]>["parents"]>[number];

/** Every parent has to have taken the present generation in: a route has no condition that says so as a whole. A parent that
 * refuses it outranks those that have said nothing yet. */
export function effectOf(route: Route): RouteEffect {
  const parents = (route.status?.parents ?? []).filter(({ parentRef }) => isAsked(route, parentRef));
  if (parents.length === 0)
    return { kind: "pending", message: `no Gateway has taken ${describeRef(refOf(route))} in yet` };
  const effects = parents.map((parent) => effectAt(route, parent));
  return (
    effects.find(({ kind }) => kind === "refused") ??
    effects.find(({ kind }) => kind === "pending") ?? { kind: "effective" }
  );
}

/** Status may keep what a controller said of a parent that the route has left. */
function isAsked(route: Route, parentRef: ParentRef): boolean {
  const { parentRefs = [] } = route.spec;
  const namespace = route.metadata.namespace ?? "";
  return parentRefs.length === 0 || parentRefs.some((ref) => textOf(ref, namespace) === textOf(parentRef, namespace));
}

function textOf({ group, kind, namespace, name, sectionName, port }: ParentRef, routeNamespace: string): string {
  const shown = [group ?? "gateway.networking.k8s.io", kind ?? "Gateway", namespace ?? routeNamespace, name];
  return JSON.stringify([...shown, sectionName ?? "", port ?? 0]);
}

function effectAt(route: Route, { parentRef, conditions = [] }: ParentStatus): RouteEffect {
  const generation = route.metadata.generation ?? 1;
  const who = `parent "${parentRef.name}" of ${describeRef(refOf(route))}`;
  const told = (type: string): Condition | undefined =>
    conditions.find((c) => c.type === type && (c.observedGeneration ?? 0) >= generation);
  const refusal = ["Accepted", "ResolvedRefs"].map(told).find((c) => c?.status === "False");
  // Rules were left out, or those of an earlier generation still stand.
  const partly = told("PartiallyInvalid");
  const against = refusal ?? (partly?.status === "True" ? partly : undefined);
  if (against !== undefined) {
    const { type, status, reason, message } = against;
    return { kind: "refused", message: `${who} says ${type}=${status}: ${reason}, ${message.slice(0, 200)}` };
  }
  const silent = ["Accepted", "ResolvedRefs"].find((type) => told(type)?.status !== "True");
  if (silent === undefined) return { kind: "effective" };
  return { kind: "pending", message: `${who} has not said ${silent} for generation ${generation}` };
}
