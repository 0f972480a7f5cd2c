import type { EndpointSlice, KubeObject, Route, Service } from "../../../src/api/kubernetes.ts";
import type { Agenda } from "../agenda.ts";
import type { Rng } from "../rng.ts";
import type { ApiServer } from "./api-server.ts";
import type { Pod, Pods } from "./pods.ts";

/** How late the data plane may be behind what the API server says of a route or a slice. The real ones are faster; the
 * operator's `settle` and `drain` are made for this. */
const DATA_PLANE_MS = 1_500;

/**
 * The EndpointSlice controller, the gateway's controller, and the data plane, which learns routes and endpoints each on
 * its own, later than their status says.
 */
export class Network {
  /** What the data plane knows: pods by Service, and routes by name. */
  readonly endpoints = new Map<string, readonly string[]>();
  readonly routes = new Map<string, Route>();
  /** Until when parents refuse every route. */
  refusingUntilMs = 0;
  readonly #agenda: Agenda;
  readonly #api: ApiServer;
  readonly #pods: Pods;
  readonly #rng: Rng;
  readonly #due = new Set<string>();
  readonly #listeners: (() => void)[] = [];
  readonly #dueMs = new Map<string, number>();

  constructor(agenda: Agenda, api: ApiServer, pods: Pods, rng: Rng) {
    this.#agenda = agenda;
    this.#api = api;
    this.#pods = pods;
    this.#rng = rng;
    pods.onChange((pod) => {
      for (const service of api.list<Service>("Service"))
        if (selects(service, pod)) this.#slices(service.metadata.name);
    });
    api.onCommit(({ object, actor, type }) => {
      if (object.kind === "Service") this.#slices(object.metadata.name);
      if (object.kind === "EndpointSlice") this.#learnEndpoints(object as EndpointSlice, type === "deleted");
      if (isRoute(object) && type === "deleted") this.#forget(object);
      else if (isRoute(object) && actor !== GATEWAY) this.#attend(object);
    });
  }

  onLearned(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Parents begin, or cease, to refuse: each route hears of it. */
  refuse(forMs: number): void {
    this.refusingUntilMs = Math.max(this.refusingUntilMs, this.#agenda.nowMs + forMs);
    const all = () => {
      for (const kind of ["HTTPRoute", "GRPCRoute"]) for (const route of this.#api.list(kind)) this.#attend(route);
    };
    all();
    this.#agenda.after(forMs + 1, all);
  }

  #slices(service: string): void {
    if (this.#due.has(service)) return;
    this.#due.add(service);
    const write = () => {
      this.#due.delete(service);
      this.#writeSlice(service);
    };
    this.#agenda.after(this.#lag(), () => this.#api.whenUp(write, () => this.#api.managerLateMs + this.#lag()));
  }

  #lag(): number {
    return this.#rng.chance(0.1) ? this.#rng.int(500, 3_000) : this.#rng.int(20, 300);
  }

  #writeSlice(name: string): void {
    const service = this.#api.find<Service>("Service", name);
    const slice = this.#api.find<EndpointSlice>("EndpointSlice", `${name}-slice`);
    if (service === undefined) {
      if (slice !== undefined) this.#api.delete(SLICES, { ...slice, namespace: "shop", name: slice.metadata.name });
      return;
    }
    const pods = [...this.#pods.all.values()].filter((pod) => selects(service, pod));
    const endpoints = pods.map((pod) => ({
      addresses: ["10.0.0.1"],
      conditions: { ready: pod.ready },
      targetRef: { kind: "Pod", name: pod.name },
    }));
    if (slice !== undefined) {
      this.#api.change(SLICES, slice, { ...slice, endpoints } as EndpointSlice);
      return;
    }
    this.#api.create(SLICES, {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: `${name}-slice`, namespace: "shop", labels: { "kubernetes.io/service-name": name } },
      endpoints,
    } as KubeObject);
  }

  /** What is learned stays in order: a data plane does not go back in time. */
  #inOrder(key: string, run: () => void): void {
    const due = Math.max(this.#dueMs.get(key) ?? 0, this.#agenda.nowMs + this.#rng.int(0, DATA_PLANE_MS));
    this.#dueMs.set(key, due);
    this.#agenda.after(due - this.#agenda.nowMs, () => {
      run();
      for (const listener of this.#listeners) listener();
    });
  }

  #learnEndpoints({ metadata, endpoints = [] }: EndpointSlice, gone: boolean): void {
    const service = metadata.labels?.["kubernetes.io/service-name"] ?? "";
    const ready = endpoints.filter(({ conditions }) => conditions?.ready === true);
    const names = ready.map(({ targetRef }) => targetRef?.name ?? "");
    this.#inOrder(service, () => this.endpoints.set(service, gone ? [] : names));
  }

  #forget(route: KubeObject): void {
    const key = `${route.kind}/${route.metadata.name}`;
    this.#inOrder(key, () => this.routes.delete(key));
  }

  /** The gateway's controller says what it thinks of a route; its proxies follow. */
  #attend(route: KubeObject): void {
    const key = `${route.kind}/${route.metadata.name}`;
    this.#agenda.after(this.#rng.chance(0.1) ? this.#rng.int(1_000, 10_000) : this.#rng.int(50, 600), () => {
      const now = this.#api.find<Route>(route.kind, route.metadata.name);
      if (now === undefined) return;
      const refused = this.#agenda.nowMs < this.refusingUntilMs;
      if (this.#api.isDown) {
        // It may have heard of the route before the API server went: its proxies follow then, and status waits.
        if (!refused && this.#rng.chance(0.5)) this.#inOrder(key, () => this.routes.set(key, now));
        this.#api.whenUp(
          () => this.#attend(route),
          () => this.#rng.int(0, GATEWAY_BACK_MS),
        );
        return;
      }
      this.#api.change(GATEWAY, now, { ...now, status: statusOf(now, refused, this.#agenda.nowMs) }, "status");
      if (!refused) this.#inOrder(key, () => this.routes.set(key, now));
    });
  }
}

/** After an outage the gateway's controller is at work again within so long. */
const GATEWAY_BACK_MS = 20_000;

export const GATEWAY = "gateway-controller";
const SLICES = "endpointslice-controller";

export function isRoute(object: KubeObject): boolean {
  return object.kind === "HTTPRoute" || object.kind === "GRPCRoute";
}

function selects({ spec }: Service, pod: Pod): boolean {
  const selector = Object.entries(spec.selector ?? {});
  return selector.length > 0 && selector.every(([key, value]) => pod.labels[key] === value);
}

function statusOf(route: Route, refused: boolean, nowMs: number): NonNullable<Route["status"]> {
  const lastTransitionTime = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const said = { observedGeneration: route.metadata.generation ?? 1, message: "", lastTransitionTime };
  return {
    parents: [
      {
        parentRef: { name: "gateway" },
        controllerName: "example.com/gateway",
        conditions: [
          refused
            ? { type: "Accepted", status: "False", reason: "NotAllowed", ...said }
            : { type: "Accepted", status: "True", reason: "Accepted", ...said },
          { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", ...said },
        ],
      },
    ],
  };
}
