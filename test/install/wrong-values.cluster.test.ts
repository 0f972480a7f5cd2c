import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { CHART, helm } from "../cluster/helm.ts";

/** A wrong value stops the install before anything is made, and says which it is and what is accepted. */
const WRONG: Readonly<Record<string, readonly [set: string, ...says: string[]]>> = {
  "a number in words": ["operator.replicas=two", "/operator/replicas", "want integer"],
  "a key that does not exist": ["replicas=3", "'replicas' not allowed"],
  "a namespace's name": ["namespaces={Shop_1}", "/namespaces/0", "'Shop_1' does not match"],
  "an address": [
    "prometheus.url=ftp://prometheus",
    "/prometheus/url",
    "'ftp://prometheus' does not match",
    "https?://",
  ],
  "a password in an address": ["prometheus.url=http://me:secret@prometheus", "/prometheus/url", "https?://[^@"],
  "one of a few words": ["operator.logLevel=verbose", "/operator/logLevel", "'debug', 'info', 'warn', 'error'"],
  "out of range": ["operator.maxConcurrentReconciles=0", "/operator/maxConcurrentReconciles", "got 0, want 1"],
  "a digest that is cut": ["image.digest=sha256:12ab", "/image/digest", "[0-9a-f]{64}"],
  "a credential without its Secret": [
    "prometheus.secret.caKey=ca.crt",
    "prometheus.secret.caKey is of no use without prometheus.secret.name",
  ],
  "a label that selects our pods": [
    "commonLabels.app\\.kubernetes\\.io/name=mine",
    "commonLabels must not have app.kubernetes.io/name",
  ],
  "a pod's label that says what it is": [
    "flags.podLabels.app\\.kubernetes\\.io/component=mine",
    "flags.podLabels must not have app.kubernetes.io/component",
  ],
  "a part that is taken away": ["operator=null", "at '': missing property 'operator'"],
  "a part of a part": ["flags.podDisruptionBudget=null", "at '/flags': missing property 'podDisruptionBudget'"],
  "an account that nobody makes": [
    "operator.serviceAccount.create=false",
    "operator.serviceAccount.name must name an existing account",
  ],
};

describe("helm refuses, and says why:", () => {
  test.each(Object.entries(WRONG))("%s", async (_, [set, ...says]) => {
    const { code, stdout, stderr } = await helm(["template", "zenith", CHART, "--set", set]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    for (const words of says) expect(stderr).toContain(words);
    expect(stderr.length).toBeLessThan(500);
  });

  test("nothing where nothing is wrong", async () => {
    expect(await helm(["lint", "--strict", CHART])).toMatchObject({ code: 0 });
    const most = [
      ...["namespaces={a,b}", "operator.replicas=3", "image.digest=sha256:".padEnd(84, "0"), "commonLabels.team=x"],
      ...["prometheus.url=https://prometheus", "prometheus.secret.name=s", "prometheus.secret.caKey=ca"],
      ...["prometheus.secret.certKey=crt", "prometheus.secret.keyKey=key", "prometheus.secret.bearerTokenKey=t"],
      ...[
        "metrics.serviceMonitor.enabled=true",
        "metrics.prometheusRule.enabled=true",
        "metrics.dashboards.enabled=true",
      ],
      ...["operator.serviceAccount.annotations.a=b", "operator.podAnnotations.a=b", "imagePullSecrets={s}"],
    ];
    const { code, stdout } = await helm(["lint", "--strict", CHART, ...most.flatMap((set) => ["--set", set])]);
    expect({ code, stdout: code === 0 ? "" : stdout }).toEqual({ code: 0, stdout: "" });
  });
});

describe("what is given stands above what the chart says itself:", () => {
  const templated = async (...sets: string[]): Promise<string> => {
    const { code, stdout, stderr } = await helm([
      "template",
      "zenith",
      CHART,
      ...sets.flatMap((set) => ["--set", set]),
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };

  test("a variable, which a server-side apply would refuse twice", async () => {
    const text = await templated(
      ...["operator", "flags"].map((workload) => `${workload}.extraEnv[0].name=NODE_OPTIONS`),
      ...["operator", "flags"].map((workload) => `${workload}.extraEnv[0].value=--use-openssl-ca`),
      ...["flags.extraEnv[1].name=ZENITH_SNAPSHOT_DIR", "flags.extraEnv[1].value=/tmp"],
    );
    expect(text.split("name: NODE_OPTIONS\n")).toHaveLength(3);
    expect(text.split("name: ZENITH_SNAPSHOT_DIR\n")).toHaveLength(2);
    expect(text).toContain("value: --use-openssl-ca");
  });

  test("a label of pods, of two that every object has", async () => {
    const text = await templated("commonLabels.team=all", "operator.podLabels.team=ours");
    for (const document of parseAllDocuments(text)) expect(document.errors).toEqual([]);
    expect(text).toContain("team: ours");
  });
});

test("the operator may reach the pods of a Prometheus whose Service has another port", async () => {
  const { stdout } = await helm(["template", "zenith", CHART, "--set", "prometheus.url=http://prometheus-server"]);
  expect(stdout).toMatch(/- ports: # Prometheus: [^\n]*\n +- port: 80\n +- port: 9090\n/);
});
