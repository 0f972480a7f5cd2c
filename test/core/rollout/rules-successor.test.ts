import { describe, expect, test } from "vitest";
import { expectSound, servesAlone } from "./expectations.ts";
import { type atRest, type Play, underWay } from "./play.ts";

const DEADLINE_MS = 600_000;

/** v2 was promoted, and is bad; v1, which it goes back to, has no pod that gets ready. */
function rollingBackInVain(scene: Parameters<typeof atRest>[0] = {}): Play {
  const play = underWay(25, scene)
    .until("Baking")
    .run(({ sizes }) => (sizes.v1 ?? 0) === 0);
  play.ready("v1", 0);
  play.requests.bad.add("v2");
  return play.until("Reverted").forMs(60_000);
}

/** v2 has a quarter of the traffic and is aborted; stable has lost its pods. */
function stranded(): Play {
  const play = underWay(25);
  play.ready("v1", 0);
  play.request("abort");
  return play.until("Reverted").forMs(60_000);
}

describe("rule 7: what a way back leads to, and has no ready pod for the progress deadline, is replaced by the next revision", () => {
  test.each([
    ["with routes", {}],
    ["without routes", { routes: false }],
  ])("in a rollback, %s", (_how, scene) => {
    const play = rollingBackInVain(scene);
    expect(play.named(play.status.message ?? "")).toMatch(
      /^revision v2 is being taken back: .*; waiting for pods of revision v1$/,
    );
    play.deploy("v3");
    play.forget().forMs(DEADLINE_MS - 120_000);
    expect(play.story.join()).not.toContain("v3"); // Whoever waits for v1 has all of the deadline.
    play.until("Healthy").settles();
    servesAlone(play, "v3");
    expectSound(play);
  });

  test("and traffic that waits for stable goes to it", () => {
    const play = stranded();
    expect(play.traffic).toEqual({ nowhere: 0.75, v2: 0.25 });
    play.deploy("v3");
    play.until("Healthy").settles();
    expect({ sizes: play.sizes, traffic: play.traffic }).toEqual({ sizes: { v3: 4 }, traffic: { v3: 1 } });
    expect(play.weights).toEqual({ web: undefined });
  });

  test("unless it gets ready after all", () => {
    const play = rollingBackInVain();
    play.deploy("v3");
    play.forMs(DEADLINE_MS - 120_000);
    play.ready("v1");
    play.run(({ traffic }) => traffic.v1 === 1);
  });

  test("by one that a person pauses or aborts, or that was rejected itself, it is not", () => {
    const paused = rollingBackInVain();
    paused.deploy("v3");
    paused.edit(() => ({ paused: true }));
    paused.forget().forMs(2 * DEADLINE_MS);
    expect(paused.story.join()).not.toContain("v3");
    for (const play of [rollingBackInVain(), stranded()]) {
      play.deploy("v3");
      play.forMs(1_000);
      play.request("abort");
      play.forget().forMs(2 * DEADLINE_MS);
      expect(play.story.join()).not.toContain("v3");
    }
    const rejected = rollingBackInVain(); // v2 is still wanted.
    rejected.forMs(2 * DEADLINE_MS);
    expect(rejected.phase).toBe("Reverted");
    expect(rejected.traffic).toEqual({ v2: 1 });
  });
});
