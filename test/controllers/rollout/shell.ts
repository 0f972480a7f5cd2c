import type { KubeObject, Route } from "../../../src/api/kubernetes.ts";
import type { Rollout, RolloutSpec } from "../../../src/api/rollout.ts";
import { makeCaches } from "../../../src/controllers/rollout/caches.ts";
import type { Sources } from "../../../src/controllers/rollout/sources.ts";
import type { Store } from "../../../src/kube/store.ts";
import type { ApiClient } from "../../../src/kube/transport.ts";

/** Caches that tests fill by hand, as watches would. */
export function handFilled(client: ApiClient): Sources {
  const { sources } = makeCaches(client, [], {});
  const { routes, ...stores } = sources;
  for (const store of [...Object.values(stores), ...routes.values()]) (store as Store<Route>).replace([], "1");
  return sources;
}

export function aRollout(name: string, version: number, spec: Partial<RolloutSpec> = {}): Rollout {
  const template = { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: `${name}:1` }] } };
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-${name}`,
      generation: 1,
      resourceVersion: String(version),
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: { replicas: 1, selector: { matchLabels: { app: name } }, template, analysis: { disabled: true }, ...spec },
  } as Rollout;
}

export function atVersion<T extends KubeObject>(object: T, version: number): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}
