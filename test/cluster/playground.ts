import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Cluster, type ClusterOptions, type RunningPrometheus, startCluster } from "./cluster.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { type NodeAgent, startNodeAgent } from "./node-agent.ts";
import type { Runtime } from "./pod-process.ts";
import { claimPorts } from "./ports.ts";
import { type Running, start } from "./processes.ts";
import { isWell, untilReady } from "./readiness.ts";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export interface PlaygroundOptions {
  readonly gatewayLagMs?: number;
  readonly scrapeInterval?: string;
  readonly cluster?: ClusterOptions;
  /** Starts containers that are not commands in the checkout. */
  readonly runtime?: (cluster: Cluster) => Runtime;
  /** Applies crds/; on unless said otherwise. */
  readonly crds?: boolean;
}

export interface Operator {
  readonly running: Running;
  readonly logFile: string;
  readonly metricsUrl: string;
  /** Lines of its log so far, parsed. */
  log(): Record<string, unknown>[];
}

/** Everything that a release touches, for real: API server and controllers, pods as processes, a stand-in gateway,
 * Prometheus that scrapes the pods, and the operator. */
export class Playground {
  readonly cluster: Cluster;
  readonly agent: NodeAgent;
  readonly gateway: Gateway;
  readonly prometheus: RunningPrometheus;
  readonly #operators: Operator[] = [];

  private constructor(cluster: Cluster, agent: NodeAgent, gateway: Gateway, prometheus: RunningPrometheus) {
    this.cluster = cluster;
    this.agent = agent;
    this.gateway = gateway;
    this.prometheus = prometheus;
  }

  get prometheusUrl(): string {
    return this.prometheus.url;
  }

  /** Starts all but the operator. What was started is stopped again where a part fails. */
  static async start(options: PlaygroundOptions = {}): Promise<Playground> {
    const cluster = await startCluster({ kwok: false, ...options.cluster });
    try {
      await Promise.all([cluster.applyGatewayApi(), options.crds === false ? undefined : applyCrds(cluster)]);
      const { runtime = () => () => undefined } = options;
      const agent = await startNodeAgent(cluster.kubeconfig, ROOT, { runtime: runtime(cluster) });
      const [gateway, prometheus] = await Promise.all([
        startGateway({
          kubeconfig: cluster.kubeconfig,
          addressOf: (podIP) => agent.addressOf(podIP),
          lagMs: options.gatewayLagMs ?? 0,
        }),
        cluster.startPrometheus({ httpSd: [agent.targetsUrl], scrapeInterval: options.scrapeInterval ?? "1s" }),
      ]);
      await applyGateway(cluster);
      return new Playground(cluster, agent, gateway, prometheus);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Starts an operator and waits until it is ready. */
  async startOperator(flags: readonly string[] = []): Promise<Operator> {
    const operator = await startOperator(this.cluster, [`--prometheus-url=${this.prometheusUrl}`, ...flags]);
    this.#operators.push(operator);
    return operator;
  }

  async stop(): Promise<void> {
    for (const { running } of this.#operators) await running.stop();
    await this.gateway.stop();
    await this.agent.stop();
    await this.cluster.stop();
  }
}

let operators = 0;

export interface StartOptions {
  /** The program: the sources, or the bundle. */
  readonly entry?: string;
  /** Where it learns where virtual pod addresses are served; see `pod-network.ts`. */
  readonly podAddresses?: string;
  /** Told of the process before it is ready. */
  readonly onStarted?: (operator: Operator) => void;
}

/** Starts `zenith operator` from the sources, as a process of its own, with the admin's rights unless `flags` say otherwise. */
export async function startOperator(
  cluster: Cluster,
  flags: readonly string[] = [],
  { entry = join(ROOT, "src/main.ts"), podAddresses, onStarted = () => undefined }: StartOptions = {},
): Promise<Operator> {
  const [metrics, health] = await claimPorts(2);
  const logFile = cluster.path(`operator-${++operators}.log`);
  const defaults = [
    `--kubeconfig=${cluster.kubeconfig}`,
    `--metrics-bind-address=127.0.0.1:${metrics}`,
    `--health-probe-bind-address=127.0.0.1:${health}`,
    "--leader-election-namespace=default",
  ].filter((flag) => !flags.some((own) => own.startsWith(`${flag.split("=")[0]}=`)));
  const network = podAddresses === undefined ? [] : [`--import=${join(ROOT, "test/cluster/pod-network.ts")}`];
  // As in the manifests.
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--max-semi-space-size=2",
    ...network,
    entry,
    "operator",
    ...defaults,
    ...flags,
  ];
  const env = podAddresses === undefined ? {} : { POD_ADDRESSES: podAddresses };
  const running = await start(process.execPath, args, { logFile, env });
  const operator = {
    running,
    logFile,
    metricsUrl: `http://127.0.0.1:${metrics}/metrics`,
    log: () =>
      readFileSync(logFile, "utf8")
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
  onStarted(operator);
  await untilReady("The operator", operator, () => isWell(`http://127.0.0.1:${health}/readyz`));
  return operator;
}

export async function applyCrds(cluster: Cluster): Promise<void> {
  const { code, stderr } = await cluster.kubectl(["apply", "-k", join(ROOT, "crds")]);
  if (code !== 0) throw new Error(`The definitions in crds/ were not accepted: ${stderr.trim()}`);
  await cluster.untilCrdsServe();
}

/** The Gateway that routes name: the stand-in does not read it, people and kubectl do. */
async function applyGateway(cluster: Cluster): Promise<void> {
  const apiVersion = "gateway.networking.k8s.io/v1";
  await cluster.apply([
    {
      apiVersion,
      kind: "GatewayClass",
      metadata: { name: "stand-in" },
      spec: { controllerName: "zenith.sh/stand-in-gateway" },
    },
    {
      apiVersion,
      kind: "Gateway",
      metadata: { name: "public", namespace: "default" },
      spec: { gatewayClassName: "stand-in", listeners: [{ name: "http", port: 80, protocol: "HTTP" }] },
    },
  ]);
}
