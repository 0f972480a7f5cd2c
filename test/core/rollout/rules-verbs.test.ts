import { describe, expect, test } from "vitest";
import type { Route } from "../../../src/api/kubernetes.ts";
import type { Rollout } from "../../../src/api/rollout.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, hashOf, type Play, underWay } from "./play.ts";

/** Every weight waits for a person. */
const waiting = {
  spec: { strategy: { canary: { steps: [{ weight: 25 }, { pause: {} }, { weight: 50 }, { pause: {} }] } } },
};

describe("waits", () => {
  test("an analysis step lasts until it is judged", () => {
    const steps = [{ weight: 25 }, { analysis: { for: "1m" } }, { weight: 50 }];
    const play = underWay(25, { spec: { strategy: { canary: { steps } } } });
    play.prometheus = "silent";
    play.forMs(600_000);
    expect([play.reason, play.weights["web-canary"]]).toEqual(["NoData", 1]);
    play.prometheus = "answers";
    play.until("Healthy");
    expectSound(play);
  });

  test("spec.paused holds before the first step, and `resume` does not take it back", () => {
    const play = atRest({ spec: { paused: true } });
    play.deploy("v2");
    play.until("Paused", "PausedByUser");
    play.request("resume");
    play.forMs(600_000);
    expect([play.phase, play.weights]).toEqual(["Paused", { web: undefined }]);
    play.edit(() => ({ paused: false }));
    play.until("Healthy");
    expectSound(play);
  });

  test("too few requests for half an hour waits for a person", () => {
    const play = underWay(25);
    play.requests.perSecond = 0.01;
    play.run(({ phase }) => phase === "Paused");
    expect(play.reason).toBe("TooFewRequests");
    play.request("promote");
    play.forMs(30_000);
    expect(play.weights).toEqual({ web: 1, "web-canary": 1 });
  });

  test.each([
    ["onNoData", "empty", "NoData"],
    ["onUnsure", "answers", "TooFewRequests"],
  ] as const)("%s: revert takes the canary back", (field, prometheus, reason) => {
    const play = underWay(25, { spec: { analysis: { [field]: { after: "5m", then: "revert" } } } });
    play.requests.perSecond = 0.01;
    play.prometheus = prometheus;
    play.until("Reverted", reason).settles();
    servesAlone(play, "v1");
  });
});

describe("verbs", () => {
  test("a request that is longer than status has room for is answered once", () => {
    const play = atRest();
    play.objects.change<Rollout>("Rollout", "web", ({ metadata, ...rollout }) => ({
      ...rollout,
      metadata: { ...metadata, annotations: { ...metadata.annotations, "zenith.sh/request": "x".repeat(600) } },
    }));
    play.settles();
    expect(play.status.lastRequest?.result).toMatch(/^refused/);
  });

  test("`promote` goes past the present wait, and no further", () => {
    const play = underWay(25, waiting);
    play.until("Paused", "WaitingForApproval");
    play.request("promote");
    play.forget().forMs(600_000);
    expect(play.story).toEqual([
      "00:00 scale revision v2 from 1 to 2 | → Progressing CanaryNotReady",
      "00:00 give the canary 50 % | → Progressing Stepping",
      "00:00 → Paused WaitingForApproval",
    ]);
    expect([play.phase, play.reason]).toEqual(["Paused", "WaitingForApproval"]);
  });

  describe("`promote` before its weight counts", () => {
    const pausedAt50 = (play: Play) => {
      play.until("Paused", "WaitingForApproval");
      expect(play.weights).toEqual({ web: 1, "web-canary": 1 });
      play.forMs(3_600_000);
      expect(play.phase).toBe("Paused");
    };

    test("while the weight settles: remembered until it has", () => {
      const play = underWay(25, waiting);
      play.run(({ status }) => status.step?.index === 1);
      play.request("promote");
      play.step();
      expect(play.status.lastRequest?.result).toBe("accepted");
      expect(play.status.message).toBe("letting 25 % settle");
      pausedAt50(play);
    });

    test("while the routes take the weight in: remembered, and one wait is passed, not two", () => {
      const play = underWay(0, waiting);
      play.run(({ status }) => status.weights?.written === 25);
      expect(play.status.step?.index).toBe(0);
      play.manners.gateway = "silent";
      play.request("promote");
      play.forMs(10_000);
      play.manners.gateway = "accepts";
      pausedAt50(play);
      expect(play.status.progress?.promoteThrough).toBeUndefined();
    });

    const resetRoute = ({ objects }: Play) =>
      objects.change<Route>("HTTPRoute", "web", (route) => ({
        ...route,
        spec: { ...route.spec, rules: [{ backendRefs: [{ name: "web", port: 80 }] }] },
      }));

    test.each([
      ["the operator starts anew", (play: Play) => play.restart()],
      ["the route is reset", resetRoute],
    ])("remembered although %s", (_, happen) => {
      const play = underWay(25, waiting);
      play.run(({ status }) => status.step?.index === 1);
      play.request("promote");
      play.step();
      happen(play);
      pausedAt50(play);
    });

    test("is forgotten where the canary gave its weight back", () => {
      const play = underWay(25, waiting);
      play.run(({ status }) => status.step?.index === 1);
      play.request("promote");
      play.step();
      play.manners.gateway = "refuses";
      play.run(({ reason }) => reason === "RouteNotAccepted");
      play.manners.gateway = "accepts";
      play.until("Paused", "WaitingForApproval");
      expect(play.weights).toEqual({ web: 3, "web-canary": 1 });
    });

    test.each([
      ["before its pods are ready", (play: Play) => play.until("Progressing", "CanaryNotReady")],
      ["before it has its weight", (play: Play) => play.run(({ weights }) => weights["web-canary"] === 0)],
    ])("%s: refused, with what to do", (_, where) => {
      const play = atRest(waiting);
      play.deploy("v2");
      where(play);
      play.request("promote");
      play.step();
      expect(play.status.lastRequest?.result).toBe(
        "refused: the canary does not have 25 % yet; promote once it does, or use promote:full",
      );
      play.until("Paused", "WaitingForApproval");
      expect(play.weights).toEqual({ web: 3, "web-canary": 1 });
    });
  });

  test("`promote:full` takes all that remains without judging", () => {
    const play = underWay(25, waiting);
    play.prometheus = "silent";
    play.request("promote:full");
    play.forget().until("Baking");
    expect(play.story).toEqual([
      "00:00 → Progressing Stepping", // 25 % settles first.
      "00:02 scale revision v2 from 1 to 4 | → Progressing CanaryNotReady",
      "00:03 give the canary 100 % | → Progressing Stepping",
      "00:06 let the Service select revision v2 | → Progressing HandingOver",
      "00:09 give the Service all traffic",
      "00:19 fold the route into what its author wrote",
      "00:19 mark revision v2 as promoted | → Baking Baking",
    ]);
    expectSound(play);
  });

  test("`pause` holds the weight, and a breach is still acted on", () => {
    const play = underWay(25);
    play.request("pause");
    play.until("Paused", "PausedByUser").forMs(3_600_000);
    expect(play.weights["web-canary"]).toBe(1);
    play.requests.bad.add("v2");
    play.until("Reverted").settles();
    servesAlone(play, "v1");
  });

  test("`resume` goes on", () => {
    const play = underWay(25);
    play.request("pause");
    play.until("Paused", "PausedByUser").forMs(600_000);
    expect(play.phase).toBe("Paused");
    play.request("resume");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("`rollback` at rest goes to the last one promoted before", () => {
    const play = underWay(25);
    play.until("Healthy").settles();
    play.request("rollback");
    play.forget().until("Reverted", "RolledBack").settles();
    expect(play.story).toEqual([
      "00:00 make 4 pods of revision v1 | mark revision v2 as rejected | → Reverted RolledBack",
      "00:00 let the canary Service select revision v1 | let the Service select revision v1",
      "00:10 scale revision v2 from 4 to 0",
      "00:10 remove the empty ReplicaSet of revision v2",
    ]);
    servesAlone(play, "v1");
  });

  test("`rollback` to a named one", () => {
    const play = underWay(25);
    play.until("Healthy").settles();
    play.deploy("v3");
    play.until("Healthy").settles();
    play.request(`rollback:${hashOf("v1")}`);
    play.until("Reverted", "RolledBack").settles();
    servesAlone(play, "v1");
  });
});

describe("`abort` of a release that is held before its first step", () => {
  const rejects = (play: Play, tag: string): void => {
    play.settles();
    expect(play.status.lastRequest?.result).toBe("accepted");
    expect([play.phase, play.status.rejected?.message]).toEqual([
      "Reverted",
      "aborted by request before its first step",
    ]);
    servesAlone(play, tag);
  };

  test("waits for the way back of the one before", () => {
    const play = underWay(25);
    play.deploy("v3");
    play.until("Progressing", "Superseded");
    play.request("abort");
    play.step();
    expect(play.status.lastRequest).toBeUndefined();
    rejects(play, "v1");
  });

  test("holds though the route is missing, and `rollback` takes back no stable that is sound", () => {
    for (const verb of ["abort", "rollback"]) {
      const play = atRest();
      play.deploy("v2");
      play.until("Healthy").settles();
      const route = play.objects.get<Route>("HTTPRoute", "web") as Route;
      play.objects.remove("HTTPRoute", "web");
      play.deploy("v3");
      play.until("Failed", "RouteMissing");
      play.request(verb);
      play.forMs(10_000);
      play.objects.create(route, play.nowMs);
      rejects(play, "v2");
    }
  });

  test("holds though the Service is missing, which is told until it is mended", () => {
    const play = atRest();
    const service = play.service;
    play.objects.remove("Service", "web");
    play.deploy("v2");
    play.until("Failed", "ServiceMissing");
    play.request("abort");
    play.forMs(10_000);
    expect([play.phase, play.status.lastRequest?.result]).toEqual(["Failed", "accepted"]);
    expect(play.notices.find((notice) => notice.includes("Reverted"))).toContain("before its first step");
    play.objects.create(service, play.nowMs);
    rejects(play, "v1");
  });

  test("`rollback` still takes back a stable that is dead, or bakes", () => {
    const dead = atRest();
    dead.deploy("v2");
    dead.until("Healthy").settles();
    dead.ready("v2", 0);
    dead.deploy("v3");
    dead.until("Progressing", "StableDown");
    dead.request("rollback");
    dead.run(({ sizes }) => sizes.v1 !== undefined);
    const baking = atRest({ spec: { gates: [{ approval: {} }] } });
    baking.gates = { configMaps: new Map(), rollouts: new Map(), flags: [], kills: [], metrics: new Map() };
    baking.deploy("v2");
    baking.until("Paused", "WaitingForApproval");
    baking.request("promote");
    baking.until("Baking");
    baking.deploy("v3");
    baking.until("Paused", "WaitingForApproval");
    baking.request("rollback");
    baking.until("Reverted", "RolledBack");
  });
});
