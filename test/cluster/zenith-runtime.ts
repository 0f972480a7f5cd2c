import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { ACCOUNT } from "./image-root.ts";
import { ROOT } from "./playground.ts";
import type { Program, Runtime, Start } from "./pod-process.ts";
import { claimPorts } from "./ports.ts";

/** Where the documents say that a cluster's Prometheus is. Nobody resolves Services' names here: it leads to the cluster's first. */
export const PROMETHEUS = "http://prometheus.monitoring:9090";

export interface Contents {
  /** An unpacked image, in which pods run as the chart asks: read-only, by nobody, without a right. Left out, sources stand for it. */
  readonly root?: string;
  /** The tree whose sources stand for what is in an image; the checkout, unless said otherwise. */
  readonly treeOf?: (image: string) => string;
}

/** Runs Zenith's own pods, as a chart or kustomize made them: their command and arguments, their ServiceAccount's token, and
 * ports of their own instead of a network of their own. */
export function zenithRuntime(cluster: Cluster, { root, treeOf = () => ROOT }: Contents = {}): Runtime {
  return (start) => {
    if (!start.command.includes("/zenith.mjs")) return undefined;
    return root === undefined ? fromSources(cluster, start, treeOf(start.image)) : inImage(cluster, start, root);
  };
}

/** Where what a pod of Zenith printed is kept. */
export function logOf(cluster: Cluster, { namespace, pod }: Pick<Start, "namespace" | "pod">): string {
  return cluster.path(`pod-${namespace}-${pod}.log`);
}

/** The sources that a pod runs; undefined before it has begun. */
export function treeRunBy(cluster: Cluster, pod: Pick<Start, "namespace" | "pod">): string | undefined {
  return /^Runs the sources in (.+)$/m.exec(readFileSync(logOf(cluster, pod), "utf8"))?.[1];
}

async function fromSources(cluster: Cluster, start: Start, tree: string): Promise<Program> {
  const [node, ...rest] = start.command;
  if (node !== "node") throw new Error(`An image of Zenith runs node, not ${node}`);
  const words: Readonly<Record<string, string>> = {
    "/zenith.mjs": join(tree, "src/main.ts"),
    [`--prometheus-url=${PROMETHEUS}`]: `--prometheus-url=${cluster.prometheusUrl}`,
  };
  const network = `--import=${join(ROOT, "test/cluster/pod-network.ts")}`;
  const args = ["--disable-warning=ExperimentalWarning", network, ...rest.map((word) => words[word] ?? word)];
  const kubeconfig = cluster.path(`pod-${start.namespace}-${start.pod}.yaml`);
  cluster.writeKubeconfig(kubeconfig, await tokenOf(cluster, start));
  const isInCluster = start.env.ZENITH_PROMETHEUS_URL === PROMETHEUS;
  const prometheus = isInCluster ? { ZENITH_PROMETHEUS_URL: cluster.prometheusUrl ?? "" } : {};
  const env = { KUBECONFIG: kubeconfig, TREE: tree, ...prometheus };
  return logged(cluster, start, 'echo "Runs the sources in $TREE"; exec "$@"', [process.execPath, ...args], env);
}

/** What a container engine does with the chart's security context, and a kubelet with the account. */
const IN_IMAGE = `
set -e
mount --bind "$IMAGE_ROOT" "$POD_ROOT"
mount -o remount,bind,ro "$POD_ROOT"
mount -t tmpfs tmpfs "$POD_ROOT/${ACCOUNT}"
printf %s "$TOKEN" > "$POD_ROOT/${ACCOUNT}/token"
cp "$CA" "$POD_ROOT/${ACCOUNT}/ca.crt"
printf %s "$NAMESPACE" > "$POD_ROOT/${ACCOUNT}/namespace"
unset TOKEN
exec setpriv --no-new-privs --clear-groups --bounding-set=+sys_chroot,+setuid,+setgid \\
  unshare --root="$POD_ROOT" --setgid=65532 --setuid=65532 --wd=/ "$@"
`;

async function inImage(cluster: Cluster, start: Start, root: string): Promise<Program> {
  const { hostname, port } = new URL(cluster.server);
  const podRoot = cluster.path(`root-${start.namespace}-${start.pod}`);
  const env = {
    PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
    IMAGE_ROOT: root,
    POD_ROOT: podRoot,
    TOKEN: await tokenOf(cluster, start),
    CA: cluster.caPath,
    NAMESPACE: start.namespace,
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
  };
  const script = `mkdir -p "$POD_ROOT"; exec unshare --mount sh -c '${IN_IMAGE}' sh "$@"`;
  return await logged(cluster, start, script, start.command, env);
}

async function logged(
  cluster: Cluster,
  start: Start,
  script: string,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Program> {
  const args = ["-c", `exec >>"$LOG" 2>&1; ${script}`, "sh", ...command];
  return { command: "/bin/sh", args, env: { ...env, ...(await addressesOf(start)), LOG: logOf(cluster, start) } };
}

/** A token for the pod's account, as a kubelet would project it. */
async function tokenOf(cluster: Cluster, { namespace, serviceAccount }: Start): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(["-n", namespace, "create", "token", serviceAccount]);
  if (code !== 0) throw new Error(`No token for ${namespace}/${serviceAccount}: ${stderr}`);
  return stdout.trim();
}

/** The ports that it listens on in its pod, moved to free ones of this machine; the one that is probed is the agent's. Each role
 * reads its own. */
async function addressesOf({ port }: Start): Promise<Record<string, string>> {
  const [metrics, ofrep, evaluation, sync] = await claimPorts(4);
  return {
    ZENITH_METRICS_BIND_ADDRESS: `127.0.0.1:${metrics}`,
    ZENITH_HEALTH_PROBE_BIND_ADDRESS: `127.0.0.1:${port}`,
    ZENITH_OFREP_BIND_ADDRESS: `127.0.0.1:${ofrep}`,
    ZENITH_EVALUATION_BIND_ADDRESS: `127.0.0.1:${evaluation}`,
    ZENITH_SYNC_BIND_ADDRESS: `127.0.0.1:${sync}`,
    ZENITH_MANAGEMENT_BIND_ADDRESS: `127.0.0.1:${port}`,
    ZENITH_SNAPSHOT_DIR: "", // Volumes are not mounted.
  };
}
