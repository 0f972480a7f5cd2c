import type { ObjectRef } from "../../api/kubernetes.ts";
import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import { optional } from "../optional.ts";

/** The objects that a Rollout moves traffic with, by name. */
export interface TrafficNames {
  readonly service?: string;
  readonly canaryService?: string; // only with routes
  readonly routes: readonly ObjectRef[];
}

const GATEWAY_API = "gateway.networking.k8s.io/v1";

/** Which objects a Rollout acts on: those that the spec names. Where the spec no longer names one that was changed, all
 * those of before, until it is put back: only they say what there is to put back. */
export function trafficOf(rollout: Rollout): TrafficNames & { readonly outdated: boolean } {
  const asked = namesAsked(rollout);
  const known = namesKnown(rollout);
  return known !== undefined && isDropped(known, asked) ? { ...known, outdated: true } : { ...asked, outdated: false };
}

/** As status remembers them. */
export function managedAs({ service, canaryService, routes }: TrafficNames): NonNullable<RolloutStatus["managed"]> {
  return {
    ...optional("service", service),
    ...optional("canaryService", canaryService),
    routes: routes.map(({ kind, name }) => `${kind}/${name}`),
  };
}

/** What the spec names. */
export function namesAsked({ spec, metadata }: Rollout): TrafficNames {
  const service = spec.traffic?.service;
  const routes = (spec.traffic?.routes ?? []).map((route) =>
    route.httpRoute === undefined
      ? refOf(metadata.namespace, "GRPCRoute", route.grpcRoute?.name)
      : refOf(metadata.namespace, "HTTPRoute", route.httpRoute.name),
  );
  const paired = service !== undefined && routes.length > 0;
  return {
    ...optional("service", service),
    ...(paired ? { canaryService: spec.traffic?.canaryService ?? `${service}-canary` } : {}),
    routes,
  };
}

function namesKnown({ status, metadata }: Rollout): TrafficNames | undefined {
  const managed = status?.managed;
  if (managed === undefined) return undefined;
  const routes = managed.routes.map((text) => {
    const [kind = "", name] = text.split("/");
    return refOf(metadata.namespace, kind, name);
  });
  return { ...optional("service", managed.service), ...optional("canaryService", managed.canaryService), routes };
}

function isDropped(known: TrafficNames, asked: TrafficNames): boolean {
  const kept = new Set(managedAs(asked).routes);
  return (
    (known.service !== undefined && known.service !== asked.service) ||
    (known.canaryService !== undefined && known.canaryService !== asked.canaryService) ||
    managedAs(known).routes.some((route) => !kept.has(route))
  );
}

function refOf(namespace = "", kind: string, name = ""): ObjectRef {
  return { apiVersion: GATEWAY_API, kind, namespace, name };
}
