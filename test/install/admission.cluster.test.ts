import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, type CommandResult, startCluster } from "../cluster/cluster.ts";
import { CHART, helm } from "../cluster/helm.ts";

/** Who may make a Rollout reach what: the policy of the chart on a real API server, asked by users with few rights. */

const RULES = {
  rollouts: { apiGroups: ["zenith.sh"], resources: ["rollouts"], verbs: ["get", "create", "update", "patch"] },
  deployments: { apiGroups: ["apps"], resources: ["deployments"], verbs: ["create", "patch"] },
  services: { apiGroups: [""], resources: ["services"], verbs: ["patch"] },
  routes: {
    apiGroups: ["gateway.networking.k8s.io"],
    resources: ["httproutes", "grpcroutes"],
    verbs: ["patch"],
    resourceNames: Array.from({ length: 15 }, (_, i) => `route-${i}`),
  },
  lastRoute: {
    apiGroups: ["gateway.networking.k8s.io"],
    resources: ["grpcroutes"],
    verbs: ["patch"],
    resourceNames: ["last"],
  },
};
const USERS: Readonly<Record<string, readonly (keyof typeof RULES)[]>> = {
  everything: ["rollouts", "deployments", "services", "routes", "lastRoute"],
  "rollouts-alone": ["rollouts"],
  "no-services": ["rollouts", "deployments", "routes", "lastRoute"],
  "no-last-route": ["rollouts", "deployments", "services", "routes"],
};

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({
    controllers: false,
    scheduler: false,
    kwok: false,
    users: Object.keys(USERS).map((name) => ({ name })),
  });
  const { code, stderr } = await helm(["install", "zenith", CHART, "-n", "default"], { cluster });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  await cluster.untilCrdsServe();
  for (const [name, rules] of Object.entries(USERS)) await cluster.apply(rightsOf(name, rules));
  // The policy is at work once it refuses.
  for (let i = 0; i < 100 && (await make("rollouts-alone", aRollout())).code === 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
}, 1_200_000);

afterAll(async () => await cluster?.stop());

function rightsOf(name: string, rules: readonly (keyof typeof RULES)[]): object[] {
  const api = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name, namespace: "default" } };
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name };
  return [
    { ...api, kind: "Role", rules: rules.map((rule) => RULES[rule]) },
    { ...api, kind: "RoleBinding", roleRef, subjects: [{ kind: "User", name, apiGroup: roleRef.apiGroup }] },
  ];
}

const template = (image: string) => ({
  metadata: { labels: { app: "web" } },
  spec: { containers: [{ name: "web", image }] },
});

function aRollout(spec: object = {}, name = "web"): object {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name, namespace: "default" },
    spec: { selector: { matchLabels: { app: "web" } }, template: template("web:1"), ...spec },
  };
}

const ROUTES = [
  ...Array.from({ length: 15 }, (_, i) => ({ httpRoute: { name: `route-${i}` } })),
  { grpcRoute: { name: "last" } },
];
const traffic = { service: "web", routes: ROUTES };

function make(user: string, rollout: object): Promise<CommandResult> {
  const input = JSON.stringify(rollout);
  return cluster.kubectl(["create", "--dry-run=server", "-f", "-"], { user, input });
}

describe("the policy lets make", () => {
  test("whatever reaches only what its maker may change: sixteen routes too", async () => {
    expect(await make("everything", aRollout({ traffic }))).toMatchObject({ code: 0, stderr: "" });
    const adopting = { ...aRollout(), spec: { workloadRef: { kind: "Deployment", name: "web" }, traffic } };
    expect(await make("everything", adopting)).toMatchObject({ code: 0, stderr: "" });
  });

  test("whoever may only change Rollouts edit what reaches nothing new", async () => {
    await cluster.apply(aRollout());
    const patch = (text: string) =>
      cluster.kubectl(["patch", "rollout.zenith.sh/web", "--type=merge", "-p", text], { user: "rollouts-alone" });
    expect(await patch('{"spec": {"paused": true, "bake": "1h"}}')).toMatchObject({ code: 0 });
    expect(await patch('{"metadata": {"annotations": {"zenith.sh/request": "pause@a#1"}}}')).toMatchObject({ code: 0 });
    const image = await patch(JSON.stringify({ spec: { template: template("web:2") } }));
    expect(image.code).toBe(1);
    expect(image.stderr).toContain("rollouts-alone needs the right to create deployments in namespace default");
  });
});

describe("the policy refuses, and says which right is missing:", () => {
  const table: Readonly<Record<string, readonly [user: string, spec: object, says: string]>> = {
    "to make pods": ["rollouts-alone", {}, "rollouts-alone needs the right to create deployments in namespace default"],
    "to move a Service": [
      "no-services",
      { traffic },
      "spec.traffic.service: a Rollout moves its selector: no-services needs the right to patch service web",
    ],
    "to move the sixteenth route": [
      "no-last-route",
      { traffic },
      "spec.traffic.routes[15]: a Rollout moves its weights: no-last-route needs the right to patch grpcroutes last",
    ],
    "to move a route by its name": [
      "everything",
      { traffic: { service: "web", routes: [{ httpRoute: { name: "not-ours" } }] } },
      "spec.traffic.routes[0]: a Rollout moves its weights: everything needs the right to patch httproutes not-ours",
    ],
  };
  test.each(Object.entries(table))("%s", async (_, [user, spec, says]) => {
    const { code, stderr } = await make(user, aRollout(spec));
    expect(code).toBe(1);
    expect(stderr).toContain(says);
  });

  test("to take a Deployment over", async () => {
    const { code, stderr } = await make("rollouts-alone", {
      ...aRollout(),
      spec: { workloadRef: { kind: "Deployment", name: "web" } },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/needs the right to (create deployments|patch deployment web)/);
  });
});
