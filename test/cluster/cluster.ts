import { spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import { stringify } from "yaml";
import type { Condition } from "../../src/api/kubernetes.ts";
import { type Binaries, ensureBinaries } from "./binaries.ts";
import { claimPorts, releasePorts } from "./ports.ts";
import { type Running, start } from "./processes.ts";

export interface ClusterOptions {
  /** Fake nodes and pods whose status alone matters; on unless said otherwise. */
  readonly kwok?: boolean;
  readonly controllers?: boolean;
  readonly scheduler?: boolean;
  /** Users beside the admin, for permission tests. */
  readonly users?: readonly { readonly name: string; readonly groups?: readonly string[] }[];
  /** Records every request, for counting. */
  readonly audit?: boolean;
  /** More flags of the API server. */
  readonly apiServer?: readonly string[];
  readonly directory?: string;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningPrometheus {
  readonly url: string;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** A request as the audit log tells it. */
export interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly requestURI: string;
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
  /** The object as it was answered, for patches of routes and Services. */
  readonly responseObject?: unknown;
}

/** Kubernetes' own controllers ask 20 to 50 times a second by default, which hundreds of pods would wait for. */
const UNTHROTTLED = ["--kube-api-qps=1000", "--kube-api-burst=2000"];
/** kubectl takes a bare on, off, yes or no for true and false. */
const KUBECTL_YAML = { version: "1.1" } as const;
const PREFIX = "zenith-cluster-";

/** Starts a control plane of its own on free ports of the loopback interface. Ready when it resolves. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const binaries = await ensureBinaries();
  removeStale();
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), PREFIX));
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "owner"), String(process.pid));
  const cluster = new Cluster(binaries, directory, options);
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** Folders of runs that died. */
function removeStale(): void {
  for (const name of readdirSync(tmpdir()).filter((n) => n.startsWith(PREFIX))) {
    const owner = join(tmpdir(), name, "owner");
    try {
      process.kill(Number(readFileSync(owner, "utf8")), 0);
    } catch {
      if (existsSync(owner)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

/** A running control plane: etcd, API server, controllers, scheduler and, where wanted, kwok and Prometheus. */
export class Cluster {
  readonly binaries: Binaries;
  readonly directory: string;
  readonly token = randomBytes(16).toString("hex");
  server = "";
  /** The first Prometheus that was started here. */
  prometheusUrl: string | undefined;
  readonly #options: ClusterOptions;
  readonly #running: Running[] = [];
  readonly #tokens = new Map<string, string>();
  readonly #ports: number[] = [];
  #apiServer: Running | undefined;
  #apiServerArgs: string[] = [];

  constructor(binaries: Binaries, directory: string, options: ClusterOptions) {
    this.binaries = binaries;
    this.directory = directory;
    this.#options = options;
  }

  get kubeconfig(): string {
    return this.path("kubeconfig.yaml");
  }

  get caPath(): string {
    return this.path("pki/apiserver.crt");
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Starts every part; see `startCluster`. */
  async start(): Promise<void> {
    const [client = 0, peer = 0, secure = 0] = await this.#claimPorts(3);
    this.server = `https://127.0.0.1:${secure}`;
    this.#writeKeys();
    await this.#startEtcd(client, peer);
    this.#apiServerArgs = this.#argsOfApiServer(client, secure);
    await this.startApiServer();
    this.writeKubeconfig(this.kubeconfig, this.token);
    const access = `--kubeconfig=${this.kubeconfig}`;
    if (this.#options.controllers !== false) {
      const keys = [`--service-account-private-key-file=${this.path("sa.key")}`, `--root-ca-file=${this.caPath}`];
      await this.#run(this.binaries.controllerManager, [
        access,
        ...keys,
        "--leader-elect=false",
        "--secure-port=0",
        "--concurrent-replicaset-syncs=20",
        // A kubelet that was out of reach makes its pods ready again afterwards; kwok does not.
        "--node-monitor-grace-period=1h",
        ...UNTHROTTLED,
      ]);
    }
    if (this.#options.scheduler !== false)
      await this.#run(this.binaries.scheduler, [access, "--leader-elect=false", "--secure-port=0", ...UNTHROTTLED]);
    if (this.#options.kwok !== false) await this.#startKwok(access);
  }

  /** The cluster's until it is stopped: what is stopped and started again finds its port free. */
  async #claimPorts(count: number): Promise<number[]> {
    const ports = await claimPorts(count);
    this.#ports.push(...ports);
    return ports;
  }

  async #run(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Running> {
    const name = command.split("/").at(-1) ?? "program";
    const running = await start(command, args, {
      logFile: this.path(`${name}.log`),
      ...(env === undefined ? {} : { env }),
    });
    this.#running.push(running);
    return running;
  }

  #writeKeys(): void {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(this.path("sa.key"), privateKey.export({ type: "pkcs1", format: "pem" }));
    writeFileSync(this.path("sa.pub"), publicKey.export({ type: "spki", format: "pem" }));
    const lines = [`${this.token},admin,admin,"system:masters"`];
    for (const { name, groups = [] } of this.#options.users ?? []) {
      const token = randomBytes(16).toString("hex");
      this.#tokens.set(name, token);
      lines.push(`${token},${name},${name}${groups.length === 0 ? "" : `,"${groups.join(",")}"`}`);
    }
    writeFileSync(this.path("tokens.csv"), `${lines.join("\n")}\n`);
    if (this.#options.audit === true) {
      const policy = {
        apiVersion: "audit.k8s.io/v1",
        kind: "Policy",
        omitStages: ["RequestReceived", "ResponseStarted"],
        rules: [
          {
            level: "RequestResponse", // What moves traffic, with what came of it.
            verbs: ["patch"],
            resources: [{ group: "gateway.networking.k8s.io" }, { group: "", resources: ["services"] }],
          },
          { level: "Metadata" },
        ],
      };
      writeFileSync(this.path("audit-policy.yaml"), stringify(policy));
    }
  }

  async #startEtcd(client: number, peer: number): Promise<void> {
    const [clientUrl, peerUrl] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
    await this.#run(this.binaries.etcd, [
      `--data-dir=${this.path("etcd")}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
      "--unsafe-no-fsync",
      "--log-level=error",
    ]);
  }

  #argsOfApiServer(etcd: number, secure: number): string[] {
    const audit = [
      `--audit-policy-file=${this.path("audit-policy.yaml")}`,
      `--audit-log-path=${this.path("audit.log")}`,
      "--audit-log-mode=blocking",
    ];
    return [
      `--etcd-servers=http://127.0.0.1:${etcd}`,
      `--secure-port=${secure}`,
      "--bind-address=127.0.0.1",
      `--cert-dir=${this.path("pki")}`,
      `--token-auth-file=${this.path("tokens.csv")}`,
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${this.path("sa.pub")}`,
      `--service-account-signing-key-file=${this.path("sa.key")}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--endpoint-reconciler-type=none",
      "--allow-privileged=true",
      ...(this.#options.audit === true ? audit : []),
      ...(this.#options.apiServer ?? []),
    ];
  }

  /** Starts the API server, again after `stopApiServer`: same port, same data. */
  async startApiServer(): Promise<void> {
    this.#apiServer = await this.#run(this.binaries.apiserver, this.#apiServerArgs);
    await this.#until("the API server", async () => {
      if (!existsSync(this.caPath)) return false;
      const agent = new Agent({ connect: { ca: readFileSync(this.caPath) } });
      try {
        const { statusCode, body } = await request(`${this.server}/readyz`, {
          dispatcher: agent,
          headers: { authorization: `Bearer ${this.token}` },
        });
        await body.dump();
        return statusCode === 200;
      } catch {
        return false;
      } finally {
        await agent.destroy();
      }
    });
  }

  async stopApiServer(): Promise<void> {
    await this.#apiServer?.stop();
    this.#apiServer = undefined;
  }

  /** For what a test leaves behind. */
  async startApiServerIfStopped(): Promise<void> {
    if (this.#apiServer === undefined) await this.startApiServer();
  }

  async #until(what: string, ready: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!(await ready())) {
      if (performance.now() > end)
        throw new Error(`Waited ${timeoutMs / 1000} s for ${what}; its log is in ${this.directory}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Writes a kubeconfig.
   * @param server another way to the API server, a proxy of a test's own say; plain HTTP is taken at its word */
  writeKubeconfig(path: string, token: string, server = this.server): void {
    const trust = server.startsWith("https:")
      ? { "certificate-authority": this.caPath }
      : { "insecure-skip-tls-verify": true };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "zenith", cluster: { server, ...trust } }],
      users: [{ name: "user", user: { token } }],
      contexts: [{ name: "zenith", context: { cluster: "zenith", user: "user" } }],
      "current-context": "zenith",
    };
    writeFileSync(path, stringify(config), { mode: 0o600 });
  }

  /** A kubeconfig of one of the users that the options name. */
  userKubeconfig(name: string): string {
    const token = this.#tokens.get(name);
    if (token === undefined) throw new Error(`User "${name}" was not asked for in the cluster's options`);
    const path = this.path(`kubeconfig-${name}.yaml`);
    this.writeKubeconfig(path, token);
    return path;
  }

  async #startKwok(access: string): Promise<void> {
    const stages = [
      "node/fast/node-initialize.yaml",
      "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
      "pod/fast/pod-ready.yaml",
      "pod/fast/pod-complete.yaml",
      "pod/fast/pod-delete.yaml",
    ];
    await this.#run(this.binaries.kwok, [
      access,
      "--manage-all-nodes=false",
      "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
      "--cidr=10.244.0.0/16",
      "--node-ip=127.0.0.1",
      "--node-lease-duration-seconds=40",
      ...stages.map((stage) => `--config=${join(this.binaries.kwokStages, stage)}`),
    ]);
    await this.addFakeNode("fake");
  }

  /** A node whose pods kwok plays. */
  async addFakeNode(name: string): Promise<void> {
    const room = { cpu: "100k", memory: "100Ti", pods: "100k" };
    await this.apply({
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name,
        annotations: { "kwok.x-k8s.io/node": "fake" },
        labels: { "kubernetes.io/hostname": name, type: "kwok" },
      },
      status: { allocatable: room, capacity: room, nodeInfo: { kubeletVersion: "fake" } },
    });
  }

  /** Runs the real kubectl as the admin, or as one of the users. */
  kubectl(args: readonly string[], options: { input?: string; user?: string } = {}): Promise<CommandResult> {
    const kubeconfig = options.user === undefined ? this.kubeconfig : this.userKubeconfig(options.user);
    return run(this.binaries.kubectl, ["--kubeconfig", kubeconfig, ...args], {
      ...(options.input === undefined ? {} : { input: options.input }),
    });
  }

  /** Applies objects, or YAML text.
   * @throws Error with what kubectl printed */
  async apply(manifest: string | object | readonly object[], ...args: string[]): Promise<string> {
    const input =
      typeof manifest === "string"
        ? manifest
        : (Array.isArray(manifest) ? manifest : [manifest]).map((m) => stringify(m, KUBECTL_YAML)).join("---\n");
    const { code, stdout, stderr } = await this.kubectl(["apply", ...args, "-f", "-"], { input });
    if (code !== 0) throw new Error(`kubectl apply failed: ${stderr.trim()}`);
    return stdout;
  }

  async applyGatewayApi(): Promise<void> {
    const { code, stderr } = await this.kubectl(["apply", "--server-side", "-f", this.binaries.gatewayApiCrds]);
    if (code !== 0) throw new Error(`The Gateway API's CRDs were not accepted: ${stderr.trim()}`);
    await this.untilCrdsServe();
  }

  /** Waits until each definition there is has been established. `kubectl wait` gives up at one that has no conditions yet. */
  async untilCrdsServe(): Promise<void> {
    await this.#until("CRDs to be established", async () => {
      const { code, stdout } = await this.kubectl(["get", "crd", "-o", "json"]);
      return code === 0 && (JSON.parse(stdout) as { items: Definition[] }).items.every(isEstablished);
    });
  }

  /** Starts Prometheus with targets from `httpSd` URLs; resolves when it answers. */
  async startPrometheus(
    options: { httpSd?: readonly string[]; scrapeInterval?: string; targets?: readonly string[] } = {},
  ): Promise<RunningPrometheus> {
    const [port = 0] = await this.#claimPorts(1);
    const config = {
      global: { scrape_interval: options.scrapeInterval ?? "1s" },
      scrape_configs: [
        {
          job_name: "pods",
          http_sd_configs: (options.httpSd ?? []).map((url) => ({ url, refresh_interval: "1s" })),
          static_configs: [{ targets: options.targets ?? [] }],
        },
      ],
    };
    const file = this.path(`prometheus-${port}.yaml`);
    writeFileSync(file, stringify(config));
    const running = await this.#run(this.binaries.prometheus, [
      `--config.file=${file}`,
      `--storage.tsdb.path=${this.path(`prometheus-${port}`)}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ]);
    const url = `http://127.0.0.1:${port}`;
    await this.#until("Prometheus", async () => {
      try {
        const { statusCode, body } = await request(`${url}/-/ready`);
        await body.dump();
        return statusCode === 200;
      } catch {
        return false;
      }
    });
    this.prometheusUrl ??= url;
    return { url, signal: (signal) => running.signal(signal), stop: () => running.stop() };
  }

  /** Every request that ended since the start; only with `audit`. */
  auditEvents(): AuditEvent[] {
    const file = this.path("audit.log");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line.endsWith("}"))
      .map((line) => JSON.parse(line) as AuditEvent);
  }

  /** Ends every process, in reverse order, and removes the folder. */
  async stop(): Promise<void> {
    for (const running of this.#running.splice(0).reverse()) await running.stop();
    releasePorts(this.#ports.splice(0));
    if (this.#options.directory === undefined) rmSync(this.directory, { recursive: true, force: true });
  }
}

interface Definition {
  readonly status?: { readonly conditions?: readonly Pick<Condition, "type" | "status">[] | null };
}

function isEstablished({ status }: Definition): boolean {
  return status?.conditions?.some(({ type, status }) => type === "Established" && status === "True") === true;
}

/** Runs a program to its end. */
export function run(
  command: string,
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: "pipe",
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    child.stdin.on("error", () => undefined); // It may end without reading.
    child.stdin.end(options.input ?? "");
  });
}
