import type { KubeObject } from "../../src/api/kubernetes.ts";
import { Reflector } from "../../src/kube/reflector.ts";
import { defineResource, Resources } from "../../src/kube/resource.ts";
import { type IndexFunction, Store } from "../../src/kube/store.ts";
import { ApiClient, loadKubeConfig } from "../../src/kube/transport.ts";

/** The kinds that the stand-ins for kubelet and gateway read and write. */
export const TYPES = {
  pods: defineResource("v1", "Pod", "pods"),
  nodes: defineResource("v1", "Node", "nodes", false),
  leases: defineResource("coordination.k8s.io/v1", "Lease", "leases"),
  services: defineResource("v1", "Service", "services"),
  slices: defineResource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
  httpRoutes: defineResource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
};

/** A client of a test's own: reads, writes and caches that end with `close`. */
export class Access {
  readonly client: ApiClient;
  readonly resources: Resources;
  readonly #ends = new AbortController();

  constructor(kubeconfig: string, userAgent: string) {
    this.client = new ApiClient(loadKubeConfig(kubeconfig), { userAgent });
    this.resources = new Resources(this.client, userAgent);
  }

  get signal(): AbortSignal {
    return this.#ends.signal;
  }

  /** A cache of one kind, full when this resolves. */
  async watch<T extends KubeObject>(
    type: (typeof TYPES)[keyof typeof TYPES],
    indexes: Record<string, IndexFunction<T>> = {},
  ): Promise<Store<T>> {
    const store = new Store<T>(indexes);
    void new Reflector<T>(this.client, type, store).run(this.signal);
    while (!store.hasSynced()) await new Promise((resolve) => setTimeout(resolve, 20));
    return store;
  }

  async close(): Promise<void> {
    this.#ends.abort();
    await this.client.close();
  }
}
