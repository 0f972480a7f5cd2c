import { createServer, type Server } from "node:http";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { refOf } from "../../src/api/kubernetes.ts";
import type { Store } from "../../src/kube/store.ts";
import { type Means, PodProcess, type RunnablePod, type Runtime } from "./pod-process.ts";
import { Reaper } from "./processes.ts";
import { Access, TYPES } from "./watch.ts";

/**
 * A kubelet in small: pods bound to its Node run as real local processes, so that real requests meet real code.
 *
 *     Pod ──▶ spawn(command, PORT=…) ──▶ probe ──▶ status as a kubelet writes it ──▶ SIGTERM, grace, SIGKILL, gone
 *
 * The API server refuses loopback addresses in EndpointSlices: `podIP` is virtual, and `addressOf` leads to the local port.
 */

export interface NodeAgent {
  readonly node: string;
  /** Where a virtual pod address is served: "127.0.0.1:port"; undefined once the process is gone. */
  addressOf(podIP: string): string | undefined;
  /** For Prometheus: http_sd_configs. */
  readonly targetsUrl: string;
  /** Ends every pod's process at once, and the node. */
  stop(): Promise<void>;
}

const HEARTBEAT_MS = 10_000;
/** Registers a Node and runs what is scheduled onto it.
 * @param root folder in which containers start; their `command` is relative to it, and `node` is this process's */
export async function startNodeAgent(
  kubeconfig: string,
  root: string,
  { node = "processes", runtime = () => undefined }: { node?: string; runtime?: Runtime } = {},
): Promise<NodeAgent> {
  const agent = new Agent(kubeconfig, { root, runtime, addressesUrl: "", reaper: new Reaper() }, node);
  await agent.start();
  return agent;
}

const ADDRESSES = "/address/";

class Agent implements NodeAgent {
  readonly node: string;
  targetsUrl = "";
  readonly #access: Access;
  #means: Means;
  readonly #running = new Map<string, PodProcess>(); // by uid
  #pods: Store<RunnablePod> | undefined;
  #server: Server | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #addresses = 0;

  constructor(kubeconfig: string, means: Means, node: string) {
    this.node = node;
    this.#means = means;
    this.#access = new Access(kubeconfig, "node-agent");
  }

  async start(): Promise<void> {
    await this.#register();
    await this.#serveTargets();
    this.#heartbeat = setInterval(() => void this.#beat().catch(() => undefined), HEARTBEAT_MS);
    const pods = await this.#access.watch<RunnablePod>(TYPES.pods);
    this.#pods = pods;
    pods.subscribe((type, pod) => this.#see(type, pod));
    for (const pod of pods.list()) this.#see("added", pod);
  }

  addressOf(podIP: string): string | undefined {
    for (const pod of this.#running.values()) if (pod.podIP === podIP && pod.alive) return `127.0.0.1:${pod.port}`;
    return undefined;
  }

  async stop(): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.#access.close();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
    for (const pod of this.#running.values()) pod.kill();
    this.#means.reaper.stop();
  }

  #see(type: string, pod: RunnablePod): void {
    const uid = pod.metadata.uid ?? "";
    if (pod.spec.nodeName !== this.node) return;
    const known = this.#running.get(uid);
    if (type === "deleted") {
      known?.kill();
      this.#running.delete(uid);
      return;
    }
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (known === undefined) void this.#remove(pod);
      else void known.terminate().then(() => this.#remove(pod));
      return;
    }
    if (known !== undefined) return;
    const n = ++this.#addresses;
    const podIP = `10.244.${Math.floor(n / 250)}.${(n % 250) + 1}`;
    const process = new PodProcess(pod, podIP, this.#means, (status) => this.#write(pod, status));
    this.#running.set(uid, process);
    void process.run();
  }

  /** @returns whether it is over: written, or nobody is there to read it */
  async #write(pod: RunnablePod, status: unknown): Promise<boolean> {
    const { namespace = "", name, uid } = pod.metadata;
    try {
      await this.#access.resources.mergePatch(refOf(pod), { metadata: { uid }, status }, { subresource: "status" });
      return true;
    } catch {
      return this.#access.signal.aborted || this.#pods?.get(namespace, name)?.metadata.uid !== uid;
    }
  }

  async #remove(pod: RunnablePod): Promise<void> {
    this.#running.delete(pod.metadata.uid ?? "");
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`;
    const body = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
    await this.#access.client.request({ method: "DELETE", path, body }).catch(() => undefined);
  }

  async #register(): Promise<void> {
    const room = { cpu: "1000", memory: "1Ti", pods: "1000" };
    const metadata = { name: this.node, labels: { "kubernetes.io/hostname": this.node, type: "processes" } };
    await this.#access.resources.create({ apiVersion: "v1", kind: "Node", metadata }).catch(() => undefined);
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };
    await this.#access.resources
      .create({
        ...lease,
        metadata: { name: this.node, namespace: "kube-node-lease" },
        spec: { holderIdentity: this.node, leaseDurationSeconds: 40, renewTime: microTime() },
      } as KubeObject)
      .catch(() => undefined);
    await this.#access.resources.mergePatch(
      nodeRef(this.node),
      { status: { allocatable: room, capacity: room, nodeInfo: { kubeletVersion: "v0-processes" }, ...readyNode() } },
      { subresource: "status" },
    );
  }

  async #beat(): Promise<void> {
    const ref = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "kube-node-lease", name: this.node };
    await this.#access.resources.mergePatch(ref, { spec: { renewTime: microTime() } });
    await this.#access.resources.mergePatch(nodeRef(this.node), { status: readyNode() }, { subresource: "status" });
  }

  /** Prometheus learns each pod with its namespace, name and labels. */
  async #serveTargets(): Promise<void> {
    const server = createServer(({ url = "" }, response) => {
      if (url.startsWith(ADDRESSES)) {
        response.end(this.addressOf(url.slice(ADDRESSES.length)) ?? "");
        return;
      }
      const groups = [...this.#running.values()].filter((pod) => pod.alive).map((pod) => pod.target());
      response.setHeader("content-type", "application/json").end(JSON.stringify(groups));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.targetsUrl = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
    this.#means = { ...this.#means, addressesUrl: `${this.targetsUrl}${ADDRESSES.slice(1)}` };
  }
}

function nodeRef(name: string) {
  return { apiVersion: "v1", kind: "Node", namespace: "", name };
}

function readyNode(): object {
  const at = new Date().toISOString();
  return {
    conditions: [
      { type: "Ready", status: "True", reason: "Ready", message: "pods run as local processes", lastHeartbeatTime: at },
    ],
  };
}

function microTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
