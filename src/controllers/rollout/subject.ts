import type { Route } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { childName } from "../../core/rollout/names.ts";
import type { Settings } from "../../core/rollout/settings.ts";
import { literal, type RolloutSubject, type SideNames } from "../../metrics/template.ts";

/** What both sides of a release are called.
 * @param sides hashes of the revision that is judged and of the one that it is compared with, and the canary's weight */
export function subjectNamed(
  { metadata }: Rollout,
  settings: Settings,
  sides: { readonly canary: string; readonly stable?: string; readonly weightBp: number },
  routes: readonly Route[],
): RolloutSubject {
  const side = (hash: string, service: string | undefined): SideNames => {
    const replicaSet = childName(metadata.name, hash);
    return {
      hash,
      replicaSet,
      pods: `${literal(replicaSet)}-[a-z0-9]{5}`,
      ...(service === undefined ? {} : { service }),
    };
  };
  const stableService = settings.canaryService === undefined ? undefined : settings.service;
  const controllers = routes.flatMap(({ status }) =>
    (status?.parents ?? []).flatMap(({ controllerName }) => (controllerName === undefined ? [] : [controllerName])),
  );
  return {
    kind: "rollout",
    namespace: metadata.namespace ?? "",
    rollout: metadata.name,
    ...(settings.service === undefined ? {} : { service: settings.service }),
    canary: side(sides.canary, settings.canaryService),
    ...(sides.stable === undefined ? {} : { stable: side(sides.stable, stableService) }),
    weightBp: sides.weightBp,
    ...(settings.routes.some(({ kind }) => kind === "GRPCRoute") ? { speaksGrpc: true } : {}),
    ...(controllers.length === 0 ? {} : { gatewayControllers: [...new Set(controllers)] }),
  };
}
