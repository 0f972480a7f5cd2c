import { describe, expect, test } from "vitest";
import type { Deployment, Route, Service } from "../../../src/api/kubernetes.ts";
import { atRest, NAMESPACE, Play, routeOf, templateOf, underWay } from "./play.ts";

/** What only the cluster can show to be wrong. test/api/inputs.cluster.test.ts has each with its sentence. */

describe("problemOf()", () => {
  test("shows at rest, and goes when it is mended", () => {
    const play = atRest();
    play.objects.change<Route>("HTTPRoute", "web", (route) => ({ ...route, spec: { ...route.spec, rules: [] } }));
    play.until("Failed", "RouteHasNoSuchBackend");
    expect(play.traffic).toEqual({ v1: 1 });
    const rules = [{ backendRefs: [{ name: "web", port: 80 }] }];
    play.objects.change<Route>("HTTPRoute", "web", (route) => ({ ...route, spec: { ...route.spec, rules } }));
    play.until("Healthy");
  });

  test("keeps a release from starting, and stable serving", () => {
    const play = atRest();
    play.objects.change<Service>("Service", "web", (service) => ({
      ...service,
      spec: { ...service.spec, ports: [{ port: 80, targetPort: "http" }] },
    }));
    play.deploy("v2");
    play.until("Failed", "ServicePortMissing").forMs(60_000);
    expect(play.sizes).toEqual({ v1: 4 });
    expect(play.traffic).toEqual({ v1: 1 });
  });

  test("stops no breach of a release that is on its way", () => {
    const play = underWay(25);
    play.source = { kind: "unusable", reason: "QueryVariable", message: "edited in between" };
    play.requests.bad.add("v2");
    play.until("Reverted", "AnalysisFailed");
    expect(play.traffic).toEqual({ v1: 1 });
  });
});

describe("a Service that leads to others", () => {
  const legacy: Deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "legacy", namespace: NAMESPACE },
    spec: { replicas: 4, selector: { matchLabels: { app: "web" } }, template: templateOf("legacy") },
  };

  test("keeps its traffic when it is named instead of ours, by labels that ours lack", () => {
    const play = atRest({ routes: false });
    const spec = { selector: { app: "api" }, ports: [{ port: 80 }] };
    play.objects.create(
      { apiVersion: "v1", kind: "Service", metadata: { name: "api", namespace: NAMESPACE }, spec } as Service,
      play.nowMs,
    );
    play.edit(() => ({ traffic: { service: "api" } }));
    play.until("Failed", "ServiceSelectsOthers").forMs(60_000);
    expect(play.selects("api")).toBe("author");
    play.edit(() => ({ traffic: { service: "web" } }));
    play.until("Healthy").settles();
    expect([play.selects(), play.selects("api"), play.traffic]).toEqual(["all", "author", { v1: 1 }]);
  });

  test("keeps its traffic when it is named later, and becomes ours once it has no other pods", () => {
    const play = atRest({ routes: false, spec: { traffic: undefined } });
    play.objects.create(legacy, play.nowMs);
    play.forMs(1_000);
    play.edit(() => ({ traffic: { service: "web" } }));
    play.until("Failed", "ServiceHasOtherPods").forMs(60_000);
    expect(play.traffic).toEqual({ v1: 0.5, deployment: 0.5 });
    play.edit(() => ({ replicas: 6 }));
    play.forMs(1_000);
    expect(play.sizes).toEqual({ v1: 6 });
    play.objects.change<Deployment>("Deployment", "legacy", ({ spec, ...rest }) => ({
      ...rest,
      spec: { ...spec, replicas: 0 },
    }));
    play.until("Healthy").settles();
    expect([play.selects(), play.traffic]).toEqual(["all", { v1: 1 }]);
  });

  test("keeps its traffic when it is named in a release, which waits, and is taken back as one without a Service", () => {
    const play = atRest({ routes: false, spec: { traffic: undefined } });
    play.objects.create(legacy, play.nowMs);
    play.deploy("v2");
    play.run(({ sizes, status }) => sizes.v2 === 1 && status.progress?.stepReady === true);
    play.edit(() => ({ traffic: { service: "web", routes: [{ httpRoute: { name: "web" } }] } }));
    play.objects.create(routeOf("web"), play.nowMs);
    play.until("Failed", "ServiceHasOtherPods").forMs(600_000);
    expect(play.sizes).toEqual({ v1: 3, v2: 1 });
    play.request("abort");
    play.until("Reverted", "Aborted");
    play.until("Failed", "ServiceHasOtherPods").forMs(60_000);
    expect([play.selects(), play.sizes, play.traffic]).toEqual(["author", { v1: 4 }, { v1: 0.5, deployment: 0.5 }]);
  });
});

test("a first revision that nobody wants pods of is stable all the same, and scales", () => {
  const play = new Play({ spec: { replicas: 0 } });
  play.until("Healthy").settles();
  expect(play.sizes).toEqual({});
  play.edit(() => ({ replicas: 3 }));
  play.settles();
  expect([play.phase, play.sizes]).toEqual(["Healthy", { v1: 3 }]);
});

test("a route that says the Service's own namespace is one, and keeps saying it", () => {
  const play = atRest();
  const rules = [{ backendRefs: [{ name: "web", namespace: NAMESPACE, port: 80 }] }];
  play.objects.change<Route>("HTTPRoute", "web", (route) => ({ ...route, spec: { ...route.spec, rules } }));
  play.deploy("v2");
  play.until("Healthy").settles();
  expect(play.traffic).toEqual({ v2: 1 });
  expect(play.objects.get<Route>("HTTPRoute", "web")?.spec.rules).toEqual(rules);
});
