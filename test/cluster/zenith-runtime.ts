import { openSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import type { Program, Runtime, Start } from "./node-agent.ts";
import { ROOT } from "./playground.ts";
import { freePorts } from "./processes.ts";

/** Runs Zenith's own pods, as a chart or kustomize made them: their command and arguments, their ServiceAccount's token, and
 * ports of their own instead of a network of their own. Only where the image is unpacked is another's question.
 * @param entry what stands for /zenith.mjs in the image */
export function zenithRuntime(cluster: Cluster, entry = join(ROOT, "src/main.ts")): Runtime {
  return (start) => (start.command.includes("/zenith.mjs") ? programOf(cluster, start, entry) : undefined);
}

async function programOf(cluster: Cluster, start: Start, entry: string): Promise<Program> {
  const [node, ...rest] = start.command;
  if (node !== "node") throw new Error(`An image of Zenith runs node, not ${node}`);
  const args = ["--disable-warning=ExperimentalWarning", ...rest.map((arg) => (arg === "/zenith.mjs" ? entry : arg))];
  // The pod's log goes where a test can read it.
  const log = logOf(cluster, start);
  openSync(log, "a");
  return {
    command: "/bin/sh",
    args: ["-c", 'exec "$@" >>"$LOG" 2>&1', "sh", process.execPath, ...args],
    env: { LOG: log, KUBECONFIG: await kubeconfigOf(cluster, start), ...(await addressesOf(start)) },
  };
}

/** Where what a pod of Zenith printed is kept. */
export function logOf(cluster: Cluster, { namespace, pod }: Pick<Start, "namespace" | "pod">): string {
  return cluster.path(`pod-${namespace}-${pod}.log`);
}

/** A token for the pod's account, as a kubelet would project it. */
async function kubeconfigOf(cluster: Cluster, { namespace, pod, serviceAccount }: Start): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(["-n", namespace, "create", "token", serviceAccount]);
  if (code !== 0) throw new Error(`No token for ${namespace}/${serviceAccount}: ${stderr}`);
  const path = cluster.path(`pod-${namespace}-${pod}.yaml`);
  cluster.writeKubeconfig(path, stdout.trim());
  return path;
}

/** The ports that it listens on in its pod, moved to free ones of this machine; the health port is the one that is probed. */
async function addressesOf({ port }: Start): Promise<Record<string, string>> {
  const [metrics] = await freePorts(1);
  return {
    ZENITH_METRICS_BIND_ADDRESS: `127.0.0.1:${metrics}`,
    ZENITH_HEALTH_PROBE_BIND_ADDRESS: `127.0.0.1:${port}`,
  };
}
