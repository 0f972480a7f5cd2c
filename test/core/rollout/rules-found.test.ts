import { describe, expect, test } from "vitest";
import type { Route, Service } from "../../../src/api/kubernetes.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, Play, routeOf, underWay } from "./play.ts";

/** What seeds of the simulation have shown, played once more without luck. */

function resetRoute(play: Play): void {
  play.objects.change<Route>("HTTPRoute", "web", ({ metadata, ...route }) => ({
    ...route,
    metadata: { ...metadata, annotations: {} },
    spec: routeOf("web").spec,
  }));
}

function resetService(play: Play): void {
  play.objects.change<Service>("Service", "web", (service) => ({
    ...service,
    spec: { ...service.spec, selector: { app: "web" } },
  }));
}

function baking(spec: ConstructorParameters<typeof Play>[0] = {}): Play {
  const play = atRest(spec);
  play.deploy("v2");
  return play.until("Baking");
}

describe("a bake", () => {
  test("ends also beside a revision that was rejected", () => {
    const play = baking({ spec: { bake: "30m" } });
    play.deploy("v3");
    play.run(({ status }) => status.weights?.effective === 25);
    play.request("abort");
    play.until("Reverted", "Aborted");
    expect(play.status.bake).toBeDefined();
    play.forMs(1_800_000);
    expect(play.status.bake).toBeUndefined();
    play.settles();
    servesAlone(play, "v2");
  });

  test("does not end while there is no data", () => {
    const play = baking();
    play.prometheus = "empty";
    play.forMs(900_000);
    expect(play.phase).toBe("Baking");
    play.prometheus = "answers";
    play.until("Healthy").settles();
  });

  test("does not end between two breaches of a query that must breach twice", () => {
    const query = { name: "failures", promql: "x", max: 0.05, consecutive: 2 };
    const play = baking({ spec: { bake: "1m", analysis: { metrics: [{ query }] } } });
    play.prometheus = "empty";
    play.forMs(90_000);
    play.prometheus = "answers";
    play.requests.bad.add("v2");
    play.until("Reverted", "AnalysisFailed").settles();
    servesAlone(play, "v1");
  });

  test("asks no more at once while stable is not all ready and the one before waits to go", () => {
    const play = baking();
    play.ready("v2", 3);
    play.forMs(60_000);
    expect(play.phase).toBe("Baking");
    expect(play.last?.checkAgainInMs).toBeGreaterThan(1_000);
  });
});

describe("what is drained", () => {
  test("is a pair that someone else takes away in the hand-over", () => {
    const play = underWay(25, { spec: { bake: "0s" } });
    play.run(({ status }) => status.progress?.stage === "HandingOver" && status.progress.mark === "drained");
    const fromMs = play.nowMs;
    resetRoute(play);
    play.run(({ sizes }) => (sizes.v1 ?? 0) === 0);
    expect(play.nowMs - fromMs).toBeGreaterThanOrEqual(10_000);
  });

  test("is a pair that someone else takes away on the way back", () => {
    const play = underWay(25);
    play.request("abort");
    play.run(({ status }) => status.progress?.mark === "drained");
    const fromMs = play.nowMs;
    resetRoute(play);
    play.run(({ sizes }) => (sizes.v2 ?? 0) === 0);
    expect(play.nowMs - fromMs).toBeGreaterThanOrEqual(10_000);
  });

  test("are pods of the revision before that a reset selector has let in again", () => {
    const play = baking({ spec: { bake: "10m" } });
    play.run(({ status }) => status.bake !== undefined && play.nowMs > Date.parse(status.bake.startedAt) + 25_000);
    const fromMs = play.nowMs;
    resetService(play);
    play.run(({ sizes }) => (sizes.v1 ?? 0) === 0);
    expect(play.nowMs - fromMs).toBeGreaterThanOrEqual(10_000);
    play.until("Healthy").settles();
    expect(play.status.progress?.letIn).toBeUndefined();
    servesAlone(play, "v2");
  });

  test("are those that it let in as the bake ended", () => {
    const play = baking({ spec: { bake: "20s" } });
    play.run(({ status }) => status.bake !== undefined && play.nowMs > Date.parse(status.bake.until) - 3_000);
    const v1 = play.sizes.v1;
    const fromMs = play.nowMs;
    resetService(play);
    play.until("Healthy");
    expect([v1, play.sizes.v1]).toEqual([4, 4]);
    play.run(({ sizes }) => (sizes.v1 ?? 0) === 0);
    expect(play.nowMs - fromMs).toBeGreaterThanOrEqual(10_000);
    play.settles();
    servesAlone(play, "v2");
  });

  test("is a canary whose Service was put right by a process that told nobody", () => {
    const play = underWay(25);
    play.request("abort");
    play.run(({ status }) => status.progress?.mark === "drained");
    play.forMs(9_000); // Then the selector was reset, and put right: both before this process looked.
    play.decidingSinceMs = play.nowMs;
    play.run(({ sizes }) => (sizes.v2 ?? 0) === 0);
    expect(play.nowMs - play.decidingSinceMs).toBeGreaterThanOrEqual(10_000);
  });

  test("are pods of which a lost status knew", () => {
    const play = baking();
    play.request("rollback");
    play.run(({ status }) => status.progress?.stage === "RollingBack" && status.progress.mark === "drained");
    const fromMs = play.nowMs;
    play.loseStatus();
    play.run(({ sizes }) => (sizes.v2 ?? 0) === 0);
    expect(play.nowMs - fromMs).toBeGreaterThanOrEqual(10_000);
  });
});

describe("the first revision", () => {
  test("is the one that was ready first, should a second have come before that was seen", () => {
    const play = new Play();
    play.step();
    play.ready("v1"); // And the plan does not look again before v2 is asked for.
    play.deploy("v2");
    play.run(({ status }) => status.stable !== undefined);
    expect(play.named(play.status.stable?.revision ?? "")).toBe("v1");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("serves as far as it can until the next is ready", () => {
    const play = new Play();
    play.ready("v1", 2);
    play.forMs(5_000);
    play.ready("v2", 0);
    play.deploy("v2");
    play.forMs(60_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 4 });
    play.ready("v2");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });
});

describe("a lost status", () => {
  test("in a hand-over does not make a stable of a canary that nobody has promoted", () => {
    const play = underWay(50);
    play.request("promote:full");
    play.run(({ status }) => status.progress?.stage === "HandingOver" && status.progress.mark === "arrived");
    play.loseStatus();
    play.forget().run(({ traffic }) => traffic.v1 === 1);
    play.until("Progressing").until("Healthy").settles();
    servesAlone(play, "v2");
    expect(play.story).toContain("00:13 give the canary 25 %");
  });
});

describe("a rejection", () => {
  test("keeps its reason when status is lost", () => {
    const play = underWay(25);
    play.request("abort");
    play.refuses = (write) => write.together !== "breach"; // Nothing but the switches is written.
    play.run(({ weights }) => weights["web-canary"] === 0);
    play.loseStatus();
    play.refuses = () => false;
    play.settles();
    expect(play.status.rejected).toMatchObject({ reason: "Aborted", message: "aborted by request" });
  });
});

describe("a request", () => {
  test("is not obeyed a second time when status is lost", () => {
    const play = underWay(25);
    play.request("abort");
    play.until("Reverted");
    play.request("retry"); // While traffic is on its way back: it is heard once that is done.
    play.requests.bad.add("v2");
    play.until("Progressing").until("Reverted", "AnalysisFailed").settles();
    play.loseStatus();
    play.forget().settles();
    expect(play.story).toEqual(["00:00 → Reverted Rejected"]);
    servesAlone(play, "v1");
    play.requests.bad.clear();
    play.request("retry");
    play.until("Healthy");
  });
});

describe("a rollback", () => {
  test("that is asked for while traffic is on its way back does not go back further", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Baking");
    play.run(({ sizes }) => (sizes.v1 ?? 0) === 0);
    play.request("rollback");
    play.run(({ status }) => status.progress?.stage === "RollingBack");
    play.request("rollback");
    play.settles();
    expect(play.status.lastRequest?.result).toMatch(/^refused: traffic is on its way back/);
    servesAlone(play, "v1");
  });
});

describe("a deleted Rollout", () => {
  test("keeps what a rollback under way leads to", () => {
    const play = baking({ spec: { onDelete: "keep" } });
    play.request("rollback");
    play.run(({ status }) => status.progress?.stage === "RollingBack");
    play.deleteRollout();
    play.run(({ deleted }) => deleted);
    expect(play.sizes).toEqual({ v1: 4 });
  });

  test("leaves only stable's pods, where the Deployment that it hands back does not come up", () => {
    const play = atRest({ adopts: true });
    play.deploy("v2");
    play.until("Baking");
    play.ready("deployment v2", 0);
    play.deleteRollout();
    play.run(({ deleted }) => deleted);
    expect(play.sizes).toEqual({ v2: 4 });
    expect(play.selects()).toBe("author");
    expectSound(play);
  });

  test("takes its mark off a Service whose author has reset it", () => {
    const play = atRest();
    resetService(play);
    play.deleteRollout();
    play.run(({ deleted }) => deleted);
    expect(Object.keys(play.service.metadata.annotations ?? {})).toEqual([]);
  });
});

describe("pods that are lost", () => {
  test("after the step was ready once are waited for, and not asked for at once again", () => {
    const play = atRest();
    play.deploy("v2");
    play.run(({ weights }) => weights["web-canary"] === 0);
    play.ready("v2", 0);
    play.forMs(700_000);
    expect(play.phase).toBe("Progressing");
    expect(play.last?.checkAgainInMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(1_000);
    play.ready("v2");
    play.until("Healthy");
  });
});

describe("promote:full", () => {
  test.each([true, false])("begins the deadline of the pods that it asks for (with routes: %s)", (routes) => {
    const play = underWay(25, { routes });
    play.ready("v2", 1);
    play.request("promote:full");
    play.until("Reverted", "ProgressDeadlineExceeded").settles();
    servesAlone(play, "v1");
  });
});

describe("a step", () => {
  test("lasts from when its weight is effective again, should somebody have taken it away meanwhile", () => {
    const play = underWay(25);
    play.prometheus = "unreachable"; // So that the weight is not put back, but led up anew.
    play.forMs(60_000);
    resetRoute(play);
    play.restart();
    play.forMs(60_000);
    play.prometheus = "answers";
    play.run(({ status }) => status.progress?.mark === "on:0");
    play.manners.gateway = "silent";
    play.run(({ weights }) => weights["web-canary"] === 1);
    play.forMs(20_000);
    play.manners.gateway = "accepts";
    play.run(({ status }) => status.weights?.effective === 25);
    const fromMs = play.nowMs;
    play.run(({ status }) => (status.weights?.written ?? 0) > 25);
    expect(play.nowMs - fromMs).toBeGreaterThanOrEqual(120_000);
  });
});

describe("both versions bad", () => {
  test("at 100 %: the canary keeps its pods until nobody is led to them, and is tried again where stable can be compared", () => {
    const steps = [{ weight: 50 }, { pause: { for: "1m" } }, { weight: 100 }, { analysis: { for: "20m" } }];
    const play = underWay(50, { spec: { strategy: { canary: { steps } } } });
    play.requests.bad.add("v1").add("v2");
    play.requests.badShare = 0.02; // The limit is 0.01: it takes minutes to prove.
    play.run(({ status }) => status.weights?.effective === 100);
    play.manners.gateway = "silent";
    play.run(({ weights }) => weights["web-canary"] === 0);
    play.forMs(20_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 4 });
    play.manners.gateway = "accepts";
    play.requests.bad.delete("v1");
    play.forget().until("Reverted", "AnalysisFailed").settles();
    expect(play.story.slice(0, 2)).toEqual([
      "09:39 scale revision v2 from 4 to 2 | → Progressing Stepping",
      "09:42 give the canary 50 %",
    ]);
    servesAlone(play, "v1");
  });

  test("without routes, and once stable has shrunk: it grows first, and the canary goes then", () => {
    const play = atRest({ routes: false, spec: { analysis: { metrics: [{ errorRate: { max: "1%" } }] } } });
    play.deploy("v2");
    play.run(({ status }) => status.step?.index === 2); // Half of the pods.
    play.requests.bad.add("v1").add("v2");
    play.forMs(76_000); // Not long enough to be proven: it goes on, and is proven at 100 %.
    play.request("promote");
    play.run(({ traffic }) => traffic.v2 === 1);
    play.requests.bad.delete("v1"); // Which nobody can see: it has no pods.
    play.until("Progressing", "BothVersionsBad");
    play.run(({ traffic }) => traffic.v1 === 1);
    play.until("Reverted", "AnalysisFailed").settles();
    servesAlone(play, "v1");
  });
});

describe("taking a Deployment over", () => {
  test("goes on with the template that its pods run, should a problem hold it up and a newer one come meanwhile", () => {
    const play = new Play({ adopts: true });
    play.ready("v1", 3);
    play.forMs(5_000);
    const route = play.objects.get<Route>("HTTPRoute", "web") as Route;
    play.objects.remove("HTTPRoute", "web");
    play.until("Failed", "RouteMissing");
    play.deploy("v2");
    play.forMs(5_000);
    play.objects.create(route, play.nowMs);
    play.until("Pending", "Adopting").forMs(5_000);
    expect(play.sizes).toEqual({ v1: 4 });
    play.ready("v1");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });
});
