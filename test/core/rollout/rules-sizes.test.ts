import { describe, expect, test } from "vitest";
import type { EndpointSlice, HorizontalPodAutoscaler } from "../../../src/api/kubernetes.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, type Play, underWay } from "./play.ts";

describe("rule 4: with routes stable stays at full size", () => {
  test("until the hand-over is done", () => {
    const play = underWay(25);
    play.run((now) => {
      if (now.status.progress?.stage !== "Resting") expect(now.sizes.v1).toBe(4);
      return now.phase === "Baking";
    });
    expectSound(play);
  });

  test("a canary that loses its pods gives its traffic back, and gets it again once it is ready", () => {
    const play = underWay(25);
    play.ready("v2", 0);
    play.forget().run(({ weights }) => weights["web-canary"] === 0);
    expect(play.story.at(-1)).toMatch(/^00:03 give the canary 0 %/);
    expect([play.phase, play.reason]).toEqual(["Progressing", "CanaryLost"]);
    play.forMs(120_000);
    play.ready("v2");
    play.until("Healthy");
    expect(play.failures).toEqual([]);
    expect(play.wrongs).toEqual([]);
  });

  test("ready pods that the canary Service does not lead to are as good as none", () => {
    const play = underWay(25);
    play.manners.slices = "stand";
    play.objects.change<EndpointSlice>("EndpointSlice", "web-canary", (slice) => ({ ...slice, endpoints: [] }));
    play.forget().run(({ weights }) => weights["web-canary"] === 0);
    expect(play.story.at(-1)).toMatch(/^00:03 give the canary 0 %/);
    expect([play.phase, play.reason]).toEqual(["Progressing", "CanaryLost"]);
    play.manners.slices = "follow";
    play.until("Healthy");
    expect(play.wrongs).toEqual([]);
  });

  test("and is rejected if it is not ready in time", () => {
    const play = underWay(25);
    play.ready("v2", 0);
    play.until("Reverted", "ProgressDeadlineExceeded").settles();
    expect(play.traffic).toEqual({ v1: 1 });
    expect(play.sizes).toEqual({ v1: 4 });
  });

  test("in the bake a revision without ready pods is rolled back", () => {
    const play = underWay(25);
    play.until("Baking").run(({ sizes }) => sizes.v1 === undefined);
    play.ready("v2", 0);
    play.forget().until("Reverted", "StableLost").settles();
    expect(play.traffic).toEqual({ v1: 1 });
  });
});

describe("rule 4: without routes the share of replicas is the share of traffic", () => {
  const scene = { routes: false };

  test("a release reads as a story", () => {
    const play = atRest(scene);
    play.deploy("v2");
    play.until("Healthy").settles();
    expect(play.story).toEqual([
      "00:00 → Progressing WaitingForMetrics",
      "00:00 record revision v2 | make 1 pod of revision v2 | scale revision v1 from 4 to 3 | → Progressing CanaryNotReady",
      "00:00 → Progressing Stepping",
      "00:00 → Progressing Pausing",
      "02:00 scale revision v2 from 1 to 2 | scale revision v1 from 3 to 2 | → Progressing CanaryNotReady",
      "02:00 → Progressing Stepping",
      "02:00 → Progressing Pausing",
      "04:00 scale revision v2 from 2 to 3 | scale revision v1 from 2 to 1 | → Progressing CanaryNotReady",
      "04:00 scale revision v2 from 3 to 4 | scale revision v1 from 1 to 0",
      "04:00 → Progressing Stepping",
      "04:00 → Progressing TooFewRequests",
      "04:15 mark revision v2 as promoted | remove the empty ReplicaSet of revision v1 | → Baking Baking",
      "09:15 → Healthy Healthy",
    ]);
    servesAlone(play, "v2");
  });

  test("on a breach stable grows, the Service is pinned to it, the canary goes, and the pin is widened", () => {
    const play = atRest(scene);
    play.deploy("v2");
    play.run(({ sizes, reason }) => sizes.v2 === 2 && reason === "Pausing");
    play.requests.bad.add("v2");
    play.forget().until("Reverted").settles();
    expect(play.story).toEqual([
      "00:59 scale revision v1 from 2 to 4 | → Reverted AnalysisFailed",
      "00:59 let the Service select revision v1 | mark revision v2 as rejected",
      "01:09 scale revision v2 from 2 to 0",
      "01:09 let the Service select this Rollout's pods | remove the empty ReplicaSet of revision v2",
    ]);
    servesAlone(play, "v1");
    expect(play.selects()).toBe("all");
  });

  test("on a breach without room for stable the canary makes room, pod by pod", () => {
    const play = atRest({
      ...scene,
      spec: { strategy: { canary: { steps: [{ weight: 75 }, { pause: { for: "1h" } }] } } },
    });
    play.deploy("v2");
    play.run(({ sizes, reason }) => sizes.v2 === 3 && reason === "Pausing");
    play.ready("v1", 1); // A quota of four pods.
    play.requests.bad.add("v2");
    play.until("Reverted").forMs(50_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 3 });
    play.forMs(20_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 2 });
    play.ready("v1", 2);
    play.run(({ sizes }) => sizes.v2 === undefined);
    expect(play.traffic).toEqual({ v1: 1 });
    expect(play.wrongs).toEqual([]);
  });

  const holds: Record<string, (play: Play) => void> = {
    "a person's pause": (play) => play.request("pause"),
    "a KillSwitch": (play) => {
      play.kill = { name: "stop", reason: "incident", aborts: false };
    },
    "an outage of Prometheus": (play) => {
      play.prometheus = "unreachable";
    },
  };

  test.each(Object.keys(holds))("%s holds a growth half way for as long as it lasts, past every deadline", (name) => {
    const steps = [{ weight: 10 }, { weight: 90 }];
    const play = atRest({ routes: false, spec: { replicas: 10, strategy: { canary: { steps } } } });
    play.deploy("v2");
    play.run(({ sizes }) => (sizes.v2 ?? 0) >= 3);
    play.ready("v2", 3); // What was asked for may still come.
    holds[name]?.(play);
    play.forMs(60_000);
    const { v2 = 0 } = play.sizes;
    expect(v2).toBeLessThan(9);
    play.ready("v2");
    play.forMs(3_600_000);
    expect([play.sizes.v2, play.status.progress?.stage, play.status.rejected]).toEqual([v2, "Stepping", undefined]);
    play.request("resume");
    play.kill = undefined;
    play.prometheus = "answers";
    play.until("Healthy").settles();
    servesAlone(play, "v2", 10);
  });

  test("pods that a hold did not keep away are waited for until the deadline", () => {
    const steps = [{ weight: 10 }, { weight: 90 }];
    const play = atRest({ routes: false, spec: { replicas: 10, strategy: { canary: { steps } } } });
    play.deploy("v2");
    play.run(({ sizes }) => (sizes.v2 ?? 0) >= 3);
    play.ready("v2", 1);
    play.request("pause");
    play.until("Reverted", "ProgressDeadlineExceeded").settles();
    expect(play.traffic).toEqual({ v1: 1 });
  });

  test("without a Service likewise, by sizes", () => {
    const play = atRest({ routes: false, spec: { traffic: undefined } });
    play.deploy("v2");
    play.run(({ sizes, reason }) => sizes.v2 === 2 && reason === "Pausing");
    play.request("abort");
    play.forget().until("Reverted").settles();
    expect(play.story).toEqual([
      "00:00 scale revision v1 from 2 to 4 | → Reverted Aborted",
      "00:00 scale revision v2 from 2 to 0 | mark revision v2 as rejected",
      "00:00 remove the empty ReplicaSet of revision v2",
    ]);
    expect(play.sizes).toEqual({ v1: 4 });
  });
});

describe("rule 4: without routes, going back from a good version takes no capacity away", () => {
  const scene = { routes: false, spec: { strategy: { canary: { steps: [{ weight: 75 }, { pause: {} }] } } } };

  test.each(["v3", "v1"])("when %s is wanted in mid-release: it goes once stable is there for it", (next) => {
    const play = atRest(scene);
    play.deploy("v2");
    play.run(({ sizes, reason }) => sizes.v2 === 3 && reason === "WaitingForApproval");
    play.ready("v1", 2);
    play.deploy(next);
    play.forMs(50_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 3 });
    expect(play.selects()).toBe("all");
    expect(play.status.message).toMatch(/^going back to stable: .*; waiting for stable pods: 2 of 3 ready$/);
    play.ready("v1");
    play.run(({ sizes }) => sizes.v2 === undefined);
    expect(play.wrongs).toEqual([]);
  });

  test("stable that does not come up holds nothing up for ever: after the deadline half of it is enough", () => {
    const play = atRest(scene);
    play.deploy("v2");
    play.run(({ sizes, reason }) => sizes.v2 === 3 && reason === "WaitingForApproval");
    play.ready("v1", 2);
    play.deploy("v1");
    play.forget().until("Healthy");
    expect(play.story).toEqual([
      "00:00 scale revision v1 from 1 to 4 | → Progressing Undone",
      "01:00 scale revision v2 from 3 to 1",
      "10:00 let the Service select revision v1",
      "10:10 scale revision v2 from 1 to 0",
      "10:10 let the Service select this Rollout's pods | remove the empty ReplicaSet of revision v2",
      "10:10 → Healthy Healthy",
    ]);
  });

  test("out of the bake neither", () => {
    const play = atRest(scene);
    play.deploy("v2");
    play.run(({ reason }) => reason === "WaitingForApproval");
    play.request("promote:full");
    play.until("Baking").run(({ sizes }) => sizes.v1 === undefined);
    play.ready("v1", 2);
    play.deploy("v1");
    play.forMs(50_000);
    expect([play.sizes, play.selects()]).toEqual([{ v1: 4, v2: 4 }, "all"]);
    play.ready("v1");
    play.until("Healthy").settles();
    servesAlone(play, "v1");
  });
});

describe("rule 4: replicas", () => {
  test("0 is obeyed: the route goes back, clocks stand, and later stable comes first", () => {
    const play = underWay(25);
    play.edit(() => ({ replicas: 0 }));
    play.forget().forMs(60_000);
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v1 | scale revision v1 from 4 to 0 | → Progressing ScaledToZero",
      "00:10 fold the route into what its author wrote",
      "00:10 scale revision v2 from 1 to 0",
      "00:10 remove the empty ReplicaSet of revision v2",
    ]);
    expect(play.sizes).toEqual({ v1: 0 });
    expect([play.phase, play.reason]).toEqual(["Progressing", "ScaledToZero"]);
    play.edit(() => ({ replicas: 4 }));
    play.forget().run(({ weights }) => weights["web-canary"] === 1);
    expect(play.story).toEqual([
      "00:00 scale revision v1 from 0 to 4 | → Progressing ScalingStable",
      "00:00 make 1 pod of revision v2 | → Progressing CanaryNotReady",
      "00:00 let the canary Service select revision v2 | → Progressing Stepping",
      "00:00 give the canary 0 %",
      "00:03 give the canary 25 %",
    ]);
    play.until("Healthy");
  });

  test("0 while it bakes: the bake stands still", () => {
    const play = underWay(25);
    play.until("Baking");
    play.edit(() => ({ replicas: 0 }));
    play.forMs(3_600_000);
    expect([play.phase, play.reason]).toEqual(["Baking", "ScaledToZero"]);
    play.edit(() => ({ replicas: 4 }));
    play.forMs(60_000);
    expect(play.phase).toBe("Baking");
    play.until("Healthy");
  });

  test("above 0 again while it bakes: it stands still until a pod was ready once, within the deadline", () => {
    const play = underWay(25);
    play.until("Baking");
    const bakes = () => Date.parse(play.status.bake?.until ?? "") - play.nowMs;
    const leftMs = bakes();
    play.edit(() => ({ replicas: 0 }));
    play.forMs(3_600_000);
    play.ready("v2", 0); // New pods take their time.
    play.edit(() => ({ replicas: 4 }));
    play.forMs(300_000);
    expect([play.phase, play.reason]).toEqual(["Baking", "ScalingStable"]);
    play.ready("v2", 1);
    play.forMs(1_000);
    expect([play.phase, play.reason]).toEqual(["Baking", "Baking"]);
    expect(Math.abs(leftMs - bakes())).toBeLessThan(3_000);
    play.ready("v2");
    play.until("Healthy").settles();
    expect(play.traffic).toEqual({ v2: 1 });
  });

  test("above 0 again while it bakes, beside a revision that was rejected: nothing is lost either", () => {
    const play = underWay(25, { spec: { bake: "1h" } });
    play.until("Baking");
    play.deploy("v3");
    play.run(({ status }) => status.weights?.effective === 25);
    play.request("abort");
    play.until("Reverted", "Aborted").forMs(60_000);
    play.edit(() => ({ replicas: 0 }));
    play.forMs(7_200_000);
    play.ready("v2", 0);
    play.edit(() => ({ replicas: 4 }));
    play.forMs(300_000);
    play.ready("v2");
    play.forMs(60_000);
    expect(play.status.bake).toBeDefined();
    play.forMs(3_600_000).settles();
    expect([play.reason, play.traffic]).toEqual(["Aborted", { v2: 1 }]);
  });

  test("above 0 again while it bakes: pods that do not come up in time are lost", () => {
    const play = underWay(25);
    play.until("Baking");
    play.edit(() => ({ replicas: 0 }));
    play.forMs(3_600_000);
    play.ready("v2", 0);
    play.edit(() => ({ replicas: 4 }));
    play.until("Reverted", "StableLost").settles();
    expect(play.traffic).toEqual({ v1: 1 });
  });

  test("people may set any size in a release", () => {
    const play = underWay(25);
    play.edit(() => ({ replicas: 8 }));
    play.forMs(1_000);
    expect(play.sizes).toEqual({ v1: 8, v2: 2 });
    play.edit(() => ({ replicas: 2 }));
    play.forMs(1_000);
    expect(play.sizes).toEqual({ v1: 2, v2: 1 });
    play.until("Healthy");
  });

  test("a size that disappears stands", () => {
    const play = atRest();
    play.edit(({ replicas: _gone, ...spec }) => ({ ...spec, replicas: undefined }));
    play.settles();
    expect(play.sizes).toEqual({ v1: 4 });
    expect(play.rollout.spec.replicas).toBe(4);
  });

  test("an autoscaler lowers to its peak of the last ten minutes, not below", () => {
    const play = underWay(25, { spec: { strategy: { canary: { steps: [{ weight: 25 }, { pause: {} }] } } } });
    autoscaled(play);
    play.edit(() => ({ replicas: 8 }));
    play.forMs(60_000);
    play.edit(() => ({ replicas: 2 }));
    play.forMs(300_000);
    expect(play.sizes).toEqual({ v1: 8, v2: 2 });
    play.forMs(360_000);
    expect(play.sizes).toEqual({ v1: 2, v2: 1 });
  });

  test("only the very first revision becomes stable unjudged", () => {
    const play = atRest({ spec: { strategy: { canary: { preset: "instant" } } } });
    play.deploy("v2");
    play.requests.bad.add("v2");
    play.until("Reverted").settles();
    servesAlone(play, "v1");
  });
});

function autoscaled(play: Play): void {
  const scaleTargetRef = { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", name: "web" };
  const autoscaler: HorizontalPodAutoscaler = {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "web", namespace: "shop" },
    spec: { scaleTargetRef, maxReplicas: 20 },
  };
  play.objects.create(autoscaler, play.nowMs);
}
