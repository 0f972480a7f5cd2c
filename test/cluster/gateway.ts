import {
  type ClientRequest,
  createServer,
  Agent as HttpAgent,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { BackendRef, EndpointSlice, KubeObject, Route, Service } from "../../src/api/kubernetes.ts";
import { refOf } from "../../src/api/kubernetes.ts";
import type { Store } from "../../src/kube/store.ts";
import { Access, TYPES } from "./watch.ts";

/**
 * A stand-in for a Gateway API implementation: follows HTTPRoutes and EndpointSlices, and sends real requests to real pods.
 * It is as late, and as unevenly late, as the ones built on Envoy, which learn routes and clusters by separate ways:
 *
 *     a route changes at 0 ─▶ status at once ─▶ … lag … ─▶ the new weights count ─▶ +250 ms a backend that is new is known
 *                                             a backend that is gone is forgotten 50 ms before the weights that left it out
 *     an EndpointSlice changes at 0 ─▶ … lag … ─▶ the new endpoints count
 *
 * A request for a backend that is not known, or has no endpoint, gets 503 with the header x-gateway.
 */
export interface Gateway {
  /** "http://127.0.0.1:port", where clients send their requests. */
  readonly url: string;
  /** How late it is, from the next change on. */
  lagMs: number;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly kubeconfig: string;
  /** Leads from a pod's address to where it is served; without it the gateway only writes status. */
  readonly addressOf?: (podIP: string) => string | undefined;
  readonly lagMs?: number;
  readonly port?: number;
}

const CONTROLLER = "zenith.sh/stand-in-gateway";
const NEW_BACKEND_MS = 250;
const GONE_BACKEND_MS = 50;
const UPSTREAM_TIMEOUT_MS = 10_000;

/** Starts a gateway; resolves once it listens and has seen every object. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = new StandIn(options);
  await gateway.start();
  return gateway;
}

type HttpRule = {
  readonly matches?: readonly { readonly path?: { readonly value?: string } }[];
  readonly backendRefs?: readonly BackendRef[];
};

class StandIn implements Gateway {
  url = "";
  lagMs: number;
  readonly #options: GatewayOptions;
  readonly #access: Access;
  /** With a timeout, however long, it heeds the pods' Keep-Alive: else it keeps idle sockets until the pods have closed them. */
  readonly #upstream = new HttpAgent({ keepAlive: true, maxSockets: 256, timeout: 600_000 });
  /** What is served now, which is what was wanted a while ago. */
  readonly #rules = new Map<string, { readonly hostnames: readonly string[]; readonly rules: readonly HttpRule[] }>();
  readonly #known = new Set<string>();
  readonly #endpoints = new Map<string, readonly string[]>();
  #turn = 0;
  #server: Server | undefined;
  #routes!: Store<Route>;
  #services!: Store<Service>;
  #slices!: Store<EndpointSlice>;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.lagMs = options.lagMs ?? 0;
    this.#access = new Access(options.kubeconfig, "stand-in-gateway");
  }

  async start(): Promise<void> {
    this.#services = await this.#access.watch<Service>(TYPES.services);
    this.#slices = await this.#access.watch<EndpointSlice>(TYPES.slices);
    this.#routes = await this.#access.watch<Route>(TYPES.httpRoutes);
    this.#routes.subscribe((type, route, old) => this.#seeRoute(type === "deleted" ? undefined : route, route, old));
    this.#slices.subscribe((_type, slice) => this.#seeSlice(slice));
    this.#services.subscribe(() => {
      for (const route of this.#routes.list()) void this.#writeStatus(route);
    });
    for (const route of this.#routes.list()) this.#seeRoute(route, route, undefined);
    for (const slice of this.#slices.list()) this.#seeSlice(slice);
    if (this.#options.addressOf === undefined) return;
    const server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing));
    server.keepAliveTimeout = 600_000; // Whatever closes a client's connection should be the release, not the gateway.
    await new Promise<void>((resolve) => server.listen(this.#options.port ?? 0, "127.0.0.1", resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    await this.#access.close();
    this.#upstream.destroy();
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
  }

  #later(ms: number, act: () => void): void {
    setTimeout(act, ms).unref();
  }

  #seeRoute(route: Route | undefined, { metadata }: KubeObject, old: Route | undefined): void {
    if (route !== undefined) void this.#writeStatus(route);
    if (route !== undefined && route.metadata.generation === old?.metadata.generation) return;
    const key = `${metadata.namespace}/${metadata.name}`;
    const wanted = backendsOf(route);
    for (const gone of backendsOf(old).filter((backend) => !wanted.includes(backend)))
      this.#later(Math.max(0, this.lagMs - GONE_BACKEND_MS), () => {
        if (!this.#isNamed(gone)) this.#known.delete(gone);
      });
    for (const backend of wanted.filter((b) => !this.#known.has(b)))
      this.#later(this.lagMs + (old === undefined ? 0 : NEW_BACKEND_MS), () => {
        if (this.#isNamed(backend)) this.#known.add(backend);
      });
    this.#later(this.lagMs, () => {
      if (route === undefined) this.#rules.delete(key);
      else {
        const { hostnames = [], rules = [] } = route.spec as { hostnames?: string[]; rules?: HttpRule[] };
        this.#rules.set(key, { hostnames, rules });
      }
    });
  }

  #isNamed(backend: string): boolean {
    return this.#routes.list().some((route) => backendsOf(route).includes(backend));
  }

  #seeSlice(slice: EndpointSlice): void {
    const service = slice.metadata.labels?.["kubernetes.io/service-name"] ?? "";
    const namespace = slice.metadata.namespace ?? "";
    const ready = this.#slices
      .list(namespace)
      .filter((s) => s.metadata.labels?.["kubernetes.io/service-name"] === service)
      .flatMap((s) => s.endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses }) => addresses);
    this.#later(this.lagMs, () => this.#endpoints.set(`${namespace}/${service}`, ready));
  }

  async #writeStatus(route: Route): Promise<void> {
    const parents = (route.spec.parentRefs ?? []).map((parentRef) => ({
      parentRef,
      controllerName: CONTROLLER,
      conditions: this.#conditions(route),
    }));
    if (sameStatus(route.status?.parents, parents)) return;
    const ref = refOf(route);
    await this.#access.resources.mergePatch(ref, { status: { parents } }, { subresource: "status" }).catch(() => {
      // Away for a moment: whoever changes the route next is answered; meanwhile, once more.
      if (!this.#access.signal.aborted)
        setTimeout(() => {
          const current = this.#routes.get(ref.namespace, ref.name);
          if (current !== undefined) void this.#writeStatus(current);
        }, 1_000).unref();
    });
  }

  #conditions(route: Route) {
    const { generation: observedGeneration } = route.metadata;
    const lastTransitionTime = new Date().toISOString();
    const missing = backendsOf(route).find(
      (key) => this.#services.get(...(key.split("/") as [string, string])) === undefined,
    );
    const common = { observedGeneration, lastTransitionTime };
    return [
      { type: "Accepted", status: "True", reason: "Accepted", message: "", ...common },
      missing === undefined
        ? { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", message: "", ...common }
        : {
            type: "ResolvedRefs",
            status: "False",
            reason: "BackendNotFound",
            message: `no Service ${missing}`,
            ...common,
          },
    ];
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const target = this.#addressFor(this.#choose(incoming));
    if ("address" in target) this.#forward(incoming, outgoing, target.address);
    else refuse(outgoing, target.status, target.why);
  }

  #addressFor(backend: string | undefined): { address: string } | { status: number; why: string } {
    if (backend === undefined) return { status: 404, why: "no route" };
    if (!this.#known.has(backend)) return { status: 503, why: `backend ${backend} is not known yet` };
    const endpoints = this.#endpoints.get(backend) ?? [];
    if (endpoints.length === 0) return { status: 503, why: `backend ${backend} has no endpoint` };
    const podIP = endpoints[this.#turn++ % endpoints.length] as string;
    const address = this.#options.addressOf?.(podIP);
    return address === undefined ? { status: 503, why: `pod ${podIP} of ${backend} is gone` } : { address };
  }

  #choose(incoming: IncomingMessage): string | undefined {
    const host = incoming.headers.host?.split(":")[0] ?? "";
    for (const [key, { hostnames, rules }] of this.#rules) {
      if (hostnames.length > 0 && !hostnames.includes(host)) continue;
      const rule = rules.find(
        ({ matches = [] }) =>
          matches.length === 0 || matches.some((m) => (incoming.url ?? "/").startsWith(m.path?.value ?? "/")),
      );
      const refs = rule?.backendRefs ?? [];
      let left = Math.random() * refs.reduce((sum, ref) => sum + (ref.weight ?? 1), 0);
      for (const ref of refs) {
        left -= ref.weight ?? 1;
        if (left < 0) return `${key.split("/")[0]}/${ref.name}`;
      }
    }
    return undefined;
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, address: string): void {
    const [host, port] = address.split(":");
    const { method, url: path, headers } = incoming;
    const options = {
      host,
      port,
      method,
      path,
      headers: { ...headers, connection: "keep-alive" },
      agent: this.#upstream,
    };
    const upstream: ClientRequest = request({ ...options, timeout: UPSTREAM_TIMEOUT_MS }, (answer) => {
      const { connection: _hop, "keep-alive": _alive, ...rest } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, rest);
      answer.pipe(outgoing);
    });
    upstream.on("timeout", () => upstream.destroy(new Error("timeout")));
    upstream.on("error", (error) => {
      if (outgoing.headersSent) outgoing.destroy();
      else refuse(outgoing, 503, `${address}: ${error.message}`);
    });
    incoming.pipe(upstream);
  }
}

function refuse(outgoing: ServerResponse, status: number, why: string): void {
  outgoing.writeHead(status, { "x-gateway": why, "content-length": "0" }).end();
}

function backendsOf(route: Route | undefined): string[] {
  const refs = (route?.spec.rules ?? []).flatMap((rule) => rule.backendRefs ?? []);
  return [...new Set(refs.map((ref) => `${route?.metadata.namespace}/${ref.name}`))];
}

function sameStatus(written: unknown, wanted: unknown): boolean {
  const text = (value: unknown) =>
    JSON.stringify(value ?? [], (key, v) => (key === "lastTransitionTime" ? undefined : v));
  return sorted(text(written)) === sorted(text(wanted));
}

/** The API server gives fields back in another order. */
function sorted(json: string): string {
  const order = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(order);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([k, v]) => [k, order(v)]),
    );
  };
  return JSON.stringify(order(JSON.parse(json)));
}
