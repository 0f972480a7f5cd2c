import { describe, expect, test } from "vitest";
import type { Route, Service } from "../../../src/api/kubernetes.ts";
import { atRest, NAMESPACE, Play, underWay } from "./play.ts";

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
