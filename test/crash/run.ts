import { readFileSync } from "node:fs";
import type { EndpointSlice, KubeObject, Route } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { type Gateway, startGateway } from "../cluster/gateway.ts";
import { applyCrds, type Operator, startOperator } from "../cluster/playground.ts";
import { type Fate, isWrite, type PassingRequest, RequestProxy } from "../cluster/request-proxy.ts";
import { Access, TYPES } from "../cluster/watch.ts";
import type { Act, Scenario } from "./scenarios.ts";

/** How a scenario ended. */
export interface Outcome {
  readonly writes: number;
  readonly kills: number;
  /** What can be compared: objects without versions and times. */
  readonly state: unknown;
  /** Moments at which something was as it must never be. */
  readonly violations: readonly string[];
}

/** A write as it passes: its number since the start, and what it is. */
export interface PassingWrite {
  readonly number: number; // from 1
  readonly method: string;
  readonly path: string;
}

export type Killer = (write: PassingWrite) => Fate;

const ROLLOUTS = defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts");
const ACT_PATIENCE_MS = 400_000;
const SETTLE_PATIENCE_MS = 60_000;
const QUIET_MS = 3_000;
/** Longer than any pause between two writes of a story: what others are compared with has come to its end. */
const WITHOUT_WRITES_MS = 10_000;

/** A control plane for crashes: pods by kwok, a gateway that only says that it has taken routes in, real Prometheus. */
export class CrashLab {
  readonly cluster: Cluster;
  readonly #gateway: Gateway;
  readonly #access: Access;
  readonly #prometheus: string;
  readonly #rollouts: Store<Rollout>;
  readonly #routes: Store<Route>;
  readonly #slices: Store<EndpointSlice>;

  private constructor(
    cluster: Cluster,
    gateway: Gateway,
    access: Access,
    prometheus: string,
    stores: { rollouts: Store<Rollout>; routes: Store<Route>; slices: Store<EndpointSlice> },
  ) {
    this.cluster = cluster;
    this.#gateway = gateway;
    this.#access = access;
    this.#prometheus = prometheus;
    this.#rollouts = stores.rollouts;
    this.#routes = stores.routes;
    this.#slices = stores.slices;
  }

  static async open(): Promise<CrashLab> {
    const cluster = await startCluster();
    try {
      await Promise.all([cluster.applyGatewayApi(), applyCrds(cluster)]);
      const gateway = await startGateway({ kubeconfig: cluster.kubeconfig });
      const prometheus = await cluster.startPrometheus();
      const access = new Access(cluster.kubeconfig, "crash-lab");
      const rollouts = await access.watch<Rollout>(ROLLOUTS);
      const routes = await access.watch<Route>(TYPES.httpRoutes);
      const slices = await access.watch<EndpointSlice>(TYPES.slices);
      return new CrashLab(cluster, gateway, access, prometheus.url, { rollouts, routes, slices });
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#access.close();
    await this.#gateway.stop();
    await this.cluster.stop();
  }

  /** Plays a scenario in its own namespace, which is removed afterwards.
   * @param expected the state of an undisturbed run: the run ends as soon as it is reached, else after a while */
  async play(scenario: Scenario, killer: Killer, expected?: unknown): Promise<Outcome> {
    const { name: namespace } = scenario;
    await this.#must("create", "namespace", namespace);
    const violations: string[] = [];
    const stopWatching: (() => void)[] = [];
    const operator = new Reborn(this.cluster, namespace, this.#prometheus, killer);
    try {
      await this.cluster.apply(scenario.setup);
      await this.#must("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s");
      stopWatching.push(this.#watchInvariants(namespace, violations));
      await operator.begin();
      for (const act of scenario.acts) await this.#act(namespace, act);
      const isDone = () => operator.writtenAgoMs() > WITHOUT_WRITES_MS;
      const state = await this.#settle(namespace, isDone, expected);
      return { writes: operator.writes, kills: operator.kills, state, violations };
    } catch (error) {
      throw new Error(`${(error as Error).message}\nThe operator's log ends with:\n${operator.lastWords()}`);
    } finally {
      for (const stop of stopWatching) stop();
      await operator.end();
      await this.#remove(namespace);
    }
  }

  async #must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cluster.kubectl(args);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
    return stdout.trim();
  }

  async #act(namespace: string, act: Act): Promise<void> {
    if (act.apply !== undefined) await this.cluster.apply(act.apply);
    if (act.kubectl !== undefined) await this.#must("-n", namespace, ...act.kubectl);
    if (act.request !== undefined) {
      const hash = this.#rollouts.get(namespace, "web")?.status?.canary?.revision;
      const value = `zenith.sh/request=${act.request}@${hash}#1`;
      await this.#must("-n", namespace, "annotate", "--overwrite", "rollout.zenith.sh/web", value);
    }
    const { until } = act;
    const isThere = (): boolean => {
      const rollout = this.#rollouts.get(namespace, "web");
      if (until === "gone") return rollout === undefined;
      const status = rollout?.status;
      return (
        status !== undefined &&
        (until.phase === undefined || status.phase === until.phase) &&
        (until.stage === undefined || status.progress?.stage === until.stage) &&
        (until.image === undefined || status.stable?.images[0] === until.image)
      );
    };
    await waitFor(isThere, ACT_PATIENCE_MS, () => {
      const { phase, message, progress } = this.#rollouts.get(namespace, "web")?.status ?? {};
      return `${namespace}: "${act.what}" did not come; it is ${phase} (${progress?.stage}, ${progress?.mark}): ${message}`;
    });
  }

  async #settle(namespace: string, isDone: () => boolean, expected: unknown): Promise<unknown> {
    const wanted = JSON.stringify(expected);
    let state = await this.#state(namespace);
    let since = performance.now();
    for (const end = performance.now() + SETTLE_PATIENCE_MS; performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const next = await this.#state(namespace);
      if (JSON.stringify(next) !== JSON.stringify(state)) since = performance.now();
      state = next;
      const quiet = performance.now() - since > QUIET_MS;
      if (quiet && (expected === undefined ? isDone() : JSON.stringify(state) === wanted)) return state;
    }
    if (expected === undefined) throw new Error(`${namespace} did not come to its end: ${JSON.stringify(state)}`);
    return state;
  }

  /** What the operator answers for, without versions and times. */
  async #state(namespace: string): Promise<unknown> {
    const kinds = "deployments,replicasets,services,httproutes,controllerrevisions,rollouts.zenith.sh";
    const { items } = JSON.parse(await this.#must("-n", namespace, "get", kinds, "-o", "json")) as { items: Loose[] };
    return items
      .map(essence)
      .filter((one) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Stable serves all the time, and what was taken back is never raised again. */
  #watchInvariants(namespace: string, violations: string[]): () => void {
    let served = false;
    const offSlices = this.#slices.subscribe((_type, slice) => {
      if (slice.metadata.namespace !== namespace) return;
      if (slice.metadata.labels?.["kubernetes.io/service-name"] !== "web") return;
      const ready = this.#slices
        .list(namespace)
        .filter((s) => s.metadata.labels?.["kubernetes.io/service-name"] === "web")
        .flatMap((s) => s.endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready !== false).length;
      if (served && ready === 0) violations.push("Service web had no ready endpoint");
      served ||= ready > 0;
    });
    const offRoutes = this.#routes.subscribe((type, route) => {
      if (type === "deleted" || route.metadata.namespace !== namespace) return;
      const refs = route.spec.rules?.[0]?.backendRefs ?? [];
      const canary = refs.find((ref) => ref.name === "web-canary")?.weight ?? 0;
      const total = refs.reduce((sum, ref) => sum + (ref.weight ?? 1), 0);
      const share = canary / total;
      if (![0, 0.5, 1].includes(share)) violations.push(`the canary had ${100 * share} %, which no step says`);
      const { rejected, progress } = this.#rollouts.get(namespace, "web")?.status ?? {};
      if (share > 0 && rejected !== undefined && rejected.revision === progress?.canary)
        violations.push(`revision ${rejected.revision} got ${100 * share} % after it was rejected`);
    });
    return () => {
      offSlices();
      offRoutes();
    };
  }

  async #remove(namespace: string): Promise<void> {
    const finalizers = ["patch", "rollout.zenith.sh/web", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'];
    await this.cluster.kubectl(["-n", namespace, ...finalizers]);
    await this.cluster.kubectl(["delete", "namespace", namespace, "--timeout=60s"]);
  }
}

type Loose = KubeObject & { spec?: Record<string, unknown>; status?: Record<string, unknown> };

/** @returns a name and what of the object a run can be compared by; undefined for what controllers of others made */
function essence(object: Loose): [string, unknown] | undefined {
  const { kind, metadata, spec = {}, status = {} } = object;
  const name = `${kind}/${metadata.name}`;
  const ours = Object.keys(metadata.annotations ?? {}).filter((key) => key.startsWith("zenith.sh/"));
  switch (kind) {
    case "Deployment":
      return [name, { replicas: spec.replicas, paused: spec.paused ?? false, image: imageOf(spec), ours }];
    case "ReplicaSet":
      if (metadata.labels?.["zenith.sh/rollout"] === undefined) return undefined;
      return [name, { replicas: spec.replicas, image: imageOf(spec) }];
    case "Service":
      return [name, { selector: spec.selector, ours }];
    case "HTTPRoute":
      return [name, { rules: spec.rules, ours }];
    case "ControllerRevision":
      return [name, { mark: metadata.annotations?.["zenith.sh/mark"] }];
    case "Rollout": {
      const { phase, stable, rejected, weights, canary } = status as NonNullable<Rollout["status"]>;
      const rest = { stable: stable?.revision, canary: canary?.revision, rejected: rejected?.revision, weights };
      return [name, { phase, ...rest, finalizers: metadata.finalizers }];
    }
    default:
      return undefined;
  }
}

function imageOf(spec: Record<string, unknown>): unknown {
  const template = spec.template as { spec: { containers: { image: string }[] } };
  return template.spec.containers[0]?.image;
}

/** An operator that comes back as often as it is killed. */
class Reborn {
  kills = 0;
  writes = 0;
  readonly #cluster: Cluster;
  readonly #proxy: RequestProxy;
  readonly #namespace: string;
  readonly #prometheus: string;
  #operator: Operator | undefined;
  #writtenMs = performance.now();
  #ended = false;
  #life: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, namespace: string, prometheus: string, killer: Killer) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#prometheus = prometheus;
    this.#proxy = new RequestProxy(cluster.server, {
      ca: readFileSync(cluster.caPath, "utf8"),
      decide: (request) => (isWrite(request) ? this.#fateOf(killer, request) : "pass"),
      kill: () => this.#kill(),
    });
  }

  #fateOf(killer: Killer, { method, path }: PassingRequest): Fate {
    this.writes++;
    this.#writtenMs = performance.now();
    return this.#ended ? "pass" : killer({ number: this.writes, method, path });
  }

  writtenAgoMs(): number {
    return performance.now() - this.#writtenMs;
  }

  lastWords(): string {
    return this.#operator === undefined ? "nothing" : readFileSync(this.#operator.logFile, "utf8").slice(-3_000);
  }

  async begin(): Promise<void> {
    await this.#proxy.start();
    const kubeconfig = this.#cluster.path(`crash-${this.#namespace}.yaml`);
    this.#cluster.writeKubeconfig(kubeconfig, this.#cluster.token, this.#proxy.url);
    this.#life = this.#live([
      `--kubeconfig=${kubeconfig}`,
      `--namespaces=${this.#namespace}`,
      `--prometheus-url=${this.#prometheus}`,
      "--leader-elect=false",
    ]);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#operator?.running.stop();
    await this.#life;
    await this.#proxy.stop();
  }

  async #live(flags: readonly string[]): Promise<void> {
    while (!this.#ended) {
      try {
        this.#operator = await startOperator(this.#cluster, flags, {
          onStarted: (operator) => {
            this.#operator = operator;
          },
        });
      } catch (error) {
        if (this.#operator === undefined) throw error; // It was not a kill.
      }
      await this.#operator?.running.ended;
    }
  }

  #kill(): void {
    this.kills++;
    this.#operator?.running.signal("SIGKILL");
  }
}

async function waitFor(isThere: () => boolean, patienceMs: number, complain: () => string): Promise<void> {
  for (const end = performance.now() + patienceMs; !isThere(); ) {
    if (performance.now() > end) throw new Error(complain());
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
