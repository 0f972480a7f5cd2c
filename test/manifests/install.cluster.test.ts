import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { claimPorts } from "../cluster/ports.ts";
import { start } from "../cluster/processes.ts";

/** `kubectl apply -k manifests` on a real API server, and the operator under the rights that it grants. */
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ audit: true });
  await cluster.applyGatewayApi();
});

afterAll(async () => await cluster?.stop());

const ACCOUNT = "system:serviceaccount:zenith-system:zenith-operator";
const pod = { containers: [{ name: "web", image: "web:1" }] };
const rollout = {
  apiVersion: "zenith.sh/v1alpha1",
  kind: "Rollout",
  metadata: { name: "web", namespace: "default" },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: pod },
    traffic: { service: "web" },
    analysis: { disabled: true },
  },
};
const service = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "default" },
  spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
};

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

describe("kubectl apply -k manifests", () => {
  test("is accepted, twice, with nothing to warn of", async () => {
    const first = await cluster.kubectl(["apply", "-k", "manifests"]);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const second = await cluster.kubectl(["apply", "-k", "manifests"]);
    expect(second).toMatchObject({ code: 0, stderr: "" });
    // "configured" may stand there, as some lists are sent whole each time: nothing differs all the same.
    expect(await cluster.kubectl(["diff", "-k", "manifests"])).toMatchObject({ code: 0, stdout: "" });
  });

  test("brings up pods where the namespace enforces restricted", async () => {
    await kubectl("-n", "zenith-system", "rollout", "status", "deployment/zenith-operator", "--timeout=60s");
    const enforced = {
      metadata: { name: "root", namespace: "zenith-system" },
      apiVersion: "v1",
      kind: "Pod",
      spec: pod,
    };
    await expect(cluster.apply(enforced)).rejects.toThrow("violates PodSecurity");
  });

  test("grants what the operator needs, and nothing beyond is asked for", async () => {
    await kubectl("-n", "zenith-system", "delete", "deployment", "zenith-operator");
    const kubeconfig = cluster.path("operator.yaml");
    const token = await kubectl("-n", "zenith-system", "create", "token", "zenith-operator");
    cluster.writeKubeconfig(kubeconfig, token);
    const [metrics, health] = await claimPorts(2);
    const flags = [
      `--kubeconfig=${kubeconfig}`,
      `--metrics-bind-address=127.0.0.1:${metrics}`,
      `--health-probe-bind-address=127.0.0.1:${health}`,
    ];
    const logFile = cluster.path("operator.log");
    const operator = await start(process.execPath, ["src/main.ts", "operator", ...flags], { logFile });
    try {
      await cluster.apply([service, rollout]);
      await kubectl("wait", "rollout.zenith.sh/web", "--for=jsonpath={.status.phase}=Healthy", "--timeout=60s");
      await kubectl("-n", "zenith-system", "get", "lease", "zenith-operator");
      await kubectl("patch", "rollout.zenith.sh/web", "--type=json", "-p", newImage("web:2"));
      await kubectl("wait", "rollout.zenith.sh/web", "--for=jsonpath={.status.phase}=Progressing", "--timeout=30s");
      await kubectl("delete", "rollout.zenith.sh/web", "--timeout=30s");
    } finally {
      await operator.stop();
    }
    const asked = cluster.auditEvents().filter(({ user }) => user.username === ACCOUNT);
    expect(asked.length).toBeGreaterThan(20);
    const refused = asked.filter(({ responseStatus }) => responseStatus?.code === 403);
    expect(refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
  });
});

function newImage(image: string): string {
  return JSON.stringify([{ op: "replace", path: "/spec/template/spec/containers/0/image", value: image }]);
}
