import type { Config } from "./config.ts";
import { makeCaches } from "./controllers/rollout/caches.ts";
import { RolloutController } from "./controllers/rollout/controller.ts";
import { systemClock } from "./kube/clock.ts";
import { EventRecorder } from "./kube/events.ts";
import { Elector } from "./kube/leader.ts";
import { metricsText, readiness, serveEndpoints, synced } from "./kube/manager.ts";
import { Resources } from "./kube/resource.ts";
import { ApiClient, loadKubeConfig } from "./kube/transport.ts";
import { type MetricsSource, PrometheusClient } from "./metrics/prometheus.ts";
import type { Logger } from "./telemetry/log.ts";
import { routers } from "./traffic/routers.ts";

/** Runs the operator until the signal is aborted, or the Lease is lost.
 * @returns the exit code: 0 after a stop that was asked for, 1 where the Lease was lost */
export async function runOperator(config: Config, log: Logger, signal: AbortSignal): Promise<number> {
  const client = new ApiClient(() => loadKubeConfig(config.kubeconfig), { userAgent: "zenith-operator" });
  const resources = new Resources(client);
  const onRestoredServer = (kind: string) => endRestored(kind, log);
  const caches = makeCaches(client, config.namespaces, { log, onRestoredServer });
  for (const reflector of caches.reflectors) void reflector.run(signal);
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
    term: () => (config.leaderElect ? elector.term() : undefined),
    watchOfRollouts: caches.watchOfRollouts,
    onRestoredServer,
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

/** The caches are of another world, and so is what is remembered of them: only a new process knows nothing wrong. */
function endRestored(kind: string, log: Logger): never {
  log.error(
    { kind },
    "the API server is older than what was seen of it: restored from a backup? Ending, to begin afresh",
  );
  process.exit(1);
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
