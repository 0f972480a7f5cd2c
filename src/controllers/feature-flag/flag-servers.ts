import type { EndpointSlice, KubeObject } from "../../api/kubernetes.ts";
import { Reflector, type ReflectorOptions } from "../../kube/reflector.ts";
import { defineResource } from "../../kube/resource.ts";
import { Store } from "../../kube/store.ts";
import type { ApiClient } from "../../kube/transport.ts";
import { askDelivery } from "../../metrics/flag-servers.ts";
import type { FlagServers, ServerAddress } from "./deliveries.ts";

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

/** Those that are ready, and those that go and may have clients still. Any other one has no client that would wait for it. */
export function addressesOf(slices: readonly EndpointSlice[]): ServerAddress[] {
  const all = slices.flatMap(({ endpoints, ports }) => {
    const port = ports?.[0]?.port;
    if (port === undefined) return [];
    return (endpoints ?? []).flatMap(({ addresses, conditions }) => {
      const isGoing = conditions?.ready === false;
      if (isGoing && conditions.terminating !== true) return [];
      return addresses.map((host) => ({ address: at(host, port), isGoing }));
    });
  });
  const readyLast = all.sort((a, b) => Number(b.isGoing) - Number(a.isGoing));
  const byAddress = new Map(readyLast.map((one) => [one.address, one])); // Ready counts where slices differ.
  return [...byAddress.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
}

function at(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
