import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Load, startLoad, type Tallies, untilServed } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { deployment, rollout, shop } from "../demo/shop.ts";
import { Story } from "./story.ts";

/*
 * A plain Deployment under 200 requests/s on kept-alive connections, behind a gateway that is a second late: adopted,
 * released, reverted in a step, in the hand-over and in the bake, and handed back. Each test goes on where the one before
 * ended. No request may fail but those that a bad version itself answered.
 */

let playground: Playground;
let story: Story;
let load: Load;

const STEPS = [{ weight: 10 }, { weight: 50 }];
const DRAIN = "3s";

beforeAll(async () => {
  playground = await Playground.start({ gatewayLagMs: 1_000 });
  await playground.cluster.apply(shop({ replicas: 3 }));
  story = await Story.begin(playground);
  await story.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await playground.startOperator();
  await untilServed(playground.gateway.url, "web.example");
  load = startLoad(playground.gateway.url, 200, { host: "web.example" });
}, 1_200_000);

afterAll(async () => {
  await load?.stop();
  await story?.end();
  await playground?.stop();
});

/** Failures that no bad version answered; `bad` is the tag of the one that may. */
function strangers(tallies: Tallies, bad?: string): Tallies {
  return Object.fromEntries(Object.entries(tallies).filter(([who, { failed }]) => failed > 0 && who !== bad));
}

function requests(tallies: Tallies): number {
  return Object.values(tallies).reduce((sum, tally) => sum + tally.requests, 0);
}

/** Asserts that nobody was hurt since the last call but by `bad`, and that there was traffic at all. */
function expectUnhurt(bad?: string): Tallies {
  const seen = load.lap();
  expect({ strangers: strangers(seen, bad), faults: load.faults }).toEqual({ strangers: {}, faults: [] });
  expect(requests(seen)).toBeGreaterThan(200);
  return seen;
}

describe("under 200 requests/s and a gateway lag of 1 s", () => {
  test("a Deployment is adopted", async () => {
    await playground.cluster.apply(
      rollout({
        strategy: { canary: { steps: STEPS, settle: "2s", drain: DRAIN, scaleDownDelay: "5s" } },
        analysis: { interval: "1s" },
        bake: "20s",
      }),
    );
    await story.phase("Healthy");
    const { spec } = await story.read("deployment", "web");
    expect(spec).toMatchObject({ replicas: 0 });
    expectUnhurt();
    await settled();
  });

  test("a good version is released", async () => {
    await story.release("shop/web:v2");
    await story.phase("Baking");
    await story.phase("Healthy");
    const seen = expectUnhurt();
    expect(seen.v2?.requests).toBeGreaterThan(200);
  });

  test("a bad one is reverted in a step", async () => {
    await story.release("shop/web:v3");
    const { rejected } = await story.phase("Reverted");
    expect(rejected?.message).toContain("error-rate");
    await settled();
    expectUnhurt("v3");
  });

  test("an abort in the hand-over brings stable back", async () => {
    await story.release("shop/web:v5");
    await story.until("web", ({ progress }) => progress?.stage === "HandingOver", "the hand-over");
    await story.request("abort");
    await story.until("web", ({ phase }) => phase === "Reverted", "the abort");
    await settled();
    const seen = expectUnhurt();
    expect(seen.v5?.requests).toBeGreaterThan(200);
    expect(Object.keys(await servedNow())).toEqual(["v2"]);
  });

  test("one that turns bad in the hand-over never becomes stable", async () => {
    await drain("10s"); // Or it might be over before enough of the bad answers are counted.
    const env = { ERROR_FILE: playground.cluster.path("v7-turns-bad"), ERROR_RATE: "0.5" };
    await playground.cluster.apply(deployment({ replicas: 0, image: "shop/web:v7", env }));
    await story.until("web", ({ progress }) => progress?.stage === "HandingOver", "the hand-over");
    writeFileSync(env.ERROR_FILE, "");
    const { rejected, history } = await story.phase("Reverted");
    expect(rejected?.message).toContain("error-rate");
    expect(history?.filter(({ result }) => result === "Promoted").map(({ images }) => images[0])).not.toContain(
      "shop/web:v7",
    );
    await settled();
    await drain(DRAIN);
    expectUnhurt("v7");
    expect(Object.keys(await servedNow())).toEqual(["v2"]);
  });

  test("one that turns bad in its bake is rolled back", async () => {
    const file = playground.cluster.path("v6-turns-bad");
    await playground.cluster.apply(deployment({ replicas: 0, image: "shop/web:v6", env: { ERROR_FILE: file } }));
    await story.phase("Baking");
    writeFileSync(file, "");
    await story.phase("Reverted");
    await settled();
    expectUnhurt("v6");
    expect(Object.keys(await servedNow())).toEqual(["v2"]);
  });

  test("deleting the Rollout hands the Deployment back", async () => {
    await story.kubectl("delete", "rollout.zenith.sh/web", "--timeout=90s");
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expectUnhurt();
    const { spec } = await story.read("deployment", "web");
    expect(spec).toMatchObject({ replicas: 3 });
    expect(spec.paused ?? false).toBe(false);
    await story.kubectl("wait", "--for=delete", "replicasets", "-l", "zenith.sh/rollout=web", "--timeout=30s");
    expect((await story.read("service", "web")).spec).toMatchObject({ selector: { app: "web" } });
  });
});

async function drain(time: string): Promise<void> {
  const spec = { strategy: { canary: { drain: time } } };
  await story.kubectl("patch", "rollout.zenith.sh/web", "--type=merge", "-p", JSON.stringify({ spec }));
}

/** Until the way back is at its end: no canary is left, and nothing is being waited for. */
async function settled(): Promise<void> {
  await story.until(
    "web",
    ({ progress }) => progress?.stage === "Resting" && progress.mark === "resting",
    "the way back to end",
  );
  await new Promise((resolve) => setTimeout(resolve, 3_000));
}

/** Who answers within the next second. */
async function servedNow(): Promise<Tallies> {
  load.lap();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return load.lap();
}
