import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject, Route } from "../../src/api/kubernetes.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { Access, TYPES } from "../cluster/watch.ts";
import { rollout, shop } from "../demo/shop.ts";
import { type Status, Story } from "./story.ts";

/*
 * What a release needs goes away in the middle of it, and comes back: it holds and says why, within five seconds or one interval,
 * and goes on by itself. Each test goes on where the one before ended.
 */

let playground: Playground;
let story: Story;
let load: Load;

const TOLD_WITHIN_MS = 5_000;
/** A Prometheus that is silent is given up after so long. */
const GIVEN_UP_AFTER_MS = 5_000;
const INTERVAL_MS = 1_000;
/** Weights of one pod each: a raise waits for none. */
const UP = [{ weight: 30 }, { pause: {} }, { weight: 50 }];

beforeAll(async () => {
  playground = await Playground.start({ gatewayLagMs: 200 });
  await playground.cluster.apply(shop({ replicas: 2 }));
  story = await Story.begin(playground);
  await story.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await untilServed(playground.gateway.url, "web.example");
  await playground.startOperator();
  load = startLoad(playground.gateway.url, 100, { host: "web.example" });
  await playground.cluster.apply(
    rollout({
      strategy: { canary: { steps: UP, settle: "1s", drain: "1s", scaleDownDelay: "1s" } },
      analysis: { interval: `${INTERVAL_MS / 1_000}s` },
      bake: "2s",
    }),
  );
  await story.phase("Healthy");
}, 1_200_000);

afterAll(async () => {
  await load?.stop();
  await story?.end();
  await playground?.stop();
});

const author = (kind: string) => shop().find((object) => object.kind === kind) as KubeObject;

/** The route named "other" may bear the canary at 0, and no higher. */
const NO_CANARY_IN_OTHER = [
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: "no-canary" },
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ["gateway.networking.k8s.io"],
            apiVersions: ["*"],
            operations: ["UPDATE"],
            resources: ["httproutes"],
          },
        ],
      },
      validations: [
        {
          expression:
            "object.metadata.name != 'other' || object.spec.rules.all(r, r.backendRefs.all(b, b.name == 'web' || b.weight == 0))",
          message: "no canary here",
        },
      ],
    },
  },
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: "no-canary" },
    spec: { policyName: "no-canary", validationActions: ["Deny"] },
  },
];

const reasonOf = ({ conditions = [] }: Status) => conditions.find(({ type }) => type === "Ready")?.reason;

describe.each([
  ["HTTPRoute", "RouteMissing", 'HTTPRoute "web" does not exist', "shop/web:v2"],
  ["Service", "ServiceMissing", 'Service "web" does not exist', "shop/web:v5"],
])("the %s is deleted at a weight of 30 %", (kind, reason, says, image) => {
  test("which is told", async () => {
    await story.release(image);
    await story.phase("Paused");
    await story.kubectl("delete", kind, "web");
    const { message } = await story.until("web", (status) => reasonOf(status) === reason, reason, TOLD_WITHIN_MS);
    expect(message).toContain(says);
  });

  test("and once it is back the release goes on from where it was", async () => {
    await playground.cluster.apply(author(kind));
    await story.phase("Paused");
    expect(story.status().weights?.desired).toBe(30);
    await story.request("promote");
    await story.phase("Healthy");
    expect(story.status().stable?.images).toEqual([image]);
  });
});

describe("a policy refuses the canary in one of two routes", () => {
  test("which is told, and the other is not raised either, not even for a moment", async () => {
    const route = author("HTTPRoute") as Route;
    await playground.cluster.apply(
      [
        {
          ...route,
          metadata: { ...route.metadata, name: "other" },
          spec: { ...route.spec, hostnames: ["other.example"] },
        },
        ...NO_CANARY_IN_OTHER,
      ].map((object) => object as KubeObject),
    );
    await untilServed(playground.gateway.url, "other.example");
    const routes = [{ httpRoute: { name: "web" } }, { httpRoute: { name: "other" } }];
    const spec = { traffic: { service: "web", routes } };
    await story.kubectl("patch", "rollout.zenith.sh/web", "--type=merge", "-p", JSON.stringify({ spec }));
    await story.phase("Healthy");
    const access = new Access(playground.cluster.kubeconfig, "watcher");
    const weights = new Set<number>();
    const seen = await access.watch<Route>(TYPES.httpRoutes);
    seen.subscribe((_type, { spec }) => {
      for (const { name, weight } of spec.rules?.[0]?.backendRefs ?? [])
        if (name === "web-canary") weights.add(weight ?? 1);
    });
    await story.release("shop/web:v7");
    const refused = ({ conditions = [] }: Status) => conditions.some(({ type }) => type === "WriteFailure");
    const { message } = await story.until("web", refused, "WriteFailure");
    expect(message).toContain("no canary here");
    await new Promise((resolve) => setTimeout(resolve, 10_000)); // Some ten tries.
    expect([...weights]).toEqual([0]);
    await access.close();
  });

  test("and once the policy is gone the release goes on", async () => {
    await story.kubectl("delete", "validatingadmissionpolicybinding", "no-canary");
    await story.phase("Paused");
    expect(story.status().conditions?.map(({ type }) => type)).not.toContain("WriteFailure");
    await story.request("promote");
    await story.phase("Healthy");
    expect(story.status().stable?.images).toEqual(["shop/web:v7"]);
  });
});

describe("Prometheus falls silent as a person lets a release go on", () => {
  test("which is told, and no breach: the weight stays", async () => {
    await story.release("shop/web:v6");
    await story.phase("Paused");
    playground.prometheus.signal("SIGSTOP");
    await story.request("promote");
    const patienceMs = GIVEN_UP_AFTER_MS + INTERVAL_MS + TOLD_WITHIN_MS;
    const isTold = (status: Status) => reasonOf(status) === "MetricsUnavailable";
    const { message } = await story.until("web", isTold, "MetricsUnavailable", patienceMs);
    expect(message).toContain("Prometheus did not answer within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 3 * GIVEN_UP_AFTER_MS));
    expect(story.status()).toMatchObject({ phase: "Progressing", weights: { written: 50 } }); // The step that he let begin.
  });

  test("and once it answers the release goes on", async () => {
    playground.prometheus.signal("SIGCONT");
    await story.phase("Healthy");
    expect(story.status().stable?.images).toEqual(["shop/web:v6"]);
    expect(Object.values(load.tallies).some(({ requests }) => requests > 100)).toBe(true);
  });
});
