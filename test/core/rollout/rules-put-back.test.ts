import { describe, expect, test } from "vitest";
import type { Route, Service } from "../../../src/api/kubernetes.ts";
import type { RolloutSpec } from "../../../src/api/rollout.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, Play, routeOf, underWay } from "./play.ts";

/** A second Service and its route, which no Rollout has changed yet. */
function withApi(play: Play): Play {
  play.objects.create(
    {
      ...play.service,
      metadata: { name: "api", namespace: "shop" },
      spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
    } as Service,
    play.nowMs,
  );
  play.objects.create(routeOf("api", "api"), play.nowMs);
  return play;
}

const api: RolloutSpec["traffic"] = { service: "api", routes: [{ httpRoute: { name: "api" } }] };
const two = {
  spec: { traffic: { service: "web", routes: [{ httpRoute: { name: "web" } }, { httpRoute: { name: "other" } }] } },
};

function withTwoRoutes(): Play {
  const play = atRest({ spec: {} });
  play.objects.create(routeOf("other"), play.nowMs);
  play.edit(() => two.spec);
  play.settles().forget();
  play.deploy("v2");
  return play.run(({ status }) => status.weights?.effective === 25);
}

function backends(play: Play, route: string): Route["spec"]["rules"] {
  return play.objects.get<Route>("HTTPRoute", route)?.spec.rules;
}

describe("rule 11: what the spec no longer names is put back before anything else moves", () => {
  test("every object of others bears our annotation while it is changed", () => {
    const play = underWay(25, { adopts: true });
    for (const [kind, key] of [
      ["Service", "zenith.sh/changed-by"],
      ["Deployment", "zenith.sh/changed-by"],
      ["HTTPRoute", "zenith.sh/route"],
    ] as const)
      expect(play.objects.get(kind, "web")?.metadata.annotations).toHaveProperty([key]);
    play.deleteRollout();
    play.settles();
    for (const kind of ["Service", "Deployment", "HTTPRoute"])
      expect(
        Object.keys(play.objects.get(kind, "web")?.metadata.annotations ?? {}).filter((key) =>
          key.startsWith("zenith"),
        ),
      ).toEqual([]);
  });

  test("a route that is dropped in a release", () => {
    const play = withTwoRoutes();
    expect(backends(play, "other")?.[0]?.backendRefs).toHaveLength(2);
    play.edit(() => ({ traffic: { service: "web", routes: [{ httpRoute: { name: "web" } }] } }));
    play.forget().run(({ status }) => status.managed?.routes.length === 1);
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | give the canary 0 % | let the canary Service select revision v1 | → Progressing TrafficEdited",
      "00:10 fold the route into what its author wrote | fold the route into what its author wrote",
      "00:10 scale revision v2 from 1 to 0",
      "00:10 remove the empty ReplicaSet of revision v2",
    ]);
    expect(backends(play, "other")).toEqual(routeOf("other").spec.rules);
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("a Service that is renamed at rest", () => {
    const play = withApi(atRest());
    play.edit(() => ({ traffic: api }));
    play.forget().settles();
    expect(play.story).toEqual([
      "00:00 give the Service its author's selector back | → Progressing TrafficEdited",
      "00:00 let the Service select revision v1 | → Healthy Healthy",
    ]);
    expect([play.selects("web"), play.selects("api")]).toEqual(["author", "v1"]);
    expectSound(play);
  });

  test("a Service that is renamed in a release", () => {
    const play = withApi(underWay(25));
    play.edit(() => ({ traffic: api }));
    play.forget().run(({ status }) => status.managed?.service === "api");
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v1 | → Progressing TrafficEdited",
      "00:10 fold the route into what its author wrote",
      "00:10 scale revision v2 from 1 to 0",
      "00:10 give the Service its author's selector back | remove the empty ReplicaSet of revision v2",
    ]);
    expect(backends(play, "web")).toEqual(routeOf("web").spec.rules);
    play.until("Healthy").settles();
    expect([play.selects("web"), play.selects("api"), play.sizes]).toEqual(["author", "v2", { v2: 4 }]);
    expect(play.objects.get("HTTPRoute", "web")?.metadata.annotations ?? {}).toEqual({});
    expectSound(play);
  });

  test("an `abort` meanwhile holds for what would begin again afterwards", () => {
    const play = withApi(underWay(25));
    play.edit(() => ({ traffic: api }));
    play.run(({ reason, status }) => reason === "TrafficEdited" && status.progress?.stage === "Resting");
    play.request("abort");
    play.until("Reverted", "Aborted").settles();
    expect([play.status.lastRequest?.result, play.selects("api"), play.sizes]).toEqual(["accepted", "v1", { v1: 4 }]);
  });

  test("the API server is asked about several routes before one is raised, and about none before they are lowered", () => {
    const rehearsed: Record<string, Set<boolean>> = {};
    const play = withTwoRoutes();
    play.run((now) => {
      for (const write of now.last?.writes ?? []) {
        if (write.verb !== "jsonPatch" || write.ref.kind !== "HTTPRoute") continue;
        rehearsed[write.why] ??= new Set();
        rehearsed[write.why]?.add(write.rehearsed === true);
      }
      return now.phase === "Healthy";
    });
    expect(rehearsed).toEqual({
      "give the canary 50 %": new Set([true]),
      "give the canary 100 %": new Set([true]),
      "give the Service all traffic": new Set([false]),
      "fold the route into what its author wrote": new Set([false]),
    });
  });

  test("a route whose Gateway has gone, and is dropped for that: what comes next waits for it until the deadline, not for ever", () => {
    const play = withTwoRoutes();
    play.objects.change<Route>("HTTPRoute", "other", (route) => ({
      ...route,
      spec: { ...route.spec, parentRefs: [{ name: "gone" }] },
    }));
    play.until("Progressing", "RouteNotAccepted").forMs(90_000);
    play.edit(() => ({ traffic: { service: "web", routes: [{ httpRoute: { name: "web" } }] } }));
    play.deploy("v3");
    play.forget().until("Progressing", "TrafficEdited").forMs(60_000);
    expect(play.status.message).toBe(
      'going back to stable: putting back what spec.traffic no longer names; waiting for the routes: no Gateway has taken HTTPRoute "shop/other" in yet',
    );
    play.forMs(510_000);
    expect(play.reason).toBe("TrafficEdited");
    play.until("Healthy").settles();
    servesAlone(play, "v3");
  });

  test("all of spec.traffic, in a release", () => {
    const play = underWay(25);
    play.edit(() => ({ traffic: undefined }));
    play.until("Healthy").settles();
    expect([play.selects("web"), play.sizes, play.weights]).toEqual(["author", { v2: 4 }, { web: undefined }]);
    expectSound(play);
  });

  test("routes alone: sizes are the weights from then on", () => {
    const play = underWay(25);
    play.edit(() => ({ traffic: { service: "web" } }));
    play.until("Healthy").settles();
    expect(play.selects()).toBe("all");
    servesAlone(play, "v2");
  });

  test("a Service that is renamed while a Deployment is being taken over", () => {
    const play = withApi(new Play({ adopts: true }));
    play.run(({ selects }) => selects.call(play) === "v1");
    expect(play.status.stable).toBeUndefined();
    play.edit(() => ({ traffic: api }));
    play.until("Healthy").settles();
    expect([play.selects("web"), play.selects("api"), play.sizes]).toEqual(["author", "v1", { v1: 4 }]);
    expectSound(play);
  });

  test("a Service that its author has deleted meanwhile holds nothing up", () => {
    const play = withApi(atRest());
    play.objects.remove("Service", "web");
    play.edit(() => ({ traffic: api }));
    play.settles();
    expect([play.phase, play.selects("api")]).toEqual(["Healthy", "v1"]);
  });

  test("a canary Service that its author made is given back to him", () => {
    const play = atRest({
      spec: { traffic: { service: "web", canaryService: "mine", routes: [{ httpRoute: { name: "web" } }] } },
    });
    play.objects.create(
      {
        ...play.service,
        metadata: { name: "mine", namespace: "shop" },
        spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
      } as Service,
      play.nowMs,
    );
    play.deploy("v2");
    play.until("Healthy").settles();
    expect(play.selects("mine")).toBe("v2");
    play.deleteRollout();
    play.settles();
    expect(play.objects.get<Service>("Service", "mine")).toMatchObject({
      metadata: { annotations: {} },
      spec: { selector: { app: "web" } },
    });
  });

  test("a route that its author deletes in a release holds it, and a breach takes the others back", () => {
    const play = withTwoRoutes();
    play.objects.remove("HTTPRoute", "other");
    play.forMs(300_000);
    expect([play.phase, play.reason, play.weights]).toEqual([
      "Progressing",
      "RouteMissing",
      { web: 3, "web-canary": 1 },
    ]);
    play.requests.bad.add("v2");
    play.until("Reverted");
    expect(play.traffic).toEqual({ v1: 1 });
    play.settles();
    servesAlone(play, "v1");
  });

  describe("routes that are added where sizes were the weights", () => {
    const traffic = { service: "web", routes: [{ httpRoute: { name: "web" } }] };
    const bySizes = (weight: number) => {
      const steps = [{ weight }, { pause: {} }];
      const play = atRest({ routes: false, spec: { replicas: 10, strategy: { canary: { steps } } } });
      play.deploy("v2");
      play.run(({ reason }) => reason === "WaitingForApproval").forMs(1_000);
      play.objects.create(routeOf("web"), play.nowMs);
      return play;
    };

    test.each([90, 100])("wait at %i % until stable may serve beside them", (weight) => {
      const play = bySizes(weight);
      const before = play.traffic;
      play.ready("v1", play.sizes.v1 ?? 0); // New pods take their time.
      play.edit(() => ({ traffic }));
      play.forget().forMs(900_000);
      expect([play.reason, play.selects(), play.traffic]).toEqual(["ScalingStable", "all", before]);
      expect(play.sizes).toEqual({ v1: 10, v2: weight / 10 });
      play.ready("v1", 8);
      play.until("Paused", "WaitingForApproval");
      expect([play.selects(), play.traffic.v2]).toEqual(["v1", weight / 100]);
      play.ready("v1");
      play.request("promote");
      play.until("Healthy").settles();
      servesAlone(play, "v2", 10);
    });

    test("go back as sizes do, where what is wanted changes before that", () => {
      const play = bySizes(90);
      play.ready("v1", 1);
      play.edit(() => ({ traffic }));
      play.deploy("v3");
      play.forget().until("Progressing", "Superseded").forMs(10_000);
      expect([play.selects(), play.traffic]).toEqual(["all", { v1: 0.1, v2: 0.9 }]);
      play.ready("v1", 8);
      play.until("Paused", "WaitingForApproval");
      expect(play.sizes).toEqual({ v1: 10, v3: 9 });
      expect(play.gaps).toEqual([]);
    });
  });

  test("one of two routes that is applied anew in a release has its weight back at once", () => {
    const play = withTwoRoutes();
    const { spec } = routeOf("other");
    play.objects.change<Route>("HTTPRoute", "other", (route) => ({ ...route, spec }));
    play.forget().step();
    expect(play.story[0]).toMatch(/^00:00 give the canary 25 %/);
  });

  test("a route that is added in a release takes part, by way of 0 as the others did", () => {
    const play = underWay(25);
    play.forMs(10_000);
    play.objects.create(routeOf("other"), play.nowMs);
    play.edit(() => two.spec);
    const weights = () => backends(play, "other")?.[0]?.backendRefs?.map(({ weight }) => weight);
    play.manners.gateway = "silent";
    play.forget().forMs(10_000);
    expect([weights(), play.weights]).toEqual([[1, 0], { web: 3, "web-canary": 1 }]);
    play.manners.gateway = "accepts";
    play.forMs(30_000);
    expect(play.story.filter((line) => line.includes("give the canary"))).toEqual([
      expect.stringMatching(/^00:00 give the canary 0 %/),
      expect.stringMatching(/^00:13 give the canary 25 %/),
    ]);
    expect([weights(), play.weights]).toEqual([[3, 1], { web: 3, "web-canary": 1 }]);
    play.until("Healthy");
    expectSound(play);
  });
});
