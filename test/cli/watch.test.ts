import { describe, expect, test } from "vitest";
import { type Cluster, KINDS } from "../../src/cli/cluster/cluster.ts";
import { Watch } from "../../src/cli/cluster/watch.ts";
import {
  type Answer,
  answering,
  json,
  refusal,
  saysNothing,
  startScriptedServer,
  stream,
} from "../kube/scripted-server.ts";
import { listOf, PATHS, runScripted } from "./scripted.ts";

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

describe("status of a release that nobody has seen yet is never the one before", () => {
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
  const deployment = { apiVersion: "apps/v1", kind: "Deployment", metadata: web(2), spec: {} };
  const annotations = { "k8s.io/initial-events-end": "true" };
  const tellsRollout = stream(
    [
      { type: "ADDED", object: rollout },
      { type: "BOOKMARK", object: { ...rollout, metadata: { resourceVersion: "7", annotations } } },
    ].map((event) => `${JSON.stringify(event)}\n`),
  );
  const status = async (timeout: string, watch: Answer, list: Answer, one: Answer) => {
    const once = answering({
      [`GET ${PATHS.rollout}`]: json(200, rollout),
      [`GET ${PATHS.leases}`]: json(200, listOf()),
      [`GET ${PATHS.deployments}`]: list,
      [`GET ${PATHS.deployment}`]: one,
    });
    return await runScripted(
      (response, seen) => (seen.query.has("watch") ? watch : once)(response, seen),
      ["status", "web", "--timeout", timeout],
    );
  };
  const forbidden = refusal(403, "Forbidden");
  const tellsNoDeployments: Answer = (response, seen) =>
    (seen.path === PATHS.deployments ? forbidden : tellsRollout)(response, seen);

  test.each([
    ["where the watch has nothing to say", "0s", saysNothing, json(200, listOf(deployment)), forbidden],
    ["where Deployments may not be listed", "0s", saysNothing, forbidden, json(200, deployment)],
    ["where they may not be listed, once the watch is full", "1s", tellsRollout, forbidden, json(200, deployment)],
    ["where they may be listed and not watched", "1s", tellsNoDeployments, json(200, listOf(deployment)), forbidden],
  ])("%s", async (_, timeout, watch, list, one) => {
    const { code, out } = await status(timeout, watch, list, one);
    expect({ code, out }).toEqual({ code: 3, out: expect.stringContaining("has seen the latest change") });
  });

  test("or it says that it cannot know", async () => {
    const { code, err } = await status("0s", saysNothing, forbidden, forbidden);
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Deployment "web" cannot be read') });
  });
});
