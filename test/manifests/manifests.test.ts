import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseConfig } from "../../src/config.ts";
import { parseFlagsConfig } from "../../src/flags-config.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly rules?: readonly Rule[];
  // biome-ignore lint/suspicious/noExplicitAny: a Deployment as YAML gives it; each test names the path that it reads
  readonly spec?: any;
}

/** What `kubectl apply -k` reads: the files that each kustomization lists. */
function filesOf(folder: string): string[] {
  const { resources } = parse(readFileSync(`${folder}/kustomization.yaml`, "utf8")) as { resources: string[] };
  return resources.flatMap((name) => {
    const path = posix.join(folder, name);
    return path.endsWith(".yaml") ? [path] : filesOf(path);
  });
}

const manifests = filesOf("manifests").flatMap((path) =>
  parseAllDocuments(readFileSync(path, "utf8")).map((document) => document.toJS() as Manifest),
);

/** The one of a kind; that of the operator where others have one too. */
function only(kind: string): Manifest {
  const all = manifests.filter((manifest) => manifest.kind === kind);
  const found = all.length === 1 ? all : all.filter(({ metadata }) => metadata.name.startsWith("zenith-operator"));
  expect(found).toHaveLength(1);
  return found[0] as Manifest;
}

/** A rule for each resource: `apps/replicasets: get list`. */
function rightsOf(kind: string): Record<string, string> {
  const rules = only(kind).rules ?? [];
  const rights = rules.flatMap(({ apiGroups, resources, verbs, resourceNames }) =>
    apiGroups.flatMap((group) =>
      resources.map((resource) => {
        const names = resourceNames === undefined ? "" : `=${resourceNames.join()}`;
        return [`${group}/${resource}${names}`, verbs.join(" ")];
      }),
    ),
  );
  return Object.fromEntries(rights);
}

describe("the manifests", () => {
  test("install every CRD", () => {
    const crds = manifests
      .filter(({ kind }) => kind === "CustomResourceDefinition")
      .map(({ metadata }) => metadata.name);
    expect(crds).toEqual([
      "featureflags.zenith.sh",
      "flagsegments.zenith.sh",
      "killswitches.zenith.sh",
      "rollouts.zenith.sh",
    ]);
  });

  test("grant exactly what the operator needs", () => {
    expect(rightsOf("ClusterRole")).toEqual({
      "zenith.sh/rollouts": "get list watch patch",
      "zenith.sh/rollouts/status": "patch",
      "zenith.sh/featureflags": "list watch",
      "zenith.sh/flagsegments": "list watch",
      "zenith.sh/killswitches": "list watch",
      "zenith.sh/featureflags/status": "patch",
      "zenith.sh/flagsegments/status": "patch",
      "zenith.sh/killswitches/status": "patch",
      "zenith.sh/rollouts/finalizers": "update",
      "apps/replicasets": "get list watch create patch delete",
      "apps/controllerrevisions": "get list watch create patch delete",
      "apps/deployments": "get list watch patch",
      "/pods": "list watch",
      "/services": "get list watch create patch",
      "discovery.k8s.io/endpointslices": "list watch",
      "gateway.networking.k8s.io/httproutes": "get list watch patch",
      "gateway.networking.k8s.io/grpcroutes": "get list watch patch",
      "autoscaling/horizontalpodautoscalers": "list watch",
      "events.k8s.io/events": "create patch",
    });
    expect(rightsOf("Role")).toEqual({
      "coordination.k8s.io/leases": "create",
      "coordination.k8s.io/leases=zenith-operator": "get patch",
    });
  });

  test("grant no wildcard and no secret, whatever they grant", () => {
    const rules = manifests.flatMap((manifest) => manifest.rules ?? []);
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
    expect(words.filter((word) => word.includes("*"))).toEqual([]);
    expect(words.filter((word) => /secret|configmap|exec|impersonate|escalate|bind/.test(word))).toEqual([]);
  });

  test("bind the ServiceAccount that the pods run as", () => {
    const account = only("ServiceAccount").metadata.name;
    expect(only("Deployment").spec.template.spec.serviceAccountName).toBe(account);
    for (const kind of ["ClusterRoleBinding", "RoleBinding"]) {
      const binding = only(kind) as unknown as { subjects: object[]; roleRef: { kind: string; name: string } };
      expect(binding.subjects).toEqual([{ kind: "ServiceAccount", name: account, namespace: "zenith-system" }]);
      expect(binding.roleRef.name).toBe(only(binding.roleRef.kind).metadata.name);
    }
  });
});

describe("the operator's pods", () => {
  const { template, selector } = only("Deployment").spec;
  const container = template.spec.containers[0];

  test("are restricted", () => {
    expect(only("Namespace").metadata.labels?.["pod-security.kubernetes.io/enforce"]).toBe("restricted");
    expect(template.spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(template.spec.containers).toHaveLength(1);
    expect(template.spec).not.toHaveProperty("volumes");
    expect(template.spec).not.toHaveProperty("hostNetwork");
  });

  test("are selected, probed, and bounded in memory", () => {
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
    expect(container.livenessProbe.httpGet.path).toBe("/healthz");
    expect(container.readinessProbe.httpGet.path).toBe("/readyz");
    expect(container.resources).toMatchObject({ requests: { cpu: "100m" }, limits: { memory: "512Mi" } });
  });

  test("start with settings that the operator accepts, on the ports that are probed", () => {
    const role = container.command.indexOf("operator");
    const environment = Object.fromEntries(
      container.env.map((v: { name: string; value?: string; valueFrom?: object }) => [
        v.name,
        v.value ?? (v.valueFrom === undefined ? "" : "zenith-system"),
      ]),
    );
    const config = parseConfig([...container.command.slice(role + 1), ...container.args], environment);
    const port = (name: string) => container.ports.find((p: { name: string }) => p.name === name).containerPort;
    expect(config.healthProbeBindAddress).toBe(`:${port("health")}`);
    expect(config.metricsBindAddress).toBe(`:${port("metrics")}`);
    expect(Object.keys(environment).filter((name) => !name.startsWith("ZENITH_"))).toEqual(["NODE_OPTIONS"]);
  });
});

test("the flag servers' pods start with settings that they accept, and are probed where those are served", () => {
  const flags = manifests.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === "zenith-flags");
  const [container] = flags?.spec.template.spec.containers ?? [];
  const environment = Object.fromEntries(
    container.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
  );
  const role = container.command.indexOf("flags");
  const config = parseFlagsConfig([...container.command.slice(role + 1), ...container.args], environment);
  expect(config).toMatchObject({ anonymous: "off", "snapshot-dir": "/var/lib/zenith" });
  const port = (name: string) => container.ports.find((p: { name: string }) => p.name === name).containerPort;
  expect(config["management-bind-address"]).toBe(`:${port("management")}`);
  expect(config["ofrep-bind-address"]).toBe(`:${port("ofrep")}`);
  expect(config["evaluation-bind-address"]).toBe(`:${port("evaluation")}`);
  expect(config["sync-bind-address"]).toBe(`:${port("sync")}`);
  expect(container.readinessProbe.httpGet).toEqual({ path: "/readyz", port: "management" });
});
