import { describe, expect, test } from "vitest";
import type { Route, Service } from "../../../src/api/kubernetes.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, type Play, routeOf, underWay } from "./play.ts";

function raises(play: Play): string[] {
  return play.story.filter((line) => /give the canary [1-9]/.test(line));
}

describe("rule 2: weight rises only onto ready pods", () => {
  test("holds while the canary is not ready, and says what troubles it", () => {
    const play = atRest();
    play.ready("v2", 0);
    play.trouble = { v2: "ImagePullBackOff: no such image" };
    play.deploy("v2");
    play.until("Progressing", "CanaryNotReady").forMs(300_000);
    expect(play.status.message).toBe("waiting for canary pods: 0 of 1 ready (ImagePullBackOff: no such image)");
    expect(play.weights).toEqual({ web: undefined });
    play.ready("v2");
    play.until("Healthy");
    expectSound(play);
  });

  test("the second weight waits for its own pods", () => {
    const play = underWay(25);
    play.ready("v2", 1);
    play.forMs(300_000);
    expect([play.phase, play.reason, play.weights["web-canary"]]).toEqual(["Progressing", "CanaryNotReady", 1]);
    play.ready("v2");
    play.until("Healthy");
    expectSound(play);
  });

  test("a weight counts only once every route has taken it in", () => {
    const play = atRest();
    play.objects.create(routeOf("api"), play.nowMs);
    const routes = [{ httpRoute: { name: "web" } }, { httpRoute: { name: "api" } }];
    play.edit(() => ({ traffic: { service: "web", routes } }));
    play.settles();
    play.deploy("v2");
    play.run(({ status }) => status.weights?.written === 25);
    play.manners.gateway = "silent";
    play.objects.change<Route>("HTTPRoute", "api", (route) => ({ ...route, spec: { ...route.spec, parentRefs: [] } }));
    play.forMs(20_000);
    expect(play.status.message).toMatch(/^waiting for the routes to take 25 % in/);
    expect(play.status.weights).toMatchObject({ written: 25, effective: 0 });
    play.manners.gateway = "accepts";
    play.until("Healthy");
    expectSound(play);
  });

  test("and has settled: what leads on from a weight waits for `settle`", () => {
    const steps = [{ weight: 25 }, { weight: 50 }, { pause: {} }];
    const play = atRest({ spec: { analysis: { disabled: true }, strategy: { canary: { settle: "20s", steps } } } });
    play.deploy("v2");
    play.run(({ status }) => status.progress?.mark === "on:0");
    play.manners.gateway = "silent";
    play.run(({ status }) => status.weights?.written === 25).forMs(15_000);
    expect(play.status.weights?.effective).toBe(0);
    play.manners.gateway = "accepts"; // Only now it counts.
    play.forget().until("Paused");
    expect(play.story[0]).toMatch(/^00:20 scale revision v2/);
  });

  test("a raise that status owes when a pod goes is told with its clock, and that its pods were ready", () => {
    const steps = [{ weight: 25 }, { weight: 50 }, { pause: {} }];
    const play = atRest({ spec: { strategy: { canary: { steps } } } });
    play.deploy("v2");
    play.owes = true;
    play.run(({ weights }) => weights["web-canary"] === 1 && weights.web === 1);
    expect(play.status.weights?.written).toBe(25); // Owed.
    const raisedMs = play.nowMs;
    play.ready("v2", 1);
    play.run(({ status }) => status.weights?.written === 50);
    expect(play.status.progress?.stepReady).toBe(true);
    expect(Date.parse(play.status.step?.startedAt ?? "")).toBeGreaterThanOrEqual(raisedMs);
    play.forMs(900_000); // Beyond any deadline.
    expect([play.phase, play.reason]).toEqual(["Paused", "WaitingForApproval"]);
  });

  test("a route that nobody takes in for 30 s goes back by way of 0, and is tried again", () => {
    const play = underWay(25);
    play.manners.gateway = "silent";
    play.run(({ weights }) => weights["web-canary"] === 1 && weights.web === 1);
    play.forget();
    play.forMs(70_000);
    expect(play.story).toEqual([
      "00:29 give the canary 0 % | → Progressing RouteNotAccepted",
      "00:59 fold the route into what its author wrote",
    ]);
    expect(play.reason).toBe("RouteNotAccepted");
    expect(play.phase).toBe("Progressing");
    play.manners.gateway = "accepts";
    play.until("Healthy");
    expectSound(play);
  });

  test("a parent that turns False takes the canary back, and is not its fault", () => {
    const play = underWay(25);
    play.manners.gateway = "refuses";
    play.forget().forMs(60_000);
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | → Progressing RouteNotAccepted",
      "00:30 fold the route into what its author wrote",
    ]);
    play.manners.gateway = "accepts";
    play.until("Healthy");
    expectSound(play);
  });

  test("parents that are bad at rest: the release does not start", () => {
    const play = atRest();
    play.manners.gateway = "refuses";
    play.objects.change<Route>("HTTPRoute", "web", (route) => ({ ...route, spec: { ...route.spec, parentRefs: [] } }));
    play.forMs(1_000);
    play.deploy("v2");
    play.forMs(60_000);
    expect([play.phase, play.reason]).toEqual(["Progressing", "RouteNotAccepted"]);
    expect(play.sizes).toEqual({ v1: 4 });
    play.manners.gateway = "accepts";
    play.until("Healthy");
  });

  test("a reset of the route is repaired to the weight it had", () => {
    const play = underWay(50);
    play.objects.change<Route>("HTTPRoute", "web", ({ metadata, ...route }) => ({
      ...route,
      metadata: { ...metadata, annotations: {} },
      spec: routeOf("web").spec,
    }));
    play.forget().forMs(20_000);
    expect(play.weights).toEqual({ web: 1, "web-canary": 1 });
    expect(play.story).toEqual(["00:00 give the canary 50 % | → Progressing Stepping", "00:00 → Progressing Pausing"]);
    play.until("Healthy");
    expectSound(play);
  });

  test("one that is reset again and again is left alone for a while, and nothing rises; a Service is put back even so", () => {
    const play = underWay(25);
    play.contested = { what: 'HTTPRoute "web"', by: "helm" };
    play.objects.change<Route>("HTTPRoute", "web", (route) => ({ ...route, spec: routeOf("web").spec }));
    play.objects.change<Service>("Service", "web", (service) => ({
      ...service,
      spec: { ...service.spec, selector: { app: "web" } },
    }));
    play.until("Progressing", "Contested").forMs(600_000);
    expect(play.weights).toEqual({ web: undefined });
    expect(play.selects()).toBe("v1");
    expect(play.notices).toContainEqual(expect.stringContaining('field manager "helm" resets HTTPRoute "web"'));
    play.contested = undefined;
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("where something is contested no release starts", () => {
    const play = atRest();
    play.contested = { what: 'Service "web"', by: "helm" };
    play.deploy("v2");
    play.until("Progressing", "Contested").forMs(600_000);
    expect(play.sizes).toEqual({ v1: 4 });
    play.contested = undefined;
    play.until("Healthy");
  });

  test("the canary Service's ports are those of the Service before it is paired", () => {
    const play = underWay(25);
    expect(play.objects.get("Service", "web-canary")).toMatchObject({ spec: { ports: [{ port: 80 }] } });
  });
});

describe("rule 3: after a start nothing is raised until Prometheus has answered", () => {
  test("not the next weight", () => {
    const play = underWay(25);
    play.restart();
    play.prometheus = "silent";
    play.forget().forMs(600_000);
    expect(raises(play)).toEqual([]);
    expect(play.reason).toBe("WaitingForMetrics");
    play.prometheus = "answers";
    play.until("Healthy");
    expectSound(play);
  });

  test("not a drift either", () => {
    const play = underWay(25);
    play.restart();
    play.prometheus = "silent";
    play.objects.change<Route>("HTTPRoute", "web", ({ metadata, ...route }) => ({
      ...route,
      metadata: { ...metadata, annotations: {} },
      spec: routeOf("web").spec,
    }));
    play.forget().forMs(600_000);
    expect(raises(play)).toEqual([]);
    play.prometheus = "answers";
    play.until("Healthy");
    expectSound(play);
  });

  test("not by more pods, where sizes are the weights", () => {
    const play = atRest({ routes: false });
    play.deploy("v2");
    play.run(({ sizes, reason }) => sizes.v2 === 1 && reason === "Pausing");
    play.restart();
    play.prometheus = "silent";
    play.forMs(600_000);
    expect([play.sizes.v2, play.reason]).toEqual([1, "WaitingForMetrics"]);
    play.prometheus = "answers";
    play.until("Healthy");
    expectSound(play);
  });

  test("a breach that was known before the restart still reverts", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.forMs(30_000);
    expect(play.phase).toBe("Progressing");
    play.restart();
    play.until("Reverted");
    servesAlone(play.settles(), "v1");
  });

  test.each(["unreachable", "empty"] as const)("an %s Prometheus holds, and is no breach", (prometheus) => {
    const play = underWay(25);
    play.prometheus = prometheus;
    play.forMs(1_200_000);
    expect(play.weights["web-canary"]).toBe(1);
    expect(play.phase).toBe("Progressing");
    expect(play.reason).toBe(prometheus === "empty" ? "NoData" : "MetricsUnavailable");
    play.prometheus = "answers";
    play.until("Healthy");
    expectSound(play);
  });

  test("without a Prometheus a release holds before its first step", () => {
    const play = atRest();
    play.source = { kind: "none" };
    play.deploy("v2");
    play.forMs(60_000);
    expect([play.phase, play.reason]).toEqual(["Progressing", "NoPrometheus"]);
    expect(play.weights).toEqual({ web: undefined });
  });
});
