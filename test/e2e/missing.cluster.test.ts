import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
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
const UP = [{ weight: 50 }, { pause: {} }, { weight: 80 }];

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

const reasonOf = ({ conditions = [] }: Status) => conditions.find(({ type }) => type === "Ready")?.reason;

describe.each([
  ["HTTPRoute", "RouteMissing", 'HTTPRoute "web" does not exist', "shop/web:v2"],
  ["Service", "ServiceMissing", 'Service "web" does not exist', "shop/web:v5"],
])("the %s is deleted at a weight of 50 %", (kind, reason, says, image) => {
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
    expect(story.status().weights?.desired).toBe(50);
    await story.request("promote");
    await story.phase("Healthy");
    expect(story.status().stable?.images).toEqual([image]);
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
    expect(story.status()).toMatchObject({ phase: "Progressing", weights: { written: 80 } }); // The step that he let begin.
  });

  test("and once it answers the release goes on", async () => {
    playground.prometheus.signal("SIGCONT");
    await story.phase("Healthy");
    expect(story.status().stable?.images).toEqual(["shop/web:v6"]);
    expect(Object.values(load.tallies).some(({ requests }) => requests > 100)).toBe(true);
  });
});
