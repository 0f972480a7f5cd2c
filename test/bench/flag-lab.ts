import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { defineResource } from "../../src/kube/resource.ts";
import { type Cluster, run, startCluster } from "../cluster/cluster.ts";
import { type FlagServer, startFlagServer } from "../cluster/flag-server.ts";
import { applyCrds, ROOT } from "../cluster/playground.ts";
import type { Running } from "../cluster/processes.ts";
import { Access } from "../cluster/watch.ts";

export const FLAGS = defineResource("zenith.sh/v1alpha1", "FeatureFlag", "featureflags");

/** The bundle, as it ships. */
export const ENTRY = join(ROOT, "dist/zenith.mjs");

/** A control plane without pods, and flag servers, the bundle. */
export class FlagLab {
  readonly cluster: Cluster;
  readonly access: Access;
  readonly #servers: FlagServer[] = [];

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.access = new Access(cluster.kubeconfig, "bench");
  }

  static async open(): Promise<FlagLab> {
    const built = await run(process.execPath, [join(ROOT, "scripts/build.ts")], { cwd: ROOT });
    if (built.code !== 0) throw new Error(`npm run build failed: ${built.stderr}`);
    const cluster = await startCluster({ kwok: false, scheduler: false, controllers: false });
    try {
      await applyCrds(cluster);
      return new FlagLab(cluster);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.stopServers();
    await this.access.close();
    await this.cluster.stop();
  }

  /** Starts a flag server that lets everyone in. */
  async serve(): Promise<FlagServer> {
    const flags = ["--anonymous=server", "--log-level=warn"];
    const server = await startFlagServer(this.cluster, flags, { entry: ENTRY });
    this.#servers.push(server);
    return server;
  }

  async stopServers(): Promise<void> {
    for (const { running } of this.#servers.splice(0)) await running.stop();
  }

  /** Creates objects, many at once, without kubectl. */
  async create(objects: readonly KubeObject[]): Promise<void> {
    const left = [...objects];
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await this.access.resources.create(next);
    };
    await Promise.all(Array.from({ length: 16 }, worker));
  }

  async kubectl(...args: string[]): Promise<void> {
    const { code, stderr } = await this.cluster.kubectl(args);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} failed: ${stderr.trim()}`);
  }
}

/** A flag as teams have them: a rule, and a share of the users. */
export function benchFlag(name: string, namespace = "default", share = 25): KubeObject {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "FeatureFlag",
    metadata: { name, namespace, labels: { bench: "kill" } },
    spec: {
      lifecycle: { owner: "team-bench", permanent: true },
      rules: [{ name: "staff", when: [{ attribute: "email", endsWith: "@example.com" }], serve: "on" }],
      strategy: {
        percentage: {
          weights: [
            { variant: "on", weight: `${share}%` },
            { variant: "off", weight: `${100 - share}%` },
          ],
        },
      },
    },
  } as KubeObject;
}

export function residentMiB({ pid }: Running, what: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${what}:\\s+(\\d+)`).exec(text)?.[1] ?? Number.NaN) / 1024;
}

const TICKS_A_SECOND = 100;

/** What a process has used of the processor so far, user and system. */
export function cpuMs({ pid }: Pick<Running, "pid">): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_A_SECOND;
}
