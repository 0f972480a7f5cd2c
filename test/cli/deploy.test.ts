import { describe, expect, test } from "vitest";
import type { RolloutStatus } from "../../src/api/rollout.ts";
import { answering, json, saysNothing } from "../kube/scripted-server.ts";
import { listOf, PATHS, runScripted } from "./scripted.ts";

const metadata = { name: "web", namespace: "shop", generation: 2, resourceVersion: "7" };

/** A Rollout of which the operator has seen all, and that wants v3. */
function rollout(status: RolloutStatus): unknown {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata,
    spec: { workloadRef: { kind: "Deployment", name: "web" } },
    status: {
      observedGeneration: 2,
      workload: { observedGeneration: 2 },
      wanted: { revision: "three", images: ["shop/web:v3"] },
      stable: { revision: "two", images: ["shop/web:v2"], replicas: 1, ready: 1 },
      ...status,
    },
  };
}

const deployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata,
  spec: { template: { spec: { containers: [{ name: "web", image: "shop/web:v3" }] } } },
};

describe("deploy of what the spec says already", () => {
  const rejected = { revision: "three", reason: "AnalysisFailed", message: "error-rate 7 %", at: "" };
  const again = async (status: RolloutStatus, ...more: string[]) => {
    const once = answering({
      [`GET ${PATHS.rollout}`]: json(200, rollout(status)),
      [`GET ${PATHS.leases}`]: json(200, listOf()),
      [`GET ${PATHS.deployments}`]: json(200, listOf(deployment)),
      [`GET ${PATHS.deployment}`]: json(200, deployment),
    });
    const answer = (...[response, seen]: Parameters<typeof once>) =>
      (seen.query.has("watch") ? saysNothing : once)(response, seen);
    return await runScripted(answer, ["deploy", "web", "--image", "shop/web:v3", ...more]);
  };

  test.each([
    ["is on its way: the time is up", { phase: "Progressing" }, 3],
    ["was rejected: reverted", { phase: "Reverted", rejected }, 2],
    ["waits for a person", { phase: "Paused" }, 4],
  ])("waits with --wait all the same, as a job that is run again would. It %s", async (_, status, code) => {
    const ran = await again(status, "--wait", "--timeout", "0s");
    expect(ran).toMatchObject({ code, out: expect.stringContaining("it says so already; nothing was changed") });
    expect(ran.seen.filter(({ method }) => method !== "GET")).toEqual([]);
  });

  test("ends with 0 without --wait", async () => {
    expect(await again({ phase: "Reverted", rejected })).toMatchObject({ code: 0 });
  });
});
