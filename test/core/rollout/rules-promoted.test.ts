import { describe, expect, test } from "vitest";
import type { EndpointSlice } from "../../../src/api/kubernetes.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, type Play, underWay } from "./play.ts";

/** v2 bakes, and v1 has no pods any more. */
function bakingAlone(scene: Parameters<typeof atRest>[0] = {}): Play {
  const play = underWay(25, scene);
  return play.until("Baking").run(({ sizes }) => (sizes.v1 ?? 0) === 0);
}

describe("rule 5: the hand-over", () => {
  test("waits until no old pod is left in the Service's slices", () => {
    const play = underWay(25);
    play.run(({ status }) => status.weights?.written === 100);
    play.manners.slices = "stand";
    play.run(({ status }) => status.progress?.stage === "HandingOver");
    play.forget().forMs(300_000);
    expect(play.story).toEqual([]);
    expect(play.weights).toEqual({ web: 0, "web-canary": 1 });
    play.manners.slices = "follow";
    play.until("Baking");
    expectSound(play);
  });

  test("waits until every pod with the canary's traffic is in the Service's slices", () => {
    const play = underWay(25);
    play.run(({ status }) => status.weights?.written === 100);
    play.manners.slices = "stand";
    play.run(({ status }) => status.progress?.stage === "HandingOver");
    const canary = play.objects.get<EndpointSlice>("EndpointSlice", "web-canary")?.endpoints ?? [];
    play.objects.change<EndpointSlice>("EndpointSlice", "web", (slice) => ({ ...slice, endpoints: canary.slice(1) }));
    play.forget().forMs(60_000);
    expect(play.story).toEqual([]);
    play.manners.slices = "follow";
    play.until("Baking");
  });

  test("the old side stays full for scaleDownDelay", () => {
    const play = underWay(25).until("Baking").forget();
    play.forMs(29_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 4 });
    play.forMs(3_000);
    expect(play.sizes).toEqual({ v2: 4 });
  });

  test("and no longer, also when a third revision is on its way by then", () => {
    const play = underWay(25, { spec: { bake: "1h" } }).until("Baking");
    play.deploy("v3");
    play.forget().forMs(29_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 4, v3: 1 });
    play.forMs(3_000);
    expect(play.sizes).toEqual({ v2: 4, v3: 1 });
    play.deploy("v1");
    play.until("Healthy").settles();
    servesAlone(play, "v1");
  });

  test("a pause by request does not stop half way through it", () => {
    const play = underWay(25);
    play.run(({ status }) => status.progress?.stage === "HandingOver");
    play.request("pause");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });
});

describe("rule 5: the bake", () => {
  test("lasts as long as it should, and not longer", () => {
    const play = underWay(25).until("Baking").forget();
    play.forMs(295_000);
    expect(play.phase).toBe("Baking");
    play.forMs(10_000);
    expect(play.phase).toBe("Healthy");
  });

  test("an outage of Prometheus is no answer: it goes on until there is one", () => {
    const play = underWay(25).until("Baking");
    play.prometheus = "unreachable";
    play.forMs(3_600_000);
    expect(play.phase).toBe("Baking");
    play.prometheus = "answers";
    play.until("Healthy");
    expectSound(play);
  });

  test("is one step for the judge: what it saw adds up", () => {
    const play = underWay(25).until("Baking").forMs(200_000);
    const [errors] = play.status.analysis?.metrics ?? [];
    expect([errors?.verdict, play.last?.memory?.state.metrics["error-rate"]?.step.counts[0]]).toEqual(["Pass", 84_000]);
  });

  test("no data for long enough takes it back, where the user wants that", () => {
    const play = underWay(25, { spec: { bake: "1h", analysis: { onNoData: { after: "5m", then: "revert" } } } });
    play.until("Baking");
    play.prometheus = "empty";
    play.until("Reverted", "NoData").settles();
    servesAlone(play, "v1");
  });

  test("what stable showed too is no breach", () => {
    const play = atRest();
    play.requests.badShare = 0.02; // The limit is 0.01.
    play.requests.bad.add("v1").add("v2");
    play.deploy("v2");
    play.run(({ reason }) => reason === "Pausing").forMs(90_000);
    play.request("promote:full");
    play.until("Baking").until("Healthy");
    expectSound(play);
  });

  test("a rollback without progress gets room after a minute: the new one shrinks", () => {
    const play = bakingAlone();
    play.ready("v1", 0); // A full quota, say.
    play.requests.bad.add("v2");
    play.until("Reverted").forMs(50_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 4 });
    play.forMs(30_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 3 });
    play.ready("v1", 1);
    play.forMs(30_000);
    expect(play.sizes).toEqual({ v1: 4, v2: 2 });
    expect(play.selects()).toBe("v2");
    play.ready("v1");
    play.settles();
    servesAlone(play, "v1");
  });

  test("what is ready of the earlier one takes over before the last of the bad pods makes room", () => {
    const play = bakingAlone();
    play.ready("v1", 0);
    play.requests.bad.add("v2");
    play.until("Reverted").forMs(70_000);
    play.ready("v1", 3); // The fourth needs the room of the last of the others.
    play.run(() => (play.sizes.v2 ?? 0) === 0);
    expect(play.selects()).toBe("v1");
    play.ready("v1");
    play.settles();
    servesAlone(play, "v1"); // And its pods went once they were drained, as `expectSound` asks.
  });

  test("a third revision that comes in a rollback waits for its end", () => {
    const play = bakingAlone();
    play.ready("v1", 0);
    play.requests.bad.add("v2");
    play.until("Reverted");
    play.deploy("v3");
    play.forMs(30_000);
    expect(play.sizes.v3).toBeUndefined();
    play.ready("v1");
    play.until("Healthy").settles();
    servesAlone(play, "v3");
  });

  test("what was rolled back is rejected: it does not come again by itself", () => {
    const play = bakingAlone();
    play.requests.bad.add("v2");
    play.until("Reverted").settles();
    play.requests.bad.clear();
    play.deploy("v1");
    play.until("Healthy").settles();
    play.deploy("v2");
    play.until("Reverted").settles();
    servesAlone(play, "v1");
    play.request("retry");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("of several that breach at once the one promoted last goes back first, and the others are judged anew", () => {
    const play = bakingAlone();
    play.rollingBackLater = { rollout: "cart", sinceMs: play.nowMs };
    play.requests.bad.add("v2");
    play.until("Baking", "AnotherGoesBackFirst");
    play.requests.bad.clear(); // It was the other one's doing.
    play.forMs(30_000);
    play.rollingBackLater = undefined;
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("and it goes back itself where that did not help", () => {
    const play = bakingAlone();
    play.rollingBackLater = { rollout: "cart", sinceMs: play.nowMs };
    play.requests.bad.add("v2");
    play.until("Baking", "AnotherGoesBackFirst").forMs(30_000);
    play.rollingBackLater = undefined;
    play.until("Reverted").settles();
    servesAlone(play, "v1");
  });

  test("another one that makes no progress is not waited for beyond the deadline", () => {
    const play = bakingAlone({ spec: { bake: "1h", progressDeadline: "5m" } });
    play.rollingBackLater = { rollout: "cart", sinceMs: play.nowMs };
    play.requests.bad.add("v2");
    play.until("Baking", "AnotherGoesBackFirst");
    play.until("Reverted").settles();
    servesAlone(play, "v1");
  });

  test("what stable showed in its last step is still known after that", () => {
    const play = atRest({ spec: { bake: "1h" } });
    play.requests.badShare = 0.02; // The limit is 0.01.
    play.requests.bad.add("v1").add("v2");
    play.deploy("v2");
    play.run(({ reason }) => reason === "Pausing").forMs(90_000);
    play.request("promote:full");
    play.until("Baking").run(({ sizes }) => (sizes.v1 ?? 0) === 0);
    play.rollingBackLater = { rollout: "cart", sinceMs: play.nowMs };
    play.requests.badShare = 0.3;
    play.until("Baking", "AnotherGoesBackFirst");
    play.requests.badShare = 0.02;
    play.forMs(30_000);
    play.rollingBackLater = undefined;
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("analysis that is turned off does not judge", () => {
    const play = underWay(25, { spec: { analysis: { disabled: true } } });
    play.requests.bad.add("v2");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test.each([true, false])("bake 0s: Healthy at once (with routes: %s)", (routes) => {
    const play = underWay(25, { routes, spec: { bake: "0s" } });
    play.run(({ phase }) => phase === "Healthy").settles();
    servesAlone(play, "v2");
  });
});
