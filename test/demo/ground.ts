import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { Playground, ROOT } from "../cluster/playground.ts";
import { toolboxOf } from "../cluster/toolbox.ts";
import { deployment, route, service, shop } from "./shop.ts";
import { type Stops, task } from "./terminal.ts";

/** Where the releases are played: a cluster of the demo's own, or the one that a kubeconfig's context names. */
export interface Ground {
  readonly kubeconfig: string;
  readonly namespace: string;
  /** Where requests go, with the Host `web.example`. */
  readonly url: string;
  /** How often Prometheus is asked. */
  readonly interval: string;
  readonly patienceMs: number;
  /** The shop's objects. */
  readonly objects: readonly KubeObject[];
  /** What is behind the shop's objects, made ready once they are there. */
  readonly startOperator: () => Promise<void>;
  /** Arguments of kubectl that release a version. */
  release(tag: string): string[];
  /** @returns what kubectl printed
   * @throws Error with what it complained of */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Lines that say how to look on by hand. */
  readonly help: readonly string[];
}

/** A control plane, gateway and Prometheus that the demo starts itself. */
export async function ownGround(stops: Stops): Promise<Ground> {
  const playground = await task("a cluster: API server, controllers, node, gateway, Prometheus", () =>
    Playground.start({ gatewayLagMs: 200 }),
  );
  stops.push(() => playground.stop());
  const { cluster, gateway, prometheusUrl } = playground;
  return {
    kubeconfig: cluster.kubeconfig,
    namespace: "default",
    url: gateway.url,
    interval: "1s",
    patienceMs: 150_000,
    objects: shop(),
    startOperator: async () => {
      await task("the operator", () => playground.startOperator());
    },
    release: (tag) => ["set", "image", "deployment/web", `web=shop/web:${tag}`],
    kubectl: kubectlBy(cluster.binaries.kubectl, cluster.kubeconfig),
    help: [
      `export KUBECONFIG=${cluster.kubeconfig}`,
      `export PATH=${toolboxOf(cluster)}:$PATH`,
      "kubectl set image deployment/web web=shop/web:v5   # a good one; v13 answers with errors, v14 slowly",
      "kubectl zenith get web --watch",
      `curl -H 'Host: web.example' ${gateway.url}`,
      `Prometheus: ${prometheusUrl}`,
    ],
  };
}

export interface ContextOptions {
  readonly context: string;
  /** Left out: an address in the Gateway's status. */
  readonly url?: string | undefined;
  /** "namespace/name"; left out: the only one there is. */
  readonly gateway?: string | undefined;
  readonly image: string;
  readonly interval: string;
}

const NAMESPACE = "zenith-demo";
/** Where the program lies in a container; pods that are local processes start beside it, in the checkout. */
const FOLDER = "/demo";
const PROGRAM = "test/cluster/sample-app.mjs";

interface DeploymentSpec {
  readonly template: { readonly metadata: object; readonly spec: { readonly containers: readonly object[] } };
}

interface Gateway {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly status?: { readonly addresses?: readonly { readonly value: string }[] };
}

/** A cluster that is there, with Zenith, a Prometheus and a Gateway; the demo keeps to a namespace of its own. */
export async function contextGround(options: ContextOptions, keep: boolean, stops: Stops): Promise<Ground> {
  const { context, image, interval } = options;
  const folder = mkdtempSync(join(tmpdir(), "zenith-demo-"));
  stops.push(async () => rmSync(folder, { recursive: true, force: true }));
  const kubeconfig = kubeconfigOf(context, folder);
  const kubectl = kubectlBy("kubectl", kubeconfig, ["--namespace", NAMESPACE]);
  const gateway = await task(`the cluster of context ${context}: Zenith's definitions, a Gateway`, async () => {
    await kubectl(["get", "crd", "rollouts.zenith.sh"]).catch((cause: Error) => {
      const hint = /NotFound/.test(cause.message) ? "install Zenith first, see docs/install.md" : cause.message;
      throw new Error(`Context ${context} does not know Rollouts: ${hint}`, { cause });
    });
    return gatewayOf(options.gateway, await kubectl(["get", "gateways.gateway.networking.k8s.io", "-A", "-o", "json"]));
  });
  const url = options.url ?? addressOf(gateway);
  await kubectl(["create", "namespace", NAMESPACE]).catch((cause: Error) => {
    throw new Error(`Cannot make a namespace for the demo; an earlier one goes with kubectl delete: ${cause.message}`, {
      cause,
    });
  });
  if (!keep) stops.push(async () => void (await kubectl(["delete", "namespace", NAMESPACE, "--timeout=120s"])));
  return {
    kubeconfig,
    namespace: NAMESPACE,
    url,
    interval,
    patienceMs: 900_000,
    objects: shopOf(image, gateway),
    startOperator: async () => undefined,
    release: (tag) => ["set", "env", "deployment/web", `IMAGE=shop/web:${tag}`],
    kubectl,
    help: [
      `kubectl --context ${context} -n ${NAMESPACE} set env deployment/web IMAGE=shop/web:v5   # a good one; v13 answers with errors, v14 slowly`,
      `kubectl --context ${context} -n ${NAMESPACE} get rollouts --watch`,
      `curl -H 'Host: web.example' ${url}`,
      `kubectl --context ${context} delete namespace ${NAMESPACE}   # when you have seen enough`,
    ],
  };
}

/** The context alone, in a file of its own: nothing that is run by it can reach another cluster. */
function kubeconfigOf(context: string, folder: string): string {
  const args = ["config", "view", "--raw", "--flatten", "--minify", "--context", context];
  const { status, stdout, stderr, error } = spawnSync("kubectl", args, { encoding: "utf8" });
  if (error !== undefined) throw new Error(`--context needs kubectl in PATH: ${error.message}`);
  if (status !== 0) throw new Error(`There is no context "${context}": ${stderr.trim()}`);
  const path = join(folder, "kubeconfig");
  writeFileSync(path, stdout, { mode: 0o600 });
  return path;
}

function gatewayOf(wanted: string | undefined, json: string): Gateway {
  const { items } = JSON.parse(json) as { items: Gateway[] };
  const named = (gateway: Gateway) => `${gateway.metadata.namespace}/${gateway.metadata.name}`;
  const fitting = wanted === undefined ? items : items.filter((gateway) => named(gateway) === wanted);
  const [first] = fitting;
  if (first !== undefined && fitting.length === 1) return first;
  const there = items.length === 0 ? "there is none" : `there are ${items.map(named).join(", ")}`;
  throw new Error(`--gateway NAMESPACE/NAME must name one Gateway: ${there}`);
}

function addressOf({ metadata, status }: Gateway): string {
  const [address] = status?.addresses ?? [];
  if (address !== undefined) return `http://${address.value}`;
  throw new Error(`Gateway "${metadata.name}" has no address in its status; say where it is reached: --url http://…`);
}

/** The shop for a real kubelet: the program comes as a ConfigMap, and is told by its environment which version it is. */
function shopOf(image: string, gateway: Gateway): KubeObject[] {
  const env = { IMAGE: "shop/web:v1" };
  const web = deployment({ namespace: NAMESPACE, image, env }) as KubeObject & { readonly spec: DeploymentSpec };
  const { template } = web.spec;
  const annotations = { "prometheus.io/scrape": "true", "prometheus.io/port": "8080" };
  const containers = template.spec.containers.map((container) => ({
    ...container,
    workingDir: FOLDER,
    volumeMounts: [{ name: "program", mountPath: join(FOLDER, PROGRAM), subPath: "program" }],
  }));
  const volumes = [{ name: "program", configMap: { name: "program" } }];
  const spec = { ...template.spec, containers, volumes };
  const { metadata } = template;
  const program = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "program", namespace: NAMESPACE },
    data: { program: readFileSync(join(ROOT, PROGRAM), "utf8") },
  } as KubeObject;
  const withTemplate = { ...web.spec, template: { metadata: { ...metadata, annotations }, spec } };
  const { name, namespace } = gateway.metadata;
  return [
    program,
    { ...web, spec: withTemplate } as KubeObject,
    service({ namespace: NAMESPACE }),
    route({ namespace: NAMESPACE, gateway: { name, namespace } }),
  ];
}

function kubectlBy(command: string, kubeconfig: string, more: readonly string[] = []): Ground["kubectl"] {
  return (args, input) =>
    new Promise((resolve, reject) => {
      const child = execFile(command, ["--kubeconfig", kubeconfig, ...more, ...args], (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trim());
        else reject(new Error(`kubectl ${args.slice(0, 3).join(" ")}: ${stderr.trim() || error.message}`));
      });
      child.stdin?.end(input ?? "");
    });
}

/** YAML as kubectl reads it, to which a bare on and off are true and false. */
export function yamlOf(objects: readonly object[]): string {
  return objects.map((object) => stringify(object, { version: "1.1" })).join("---\n");
}
