import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { ensureBinaries } from "../cluster/binaries.ts";
import { run } from "../cluster/cluster.ts";
import { CHART, helm } from "../cluster/helm.ts";

/** `manifests/` and the chart are one install, said twice: what they make of a cluster is the same, object by object. */

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds, of which some paths are normalised
  spec?: any;
}

const PROMETHEUS = "http://prometheus.monitoring:9090";

async function fromChart(): Promise<Manifest[]> {
  const args = [
    "template",
    "zenith",
    CHART,
    "-n",
    "zenith-system",
    "--set",
    `prometheus.url=${PROMETHEUS}`,
    "--no-hooks",
  ];
  const { code, stdout, stderr } = await helm(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return objectsOf(stdout);
}

async function fromKustomize(): Promise<Manifest[]> {
  const { kubectl } = await ensureBinaries();
  const { code, stdout, stderr } = await run(kubectl, ["kustomize", "manifests"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return objectsOf(stdout);
}

function objectsOf(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** Without what only one of both can say: Helm's own labels, that definitions are kept, and Prometheus, which kustomize leaves
 * to an empty variable. */
function normalised(manifest: Manifest): Manifest {
  const { metadata, spec } = structuredClone(manifest);
  for (const label of ["helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"])
    delete metadata.labels?.[label];
  if (manifest.kind === "CustomResourceDefinition") {
    delete metadata.labels;
    delete metadata.annotations;
  }
  const [container] = manifest.kind === "Deployment" ? spec.template.spec.containers : [];
  if (container !== undefined) {
    container.args = container.args.filter((arg: string) => arg !== `--prometheus-url=${PROMETHEUS}`);
    container.env = container.env.filter(({ name }: { name: string }) => name !== "ZENITH_PROMETHEUS_URL");
  }
  return { ...manifest, metadata, ...(spec === undefined ? {} : { spec }) };
}

function byName(manifests: readonly Manifest[]): Record<string, Manifest> {
  const keyed = manifests.map((m) => [`${m.kind} ${m.metadata.name}`, normalised(m)] as const);
  expect(new Set(keyed.map(([key]) => key)).size).toBe(manifests.length);
  return Object.fromEntries(keyed);
}

describe("manifests/ and the chart", () => {
  test("make the same objects", async () => {
    const [chart, kustomize] = await Promise.all([fromChart(), fromKustomize()]);
    const { "NetworkPolicy zenith-hooks": hooks, ...ours } = byName(chart); // Kustomize has no hooks to let out.
    const { "Namespace zenith-system": namespace, ...twins } = byName(kustomize); // Helm makes it by --create-namespace.
    expect([hooks, namespace].every((object) => object !== undefined)).toBe(true);
    expect(Object.keys(ours).sort()).toEqual(Object.keys(twins).sort());
    expect(Object.keys(ours).length).toBeGreaterThan(12);
    for (const [key, object] of Object.entries(ours)) expect(object, key).toEqual(twins[key]);
  });
});
