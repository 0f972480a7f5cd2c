import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Cluster, KINDS } from "../../src/cli/cluster/cluster.ts";
import { Watch } from "../../src/cli/cluster/watch.ts";
import { answering, json, kubeConfigOf, refusal, saysNothing, startScriptedServer } from "../kube/scripted-server.ts";
import { runOffline } from "./terminal.ts";

test("Watch ends in a sentence where its person may not watch, instead of waiting for ever", async () => {
  const server = await startScriptedServer();
  const stop = new AbortController();
  try {
    server.play(refusal(403, "Forbidden"));
    const watch = new Watch({ client: server.client() } as Cluster, stop.signal, () => undefined);
    watch.store(KINDS.rollouts, { namespace: "shop" });
    await expect(watch.next(20_000)).rejects.toMatchObject({
      message: "Forbidden!",
      hint: "ask for the right to watch",
    });
  } finally {
    stop.abort();
    await server.stop();
  }
});

test("Watch waits no longer than it may for a server that went away after the first look", async () => {
  const server = await startScriptedServer();
  const stop = new AbortController();
  try {
    server.play(saysNothing);
    const watch = new Watch({ client: server.client() } as Cluster, stop.signal, () => undefined);
    watch.store(KINDS.rollouts, { namespace: "shop" });
    expect(await watch.next(100)).toBe(true);
    expect(watch.hasSynced()).toBe(false);
  } finally {
    stop.abort();
    await server.stop();
  }
});

test("status of a release that nobody has seen yet is never the one before, where the watch has nothing to say", async () => {
  const server = await startScriptedServer();
  const folder = mkdtempSync(join(tmpdir(), "zenith-status-"));
  try {
    const web = (generation: number) => ({ name: "web", namespace: "shop", generation, resourceVersion: "7" });
    const rollout = {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "Rollout",
      metadata: web(1),
      spec: { workloadRef: { kind: "Deployment", name: "web" } },
      status: {
        observedGeneration: 1,
        phase: "Healthy",
        workload: { observedGeneration: 1 },
        wanted: { revision: "one" },
        stable: { revision: "one" },
        conditions: [{ type: "Promoted", status: "True" }],
      },
    };
    const base = "/apis/zenith.sh/v1alpha1/namespaces/shop/rollouts";
    const once = answering({
      [`GET ${base}/web`]: json(200, rollout),
      "GET /apis/coordination.k8s.io/v1/leases": json(200, { metadata: { resourceVersion: "7" }, items: [] }),
      "GET /apis/apps/v1/namespaces/shop/deployments": json(200, {
        metadata: { resourceVersion: "7" },
        items: [{ metadata: web(2), spec: {} }],
      }),
    });
    server.play((response, seen) => (seen.query.has("watch") ? saysNothing : once)(response, seen));
    const config = join(folder, "kubeconfig");
    writeFileSync(config, kubeConfigOf(server.url).exportConfig());
    const asked = ["status", "web", "-n", "shop", "--timeout", "0s", "--kubeconfig", config];
    const { code, out } = await runOffline(asked);
    expect({ code, out }).toEqual({ code: 3, out: expect.stringContaining("has seen the latest change") });
  } finally {
    rmSync(folder, { recursive: true });
    await server.stop();
  }
});
