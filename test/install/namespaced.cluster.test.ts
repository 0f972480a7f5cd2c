import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { CHART, helm } from "../cluster/helm.ts";
import { type NodeAgent, startNodeAgent } from "../cluster/node-agent.ts";
import { ROOT } from "../cluster/playground.ts";
import { zenithRuntime } from "../cluster/zenith-runtime.ts";

/** An install for some namespaces: it has no right anywhere else, and none of the cluster. */

let cluster: Cluster;
let agent: NodeAgent;

const OURS = ["team-a", "team-b"];
const NAMESPACE = "team-a"; // It lives where it works.

beforeAll(async () => {
  cluster = await startCluster({ kwok: false, audit: true });
  await cluster.applyGatewayApi();
  agent = await startNodeAgent(cluster.kubeconfig, ROOT, { runtime: zenithRuntime(cluster) });
  for (const name of [...OURS, "others"])
    await cluster.apply({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
}, 1_200_000);

afterAll(async () => {
  await agent?.stop();
  await cluster?.stop();
});

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

async function helmDo(...args: string[]): Promise<void> {
  const { code, stderr } = await helm(["-n", NAMESPACE, ...args], { cluster });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}

function objects(namespace: string, image = "shop/web:v1"): object[] {
  const labels = { app: "web" };
  const container = {
    name: "web",
    image,
    command: ["node", "test/cluster/sample-app.mjs"],
    readinessProbe: { httpGet: { path: "/ready", port: 8080 }, periodSeconds: 1 },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  };
  const pod = {
    terminationGracePeriodSeconds: 5,
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
  };
  const metadata = { name: "web", namespace };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "Rollout",
      metadata,
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: pod },
        strategy: { canary: { steps: [{ weight: 50 }, { pause: { for: "2s" } }], settle: "1s", drain: "1s" } },
        traffic: { service: "web" },
        analysis: { disabled: true },
        bake: "1s",
      },
    },
  ];
}

describe("helm install --set namespaces={team-a,team-b}", () => {
  test("releases in both, with no right in the cluster or in a third", async () => {
    await helmDo("install", "zenith", CHART, "--set", `namespaces={${OURS}}`, "--wait", "--timeout=90s");
    expect(
      await kubectl("get", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/name=zenith", "-o", "name"),
    ).toBe("");
    for (const namespace of [...OURS, "others"]) await cluster.apply(objects(namespace));
    const healthy = ["rollout.zenith.sh/web", "--for=jsonpath={.status.phase}=Healthy", "--timeout=60s"];
    for (const namespace of OURS) await kubectl("-n", namespace, "wait", ...healthy);
    for (const namespace of OURS) await cluster.apply(objects(namespace, "shop/web:v2"));
    const promoted = [
      "rollout.zenith.sh/web",
      "--for=jsonpath={.status.stable.images[0]}=shop/web:v2",
      "--timeout=60s",
    ];
    for (const namespace of OURS) await kubectl("-n", namespace, "wait", ...promoted);
    expect(await kubectl("-n", "others", "get", "rollout.zenith.sh", "web", "-o", "jsonpath={.status.phase}")).toBe("");
    for (const namespace of OURS) {
      const account = `system:serviceaccount:${NAMESPACE}:zenith-operator`;
      expect(await kubectl("-n", namespace, "auth", "can-i", "patch", "services", "--as", account)).toBe("yes");
      const elsewhere = await cluster.kubectl(["-n", "others", "auth", "can-i", "list", "services", "--as", account]);
      expect(elsewhere.stdout.trim()).toBe("no");
    }
  });

  test("asked for nothing that it may not", () => {
    const ours = cluster.auditEvents().filter(({ user }) => user.username.includes(":zenith-operator"));
    expect(ours.length).toBeGreaterThan(50);
    const refused = ours.filter(({ responseStatus }) => responseStatus?.code === 403);
    expect(refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
    expect(
      ours.filter(({ requestURI }) => !/\/namespaces\/team-[ab]\//.test(requestURI)).map((e) => e.requestURI),
    ).toEqual([]);
  });

  test("helm test sees its policy, and it goes without a trace", async () => {
    await helmDo("test", "zenith", "--timeout=60s");
    await helmDo("uninstall", "zenith", "--wait", "--timeout=120s");
    const kinds = "validatingadmissionpolicy,validatingadmissionpolicybinding,clusterrole,clusterrolebinding";
    expect(await kubectl("get", kinds, "-l", "app.kubernetes.io/name=zenith", "-o", "name")).toBe("");
    for (const namespace of OURS) {
      expect(await kubectl("-n", namespace, "get", "role,rolebinding", "-o", "name")).toBe("");
      const held = ["-o", "jsonpath={.metadata.finalizers}"];
      expect(await kubectl("-n", namespace, "get", "rollout.zenith.sh", "web", ...held)).toBe("");
    }
  });
});
