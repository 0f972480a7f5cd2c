import type { BackendRef, KubeObject, Route, RouteRule, Service } from "../../../src/api/kubernetes.ts";
import { LABEL_REVISION } from "../../../src/core/rollout/names.ts";
import { isRoute } from "../cluster/network.ts";
import { weightOf } from "../cluster/traffic.ts";

/** What a route or a Service says, read here without the router's help: it is what is being checked. */

/** The canary's largest share of any rule, basis points. */
export function canaryBpOf(object: KubeObject | undefined): number {
  if (object === undefined || !isRoute(object)) return 0;
  const shares = ((object as Route).spec.rules ?? []).map((rule) => {
    const service = entry(rule, "web");
    const canary = entry(rule, "web-canary");
    if (service === undefined || canary === undefined) return 0;
    const total = weightOf(service) + weightOf(canary);
    return total === 0 ? 0 : Math.round((10_000 * weightOf(canary)) / total);
  });
  return Math.max(0, ...shares);
}

/** Whether the canary has an entry. */
export function isPaired(object: KubeObject): boolean {
  return ((object as Route).spec.rules ?? []).some((rule) => entry(rule, "web-canary") !== undefined);
}

export function entry({ backendRefs = [] }: RouteRule, name: string): BackendRef | undefined {
  return backendRefs.find((ref) => ref.name === name);
}

/** The revision that a Service is narrowed to. */
export function pinOf(service: KubeObject | undefined): string | undefined {
  if (service?.kind !== "Service") return undefined;
  return (service as Service | undefined)?.spec.selector?.[LABEL_REVISION];
}
