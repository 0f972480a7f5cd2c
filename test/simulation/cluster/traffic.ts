import type { BackendRef, Route } from "../../../src/api/kubernetes.ts";
import { LABEL_REVISION } from "../../../src/core/rollout/names.ts";
import type { Network } from "./network.ts";
import type { Pods } from "./pods.ts";

/** Where requests really go, by revision, as shares of all: "foreign" are pods of no revision, "nowhere" is lost. */
export type Shares = ReadonlyMap<string, number>;

/** Shares by revision, and by pod, as the data plane routes at this moment.
 * @param service where requests go that no route divides; undefined: to every ready pod alike */
export function trafficOf(network: Network, pods: Pods, service: string | undefined): Map<string, number> {
  const byPod = new Map<string, number>();
  const spread = (names: readonly string[], share: number) => {
    if (share === 0) return;
    if (names.length === 0) byPod.set(NOWHERE, (byPod.get(NOWHERE) ?? 0) + share);
    for (const name of names) byPod.set(name, (byPod.get(name) ?? 0) + share / names.length);
  };
  const to = (name: string) => network.endpoints.get(name) ?? [];
  if (service === undefined) {
    spread(
      [...pods.all.values()].filter((pod) => pod.ready).map((pod) => pod.name),
      1,
    );
    return byPod;
  }
  const routes = [...network.routes.values()];
  if (routes.length === 0) spread(to(service), 1);
  for (const route of routes) {
    for (const [name, share] of backendsOf(route, service)) spread(to(name), share / routes.length);
  }
  return byPod;
}

export const NOWHERE = "nowhere";

/** Adds up by revision. */
export function byRevision(byPod: ReadonlyMap<string, number>, pods: Pods): Shares {
  const shares = new Map<string, number>();
  for (const [name, share] of byPod) {
    const pod = pods.all.get(name);
    const revision = name === NOWHERE || pod === undefined ? NOWHERE : (pod.labels[LABEL_REVISION] ?? "foreign");
    shares.set(revision, (shares.get(revision) ?? 0) + share);
  }
  return shares;
}

/** Of the first rule that names the Service: what share of it and its canary each gets; siblings are no concern. */
function backendsOf(route: Route, service: string): [string, number][] {
  const rule = route.spec.rules?.find(({ backendRefs = [] }) => backendRefs.some(({ name }) => name === service));
  const refs = (rule?.backendRefs ?? []).filter(({ name }) => name === service || name === `${service}-canary`);
  const total = refs.reduce((sum, ref) => sum + weightOf(ref), 0);
  return total === 0 ? [] : refs.map((ref) => [ref.name, weightOf(ref) / total]);
}

export function weightOf({ weight }: BackendRef): number {
  return weight ?? 1;
}
