import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import type { FeatureFlagSpec } from "../../src/api/feature-flag.ts";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCrds, startOperator } from "../cluster/playground.ts";
import { yamlIn } from "../docs/yaml-of.ts";

/*
 * docs/how-to/flag-with-a-release.md on a real API server: the page's own flag beside a Rollout of kwok's pods, with short times.
 * Each test goes on where the one before ended.
 */

const PAGE = yamlIn("docs/how-to/flag-with-a-release.md").flatMap((yaml) =>
  parseAllDocuments(yaml).map((document) => document.toJS() as KubeObject),
);
const FLAG = PAGE.find(({ kind }) => kind === "FeatureFlag") as KubeObject & { readonly spec: FeatureFlagSpec };

let cluster: Cluster;

const rollout = (tag: string) => ({
  apiVersion: "zenith.sh/v1alpha1",
  kind: "Rollout",
  metadata: { name: "web", namespace: "default" },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: `web:${tag}` }] } },
    strategy: {
      canary: { steps: [{ weight: 50 }, { pause: {} }], settle: "0s", drain: "0s", scaleDownDelay: "0s" },
    },
    analysis: { disabled: true },
    bake: "1h",
  },
});

/** The page's flag, whose hours are seconds; what harms users is played elsewhere. */
function quickly(): object {
  const { canary } = FLAG.spec.strategy ?? {};
  const steps = canary?.steps?.map((step) => (step.pause === undefined ? step : { pause: { for: "2s" } }));
  return {
    ...FLAG,
    metadata: { ...FLAG.metadata, namespace: "default" },
    spec: { ...FLAG.spec, strategy: { canary: { ...canary, steps, analysis: { disabled: true } } } },
  };
}

beforeAll(async () => {
  cluster = await startCluster();
  await applyCrds(cluster);
  await startOperator(cluster);
  await cluster.apply(rollout("v1"));
  await until("zr", "web", "Healthy");
}, 1_200_000);

afterAll(async () => await cluster?.stop());

interface Told {
  readonly phase?: string;
  readonly message?: string;
  readonly display?: { readonly serves?: string };
  readonly wanted?: { readonly revision: string };
  readonly conditions?: readonly { readonly type: string; readonly reason: string }[];
}

async function read(kind: string, name: string): Promise<Told> {
  const { stdout } = await cluster.kubectl(["get", kind, name, "-o", "json"]);
  return (JSON.parse(stdout) as { status?: Told }).status ?? {};
}

async function until(kind: string, name: string, phase: string, reason?: string): Promise<Told> {
  for (const endMs = performance.now() + 60_000; ; ) {
    const told = await read(kind, name);
    const why = told.conditions?.find(({ type }) => type === "Ready")?.reason;
    if (told.phase === phase && (reason === undefined || why === reason)) return told;
    if (performance.now() > endMs) throw new Error(`In vain for ${phase} ${reason ?? ""}: ${JSON.stringify(told)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

let nonce = 0;
async function request(verb: string): Promise<void> {
  const { wanted } = await read("zr", "web");
  const annotation = `zenith.sh/request=${verb}@${wanted?.revision}#${++nonce}`;
  await cluster.kubectl(["annotate", "--overwrite", "zr", "web", annotation]);
}

describe("a flag that goes with a release", () => {
  test("treats nobody while the version is on its way", async () => {
    await cluster.apply(rollout("v2"));
    await until("zr", "web", "Paused");
    await cluster.apply(quickly());
    const { message } = await until("zff", FLAG.metadata.name, "Progressing", "RolloutNotHealthy");
    expect(message).toContain('Rollout "web"');
  });

  test("begins once it is promoted, and reaches everyone", async () => {
    await request("promote");
    await until("zr", "web", "Baking");
    await until("zff", FLAG.metadata.name, "Healthy");
  });

  test("goes back with it", async () => {
    await request("rollback");
    await until("zr", "web", "Reverted");
    const { message } = await until("zff", FLAG.metadata.name, "Reverted", "RolloutReverted");
    expect(message).toBe('"off" is served: Rollout "web" was reverted: rolled back by request');
  });
});
