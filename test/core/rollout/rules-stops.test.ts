import { describe, expect, test } from "vitest";
import type { Route } from "../../../src/api/kubernetes.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, type Play, underWay } from "./play.ts";

/** What others stop a Rollout by: KillSwitches, and flags that follow it. */

const hold = { name: "stop", reason: "it burns", aborts: false };
const abort = { ...hold, aborts: true };
const killed = (play: Play) => play.status.conditions?.find(({ type }) => type === "Killed");

function release(play: Play): Play {
  play.kill = undefined;
  return play;
}

describe("a KillSwitch that holds", () => {
  test("lets no release begin, and lets it begin once it is gone", () => {
    const play = atRest();
    play.kill = hold;
    play.deploy("v2");
    play.forMs(600_000);
    expect([play.phase, play.reason, play.sizes]).toEqual(["Paused", "Killed", { v1: 4 }]);
    expect(play.status.message).toBe('held by KillSwitch "stop": it burns');
    release(play).until("Healthy");
    servesAlone(play, "v2");
    expectSound(play);
  });

  test("lets no weight rise, whoever says promote", () => {
    const play = underWay(25);
    play.kill = hold;
    play.request("promote:full");
    play.forMs(1_200_000);
    expect([play.phase, play.reason]).toEqual(["Paused", "Killed"]);
    expect(play.weights).toEqual({ web: 3, "web-canary": 1 });
    release(play).until("Healthy");
    expectSound(play);
  });

  test("is no reason to leave a breach where it is", () => {
    const play = underWay(25);
    play.kill = hold;
    play.requests.bad.add("v2");
    play.until("Reverted", "AnalysisFailed").settles();
    servesAlone(play, "v1");
  });

  test("does not put back a weight that someone took away", () => {
    const play = underWay(25);
    play.kill = hold;
    play.forMs(30_000);
    play.objects.change<Route>("HTTPRoute", "web", (route) => ({
      ...route,
      spec: { ...route.spec, rules: [{ backendRefs: [{ name: "web", port: 80 }] }] },
    }));
    play.forMs(30_000);
    expect(play.traffic).toEqual({ v1: 1 });
  });

  test("ends by itself when its time is over", () => {
    const play = atRest();
    play.kill = { ...hold, untilMs: play.nowMs + 300_000 };
    play.deploy("v2");
    play.until("Paused");
    const plannedMs = play.last?.checkAgainInMs;
    expect(plannedMs).toBeLessThanOrEqual(300_000);
    expect(plannedMs).toBeGreaterThan(0);
  });

  test("says so at rest too, and is no trouble there", () => {
    const play = atRest();
    play.kill = hold;
    play.step();
    expect([play.phase, killed(play)?.status, killed(play)?.message]).toEqual([
      "Healthy",
      "True",
      'held by KillSwitch "stop": it burns',
    ]);
    release(play).step();
    expect(killed(play)).toBeUndefined();
  });
});

describe("a KillSwitch that aborts", () => {
  test("takes back what is on its way in one pass, and keeps it back until someone says retry", () => {
    const play = underWay(25);
    play.kill = abort;
    play.forget().until("Reverted", "Killed");
    expect(play.story.at(-1)).toMatch(
      /give the canary 0 % \| let the canary Service select revision v1 \| → Reverted Killed$/,
    );
    expect(play.status.message).toContain('aborted by KillSwitch "stop": it burns');
    play.settles();
    release(play).settles();
    servesAlone(play, "v1");
    expect(play.phase).toBe("Reverted");
    play.request("retry");
    play.until("Healthy");
    servesAlone(play, "v2");
  });

  test("holds what is retried beneath it", () => {
    const play = underWay(25);
    play.kill = abort;
    play.until("Reverted").settles();
    play.request("retry");
    play.forMs(60_000);
    expect([play.phase, play.reason, play.traffic]).toEqual(["Paused", "Killed", { v1: 1 }]);
  });

  test("leaves what is promoted to its bake", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Baking");
    play.kill = abort;
    play.until("Healthy");
    servesAlone(play, "v2");
  });
});

describe("a flag that follows the Rollout", () => {
  const reverted = (play: Play, beforeMs = 0) => ({
    name: "new-checkout",
    message: "error-rate 5 %",
    atMs: play.nowMs - beforeMs,
  });

  test("takes a release along when it is reverted", () => {
    const play = underWay(25);
    play.revertedFlag = reverted(play);
    play.until("Reverted", "FlagReverted").settles();
    servesAlone(play, "v1");
    expect(play.status.message).toContain('FeatureFlag "new-checkout" was reverted: error-rate 5 %');
  });

  test("takes a bake along", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Baking").forMs(30_000);
    play.revertedFlag = reverted(play);
    play.until("Reverted", "FlagReverted").settles();
    servesAlone(play, "v1");
  });

  test("that was reverted before this release began means nothing to it", () => {
    const play = atRest();
    play.revertedFlag = reverted(play, 1_000);
    play.deploy("v2");
    play.until("Healthy");
    servesAlone(play, "v2");
  });

  test("takes it along once: retried, the release goes on", () => {
    const play = underWay(25);
    play.revertedFlag = reverted(play);
    play.until("Reverted").settles();
    play.request("retry");
    play.until("Healthy");
    servesAlone(play, "v2");
  });

  test("means nothing once the bake is over", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Healthy").forMs(60_000);
    play.revertedFlag = reverted(play);
    play.forMs(60_000);
    servesAlone(play, "v2");
  });
});
