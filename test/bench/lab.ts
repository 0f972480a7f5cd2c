import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import type { KubeObject, Route } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import { type Cluster, run, startCluster } from "../cluster/cluster.ts";
import { type Gateway, startGateway } from "../cluster/gateway.ts";
import { applyCrds, type Operator, ROOT, startOperator } from "../cluster/playground.ts";
import { RequestProxy } from "../cluster/request-proxy.ts";
import { Access, TYPES } from "../cluster/watch.ts";
import { route, service } from "../demo/shop.ts";

const ROLLOUTS = defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts");

/** A control plane with kwok's pods, a gateway that only writes status, and an operator, the bundle, whose every request is seen. */
export class BenchLab {
  readonly cluster: Cluster;
  readonly proxy: RequestProxy;
  readonly access: Access;
  readonly rollouts: Store<Rollout>;
  readonly routes: Store<Route>;
  readonly #gateway: Gateway;
  #operator: Operator | undefined;

  private constructor(
    cluster: Cluster,
    proxy: RequestProxy,
    access: Access,
    gateway: Gateway,
    stores: { rollouts: Store<Rollout>; routes: Store<Route> },
  ) {
    this.cluster = cluster;
    this.proxy = proxy;
    this.access = access;
    this.#gateway = gateway;
    this.rollouts = stores.rollouts;
    this.routes = stores.routes;
  }

  static async open(): Promise<BenchLab> {
    const built = await run(process.execPath, [join(ROOT, "scripts/build.ts")], { cwd: ROOT });
    if (built.code !== 0) throw new Error(`npm run build failed: ${built.stderr}`);
    const cluster = await startCluster();
    try {
      await Promise.all([cluster.applyGatewayApi(), applyCrds(cluster)]);
      const proxy = new RequestProxy(cluster.server, { ca: readFileSync(cluster.caPath, "utf8") });
      await proxy.start();
      const access = new Access(cluster.kubeconfig, "bench");
      const rollouts = await access.watch<Rollout>(ROLLOUTS);
      const routes = await access.watch<Route>(TYPES.httpRoutes);
      const gateway = await startGateway({ kubeconfig: cluster.kubeconfig });
      return new BenchLab(cluster, proxy, access, gateway, { rollouts, routes });
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#operator?.running.stop();
    await this.access.close();
    await this.#gateway.stop();
    await this.proxy.stop();
    await this.cluster.stop();
  }

  /** The one that was started last. */
  get operator(): Operator | undefined {
    return this.#operator;
  }

  /** Starts an operator behind the proxy.
   * @returns milliseconds from its start to ready, and the process */
  async startOperator(flags: readonly string[] = []): Promise<{ tookMs: number; operator: Operator }> {
    const kubeconfig = this.cluster.path("bench.yaml");
    this.cluster.writeKubeconfig(kubeconfig, this.cluster.token, this.proxy.url);
    const startedMs = performance.now();
    const entry = join(ROOT, "dist/zenith.mjs");
    const operator = await startOperator(this.cluster, [`--kubeconfig=${kubeconfig}`, ...flags], { entry });
    this.#operator = operator;
    return { tookMs: performance.now() - startedMs, operator };
  }

  async stopOperator(): Promise<void> {
    await this.#operator?.running.stop();
    this.#operator = undefined;
  }

  /** Creates objects, many at once, without kubectl. */
  async create(objects: readonly KubeObject[]): Promise<void> {
    const left = [...objects];
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await this.access.resources.create(next);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  }

  /** Resolves once so many Rollouts satisfy the condition; tells how far it is. */
  async until(
    count: number,
    isThere: (rollout: Rollout) => boolean,
    what: string,
    patienceMs = 900_000,
  ): Promise<void> {
    const end = performance.now() + patienceMs;
    for (let told = 0; ; ) {
      const there = this.rollouts.list().filter(isThere).length;
      if (there >= count) break;
      if (performance.now() > end) throw new Error(`Waited ${patienceMs / 1000} s for ${what}: ${there} of ${count}`);
      if (process.stderr.isTTY && performance.now() > told + 5_000) {
        told = performance.now();
        process.stderr.write(`\r  ${what}: ${there} of ${count}   `);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  }

  residentMiB(operator: Operator): number {
    // The process that start() reports is the program itself; /proc tells its memory.
    const text = readFileSync(`/proc/${operator.running.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? Number.NaN) / 1024;
  }
}

/** A Prometheus target of our own: one gauge, 0 until a benchmark says otherwise. */
export class BreachSwitch {
  on = false;
  address = "";
  #server: Server | undefined;

  async start(): Promise<void> {
    const server = createServer((_request, response) => {
      response.setHeader("content-type", "text/plain; version=0.0.4");
      response.end(`# TYPE breach gauge\nbreach ${this.on ? 1 : 0}\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
  }
}

/** A Rollout with its own template, its Service and its route; pods are kwok's. */
export function fleetMember(name: string, spec: Record<string, unknown> = {}, routed = true): KubeObject[] {
  const metadata = { name, namespace: "default" };
  const own = {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata,
    spec: { ...specOf(name, routed), ...spec },
  };
  if (!routed) return [own];
  return [service({ name }), route({ name }), own];
}

function specOf(name: string, routed: boolean): Record<string, unknown> {
  return {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: templateOf(name, "1"),
    ...(routed ? { traffic: { service: name, routes: [{ httpRoute: { name } }] } } : {}),
    analysis: { disabled: true },
    bake: "1s",
  };
}

export function templateOf(name: string, version: string): unknown {
  return {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: "web", image: `web:${version}`, ports: [{ name: "http", containerPort: 8080 }] }] },
  };
}
