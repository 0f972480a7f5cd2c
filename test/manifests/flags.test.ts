import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseFlagsConfig } from "../../src/flags-config.ts";

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly object[];
  // biome-ignore lint/suspicious/noExplicitAny: an object as YAML gives it; each test names the path that it reads
  readonly spec?: any;
}

const manifests = parseAllDocuments(readFileSync("manifests/flags/flags.yaml", "utf8")).map(
  (document) => document.toJS() as Manifest,
);
const only = (kind: string): Manifest => {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found).toHaveLength(1);
  return found[0] as Manifest;
};

describe("manifests/flags", () => {
  const { template, selector, strategy, replicas } = only("Deployment").spec;
  const container = template.spec.containers[0];
  const port = (name: string) => container.ports.find((p: { name: string }) => p.name === name).containerPort;

  test("grant what is read, and no write at all", () => {
    expect(only("ClusterRole").rules).toEqual([
      {
        apiGroups: ["zenith.sh"],
        resources: ["featureflags", "flagsegments", "killswitches"],
        verbs: ["list", "watch"],
      },
      { nonResourceURLs: ["/.well-known/openid-configuration", "/openid/v1/jwks"], verbs: ["get"] },
    ]);
    expect(template.spec.serviceAccountName).toBe(only("ServiceAccount").metadata.name);
  });

  test("run restricted, with a place to write in that is no part of the root", () => {
    expect(template.spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(template.spec.volumes).toEqual([{ name: "snapshot", emptyDir: { sizeLimit: "256Mi" } }]);
  });

  test("start with settings that the flag server accepts, on the ports that are probed and served", () => {
    const environment = Object.fromEntries(
      container.env.map(({ name, value = "" }: { name: string; value?: string }) => [name, value]),
    );
    const config = parseFlagsConfig(container.command.slice(container.command.indexOf("flags") + 1), environment);
    expect(config["snapshot-dir"]).toBe(container.volumeMounts[0].mountPath);
    expect(config.anonymous).toBe("off");
    for (const name of ["ofrep", "evaluation", "sync", "management"] as const)
      expect(config[`${name}-bind-address`]).toBe(`:${port(name)}`);
    expect(container.readinessProbe.httpGet).toEqual({ path: "/readyz", port: "management" });
    expect(only("Service").spec.ports.map((p: { name: string; port: number }) => [p.name, p.port])).toEqual(
      ["ofrep", "evaluation", "sync", "management"].map((name) => [name, port(name)]),
    );
  });

  test("never have fewer servers than before while they are replaced, and are found by their Service", () => {
    expect([replicas, strategy.rollingUpdate.maxUnavailable]).toEqual([2, 0]);
    for (const { spec } of [only("Service"), only("PodDisruptionBudget")])
      expect(template.metadata.labels).toMatchObject(spec.selector.matchLabels ?? spec.selector);
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
  });

  test("leave more time to go than going takes", () => {
    const { "drain-seconds": drainSeconds } = parseFlagsConfig([], {});
    expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds * 2);
  });
});
