import type { Config } from "./config.ts";
import { FlagController } from "./controllers/feature-flag/controller.ts";
import { flagServersBehind } from "./controllers/feature-flag/flag-servers.ts";
import { mirrorKillSwitches } from "./controllers/feature-flag/kill-switches.ts";
import { exposeFlags } from "./controllers/feature-flag/metrics.ts";
import { mirrorSegments } from "./controllers/feature-flag/segments.ts";
import { observed } from "./controllers/observed-source.ts";
import { makeCaches } from "./controllers/rollout/caches.ts";
import { RolloutController } from "./controllers/rollout/controller.ts";
import { exposeRollouts } from "./controllers/rollout/metrics.ts";
import { systemClock } from "./kube/clock.ts";
import { EventRecorder } from "./kube/events.ts";
import { Elector } from "./kube/leader.ts";
import { metricsText, readiness, serveEndpoints, synced } from "./kube/manager.ts";
import { Resources } from "./kube/resource.ts";
import { ApiClient, loadKubeConfig } from "./kube/transport.ts";
import { type MetricsSource, PrometheusClient } from "./metrics/prometheus.ts";
import type { Logger } from "./telemetry/log.ts";
import { routers } from "./traffic/routers.ts";

/** What a stop waits for at most: the passes under way, and the last Events. */
const PASSES_END_MS = 10_000;
const EVENTS_END_MS = 500;

/** Runs the operator until the signal is aborted, or the Lease is lost. Nothing of it goes on when this ends.
 * @returns the exit code: 0 after a stop that was asked for, 1 where the Lease was lost
 * @throws Error with a sentence where it cannot start */
export async function runOperator(config: Config, log: Logger, signal: AbortSignal): Promise<number> {
  const ended = new AbortController();
  const client = new ApiClient(() => loadKubeConfig(config.kubeconfig), { userAgent: "zenith-operator" });
  const open: { close(): Promise<void> }[] = [client];
  try {
    return await run(config, log, { client, open, asked: signal, signal: AbortSignal.any([signal, ended.signal]) });
  } finally {
    ended.abort();
    for (const one of open.reverse()) await one.close();
  }
}

interface Running {
  readonly client: ApiClient;
  /** What is to be closed at the end. */
  readonly open: { close(): Promise<void> }[];
  /** Aborted when a stop is asked for. */
  readonly asked: AbortSignal;
  /** Aborted then, and when this operator ends for another reason. */
  readonly signal: AbortSignal;
}

async function run(config: Config, log: Logger, { client, open, asked, signal }: Running): Promise<number> {
  const resources = new Resources(client);
  const onRestoredServer = (kind: string) => endRestored(kind, log);
  const caches = makeCaches(client, config.namespaces, { log, onRestoredServer }, { gates: config.gates });
  const pages = {
    "/healthz": async () => ({ code: 200, type: "text/plain", body: "ok\n" }),
    "/readyz": readiness(caches.reflectors),
  };
  const health = await serveEndpoints(config.healthProbeBindAddress, pages, "--health-probe-bind-address");
  if (health !== undefined) open.push(health);
  const numbers = await serveEndpoints(
    config.metricsBindAddress,
    { "/metrics": metricsText },
    "--metrics-bind-address",
  );
  if (numbers !== undefined) open.push(numbers);
  for (const reflector of caches.reflectors) void reflector.run(signal);
  // Nothing else waits for this one: without it, what was delivered is not known, and all goes on.
  const flagServers =
    config.flagServers === undefined
      ? undefined
      : flagServersBehind(client, config.flagServers, { log, onRestoredServer });
  void flagServers?.reflector.run(signal);
  await synced(caches.reflectors, (ms) => systemClock.sleep(ms, signal), signal, log);
  const elector = new Elector(resources, {
    namespace: config.leaderElectionNamespace,
    name: "zenith-operator",
    now: () => client.serverNow(),
    log,
  });
  if (config.leaderElect) {
    await elector.acquire(signal);
    client.fence(() => {
      if (!elector.mayWrite()) throw new Error("This process no longer leads; nothing more is written");
    });
  }
  const events = new EventRecorder(resources, elector.identity, { log });
  const shell = {
    sources: caches.sources,
    resources,
    metrics: prometheusOf(config),
    events,
    clock: systemClock,
    now: () => client.serverNow(),
    log,
    concurrency: config.maxConcurrentReconciles,
  };
  const controllers = [
    new RolloutController({
      ...shell,
      term: () => (config.leaderElect ? elector.term() : undefined),
      watchOfRollouts: caches.watchOfRollouts,
      toldSinceMs: caches.toldSinceMs,
      onRestoredServer,
      routers,
    }),
    new FlagController({ ...shell, flagServers: flagServers?.servers }),
    mirrorKillSwitches(shell),
    mirrorSegments(shell),
  ];
  if (!signal.aborted) {
    const { rollouts, flags } = caches.sources;
    const found = { rollouts: rollouts.size, flags: flags.size };
    log.info({ identity: elector.identity, ...found, term: elector.term() }, "leading");
    exposeRollouts(() => rollouts.list());
    exposeFlags(() => flags.list());
    for (const controller of controllers) controller.start();
  }
  const end = config.leaderElect ? await elector.hold(asked) : await aborted(asked);
  log.info({}, end === "lost" ? "the Lease was lost; ending" : "stopping");
  await atMost(PASSES_END_MS, Promise.all(controllers.map((controller) => controller.stop())));
  if (end === "lost") return 1;
  await atMost(EVENTS_END_MS, events.flush());
  if (config.leaderElect) await elector.release();
  return 0;
}

/** The caches are of another world, and so is what is remembered of them: only a new process knows nothing wrong. */
function endRestored(kind: string, log: Logger): never {
  log.error(
    { kind },
    "the API server is older than what was seen of it: restored from a backup? Ending, to begin afresh",
  );
  process.exit(1);
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, systemClock.sleep(ms, done.signal)]);
  done.abort(); // A timer that is left over would keep the process.
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
  const nowMs = () => systemClock.monotonicMs();
  return observed(new PrometheusClient({ url, ...files, nowMs }), nowMs);
}
