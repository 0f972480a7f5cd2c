import type { EndpointSlice, KubeObject } from "../../api/kubernetes.ts";
import { Reflector, type ReflectorOptions } from "../../kube/reflector.ts";
import { defineResource } from "../../kube/resource.ts";
import { Store } from "../../kube/store.ts";
import type { ApiClient } from "../../kube/transport.ts";
import { askDelivery } from "../../metrics/flag-servers.ts";
import type { FlagServers } from "./deliveries.ts";

const SLICES = defineResource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices");

/** The flag servers behind a Service, by a watch of their own: it may be outside the namespaces that are looked after. */
export function flagServersBehind(
  client: ApiClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  options: Pick<ReflectorOptions, "log" | "onRestoredServer">,
): { readonly servers: FlagServers; readonly reflector: Reflector<KubeObject> } {
  const store = new Store<EndpointSlice>();
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const reflector = new Reflector<EndpointSlice>(client, SLICES, store, { ...options, namespace, labelSelector });
  const servers = { addresses: () => addressesOf(store.list()), ask: askDelivery };
  return { servers, reflector: reflector as unknown as Reflector<KubeObject> };
}

/** Those that are ready: one that is not has no client that would wait for it. */
export function addressesOf(slices: readonly EndpointSlice[]): string[] {
  const all = slices.flatMap(({ endpoints, ports }) => {
    const port = ports?.[0]?.port;
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    return port === undefined ? [] : ready.flatMap(({ addresses }) => addresses.map((host) => at(host, port)));
  });
  return [...new Set(all)].sort();
}

function at(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
