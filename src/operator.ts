import type {
  ControllerRevision,
  Deployment,
  EndpointSlice,
  HorizontalPodAutoscaler,
  KubeObject,
  Pod,
  ReplicaSet,
  Route,
  Service,
} from "./api/kubernetes.ts";
import type { Rollout } from "./api/rollout.ts";
import type { Config } from "./config.ts";
import { RolloutController } from "./controllers/rollout/controller.ts";
import { byLabel, byScaleTarget, bySelector, byService, INDEXES, type Sources } from "./controllers/rollout/sources.ts";
import { LABEL_ROLLOUT } from "./core/rollout/names.ts";
import { systemClock } from "./kube/clock.ts";
import { EventRecorder } from "./kube/events.ts";
import { Elector } from "./kube/leader.ts";
import { metricsText, readiness, serveEndpoints, synced } from "./kube/manager.ts";
import { Reflector, type ReflectorOptions } from "./kube/reflector.ts";
import { defineResource, Resources, type ResourceType } from "./kube/resource.ts";
import { type IndexFunction, Store } from "./kube/store.ts";
import { ApiClient, loadKubeConfig } from "./kube/transport.ts";
import { type MetricsSource, PrometheusClient } from "./metrics/prometheus.ts";
import type { Logger } from "./telemetry/log.ts";
import { routers } from "./traffic/routers.ts";

const GATEWAY = "gateway.networking.k8s.io/v1";
const TYPES = {
  rollouts: defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts"),
  deployments: defineResource("apps/v1", "Deployment", "deployments"),
  replicaSets: defineResource("apps/v1", "ReplicaSet", "replicasets"),
  revisions: defineResource("apps/v1", "ControllerRevision", "controllerrevisions"),
  pods: defineResource("v1", "Pod", "pods"),
  services: defineResource("v1", "Service", "services"),
  slices: defineResource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
  autoscalers: defineResource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
  httpRoutes: defineResource(GATEWAY, "HTTPRoute", "httproutes"),
  grpcRoutes: defineResource(GATEWAY, "GRPCRoute", "grpcroutes"),
};

/** Runs the operator until the signal is aborted, or the Lease is lost.
 * @returns the exit code: 0 after a stop that was asked for, 1 where the Lease was lost */
export async function runOperator(config: Config, log: Logger, signal: AbortSignal): Promise<number> {
  const client = new ApiClient(loadKubeConfig(config.kubeconfig), { userAgent: "zenith-operator" });
  const resources = new Resources(client);
  const caches = startCaches(client, config, log, signal);
  const health = await serveEndpoints(config.healthProbeBindAddress, {
    "/healthz": async () => ({ code: 200, type: "text/plain", body: "ok\n" }),
    "/readyz": readiness(caches.reflectors),
  });
  const metrics = await serveEndpoints(config.metricsBindAddress, { "/metrics": metricsText });
  await synced(caches.reflectors, (ms) => systemClock.sleep(ms, signal), signal, log);
  const elector = new Elector(resources, { namespace: config.leaderElectionNamespace, name: "zenith-operator", log });
  if (config.leaderElect) {
    await elector.acquire(signal);
    client.fence(() => {
      if (!elector.mayWrite()) throw new Error("This process no longer leads; nothing more is written");
    });
  }
  const recorder = new EventRecorder(resources, elector.identity, { log });
  const controller = new RolloutController({
    sources: caches.sources,
    resources,
    routers,
    metrics: prometheusOf(config),
    events: recorder,
    clock: systemClock,
    now: () => systemClock.now() + client.serverTimeOffsetMs(),
    log,
    concurrency: config.maxConcurrentReconciles,
  });
  if (!signal.aborted) {
    log.info({ identity: elector.identity, rollouts: caches.sources.rollouts.size, term: elector.term() }, "leading");
    controller.start();
  }
  const end = config.leaderElect ? await elector.hold(signal) : await aborted(signal);
  log.info({}, end === "lost" ? "the Lease was lost; ending" : "stopping");
  await Promise.race([controller.stop(), systemClock.sleep(10_000)]);
  if (config.leaderElect && end !== "lost") await elector.release();
  await Promise.all([health?.close(), metrics?.close()]);
  await client.close();
  return end === "lost" ? 1 : 0;
}

function aborted(signal: AbortSignal): Promise<"stopped"> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve("stopped");
    signal.addEventListener("abort", () => resolve("stopped"));
  });
}

function prometheusOf({ prometheus }: Config): MetricsSource | undefined {
  if (prometheus.url === undefined) return undefined;
  const { url, ...files } = prometheus;
  return new PrometheusClient({ url, ...files, nowMs: () => systemClock.monotonicMs() });
}

interface Caches {
  readonly sources: Sources;
  readonly reflectors: readonly Reflector<KubeObject>[];
}

function startCaches(client: ApiClient, config: Config, log: Logger, signal: AbortSignal): Caches {
  const reflectors: Reflector<KubeObject>[] = [];
  const restored = (kind: string) => {
    log.error(
      { kind },
      "the API server is older than what was seen of it: restored from a backup? Ending, to begin afresh",
    );
    process.exit(1);
  };
  const cache = <T extends KubeObject>(
    type: ResourceType,
    indexes: Record<string, IndexFunction<T>>,
    options: Pick<ReflectorOptions, "labelSelector" | "optional"> = {},
  ): Store<T> => {
    const store = new Store<T>(indexes);
    const namespace = config.namespaces[0];
    const reflector = new Reflector<T>(client, type, store, {
      log,
      onRestoredServer: restored,
      ...(namespace === undefined ? {} : { namespace }),
      ...options,
    });
    reflectors.push(reflector as unknown as Reflector<KubeObject>);
    return store;
  };
  const label = { rollout: byLabel(LABEL_ROLLOUT) };
  const routes = new Map<string, Store<Route>>();
  const sources: Sources = {
    rollouts: cache<Rollout>(TYPES.rollouts, INDEXES),
    deployments: cache<Deployment>(TYPES.deployments, { selector: bySelector }),
    replicaSets: cache<ReplicaSet>(TYPES.replicaSets, label, { labelSelector: LABEL_ROLLOUT }),
    revisions: cache<ControllerRevision>(TYPES.revisions, label, { labelSelector: LABEL_ROLLOUT }),
    pods: cache<Pod>(TYPES.pods, label, { labelSelector: LABEL_ROLLOUT }),
    services: cache<Service>(TYPES.services, {}),
    slices: cache<EndpointSlice>(TYPES.slices, { service: byService }),
    autoscalers: cache<HorizontalPodAutoscaler>(TYPES.autoscalers, { target: byScaleTarget }),
    routes,
  };
  for (const type of [TYPES.httpRoutes, TYPES.grpcRoutes])
    routes.set(type.kind, cache<Route>(type, {}, { optional: true }));
  for (const reflector of reflectors) void reflector.run(signal);
  return { sources, reflectors };
}
