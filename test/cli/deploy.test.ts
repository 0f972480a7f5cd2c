import { describe, expect, test } from "vitest";
import type { RolloutStatus } from "../../src/api/rollout.ts";
import { type Answer, answering, json, refusal, saysNothing } from "../kube/scripted-server.ts";
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

/** Answers what was read once; a watch has nothing to say. */
function unwatched(once: Answer): Answer {
  return (response, seen) => (seen.query.has("watch") ? saysNothing : once)(response, seen);
}

describe("deploy of what the spec says already", () => {
  const rejected = { revision: "three", reason: "AnalysisFailed", message: "error-rate 7 %", at: "" };
  const again = async (status: RolloutStatus, ...more: string[]) => {
    const once = answering({
      [`GET ${PATHS.rollout}`]: json(200, rollout(status)),
      [`GET ${PATHS.leases}`]: json(200, listOf()),
      [`GET ${PATHS.deployments}`]: json(200, listOf(deployment)),
      [`GET ${PATHS.deployment}`]: json(200, deployment),
    });
    return await runScripted(unwatched(once), ["deploy", "web", "--image", "shop/web:v3", ...more]);
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

describe("deploy --strategy, while the operator writes status", () => {
  const VERSIONS = ["7", "8", "9", "10", "11", "12"];
  const faster = async (patches: readonly Answer[]) => {
    const reads = VERSIONS.map((resourceVersion) => {
      const now = rollout({ phase: "Progressing" }) as { metadata: object };
      return json(200, { ...now, metadata: { ...now.metadata, resourceVersion } });
    });
    const once = answering({
      [`GET ${PATHS.rollout}`]: reads,
      [`PATCH ${PATHS.rollout}`]: patches,
      [`GET ${PATHS.leases}`]: json(200, listOf()),
      [`GET ${PATHS.deployments}`]: json(200, listOf(deployment)),
    });
    const ran = await runScripted(unwatched(once), ["deploy", "web", "--strategy", "fast"]);
    const sent = ran.seen.filter(({ method }) => method === "PATCH").map(({ body }) => JSON.parse(body));
    return { ...ran, sent };
  };

  test("is written over what stands by then", async () => {
    const { code, sent } = await faster([refusal(409, "Conflict"), json(200, rollout({ phase: "Progressing" }))]);
    const asked = (resourceVersion: string) => ({
      metadata: { resourceVersion },
      spec: { strategy: { canary: { preset: "fast" } } },
    });
    expect({ code, sent }).toEqual({ code: 0, sent: [asked("7"), asked("8")] });
  });

  test("ends after five tries", async () => {
    const { code, err, sent } = await faster([refusal(409, "Conflict")]);
    expect({ code, tries: sent.length }).toEqual({ code: 1, tries: 5 });
    expect(err).toContain("someone changed it at the same moment; try again");
  });
});
