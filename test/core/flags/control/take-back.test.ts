import { describe, expect, test } from "vitest";
import type { RolloutStatus } from "../../../../src/api/rollout.ts";
import { FlagPlay, START_MS, STEPS } from "./play.ts";

/** How a flag is taken back, and what brings it back again. */

function at25(play = new FlagPlay()): FlagPlay {
  return play.until(({ treated }) => treated === 25);
}

/** At 25 %, its users get 5 % errors. */
function harmed(change: Partial<typeof STEPS> = {}): FlagPlay {
  const play = at25(new FlagPlay({ strategy: { canary: { ...STEPS, ...change } } }));
  play.errors = { on: 0.05, off: 0.001 };
  return play;
}

describe("harm", () => {
  test("takes everyone back to safe in the pass that judged it, and says why", () => {
    const play = harmed();
    const sinceMs = play.nowMs;
    play.until("Reverted");
    expect(play.treated).toBe(0);
    expect(play.nowMs - sinceMs).toBeLessThanOrEqual(60_000);
    expect(play.reason).toBe("AnalysisFailed");
    expect(play.status.message).toMatch(
      /^"off" is served: error-rate \d\.\d % \(\d+\/\d+\), control 0\.\d+ %: evidence [\d,]+:1, revert at 100:1$/,
    );
    expect(play.status.override).toMatchObject({ kind: "revert", servedHash: play.status.servedHash });
    expect(play.status.serving).toBeUndefined();
    expect(play.notices.at(-1)).toMatch(/^Warning Reverted: "off" is served: error-rate/);
    expect([play.condition("Ready")?.status, play.condition("Stalled")?.status]).toEqual(["False", "True"]);
    expect(play.status.display?.serves).toBe("off (reverted)");
  });

  test("of both variants alike holds, and takes nobody back", () => {
    const play = at25();
    play.errors = { on: 0.05, off: 0.05 };
    play.forMs(20 * 60_000);
    expect([play.treated, play.reason]).toEqual([25, "BothVersionsBad"]);
  });

  test("in the bake takes it back too", () => {
    const play = new FlagPlay();
    play.until("Baking");
    play.errors = { on: 0.05, off: 0.001 };
    play.until("Reverted");
    expect(play.treated).toBe(0);
  });

  test("after the bake is no longer looked for", () => {
    const play = new FlagPlay();
    play.until("Healthy").forMs(60_000);
    play.errors = { on: 0.5, off: 0 };
    play.forMs(1_800_000);
    expect(play.treated).toBe(100);
  });

  test("is not forgotten by a process that dies before it could write", () => {
    const play = harmed();
    play.forMs(14_000); // The scrape has it, and nobody has looked yet.
    for (let i = 0; i < 20 && play.phase !== "Reverted"; i++) {
      play.pass(false);
      play.restart();
      play.forMs(31_000);
    }
    expect(play.phase).toBe("Reverted");
  });

  test("that a KillSwitch has stopped meanwhile is found when it is released", () => {
    const play = harmed();
    play.prometheus = "unreachable";
    play.forMs(75_000);
    play.kill();
    play.prometheus = "answers";
    play.forMs(60_000);
    expect([play.phase, play.treated]).toEqual(["Killed", 0]);
    play.errors = { on: 0, off: 0.001 };
    play.release();
    play.until("Reverted", 40_000);
  });
});

describe("onFailure", () => {
  test("gracefulRevert lets the last in go first, over as long as the way there took, and nobody new comes", () => {
    const play = harmed({ onFailure: "gracefulRevert" });
    play.until("Reverted");
    const { pivot, at } = play.status.override ?? {};
    expect(pivot).toMatchObject({ weightBp: 2500, at });
    const tookMs = Date.parse(at ?? "") - START_MS;
    expect(Date.parse(pivot?.until ?? "") - Date.parse(at ?? "")).toBe(tookMs);
    expect(play.status.message).toMatch(/^on the way back from 25 % to "off" until /);
    play.forMs(tookMs + 1_000);
    expect(play.status.message).toMatch(/^"off" is served/);
    expect(play.treated).toBe(0);
    expect(play.phase).toBe("Reverted");
  });

  test("pause lets nobody new in, until a person says that it may go on", () => {
    const play = harmed({ onFailure: "pause" });
    play.until("Paused");
    expect([play.treated, play.reason]).toEqual([25, "AnalysisFailed"]);
    play.forMs(1_800_000);
    expect([play.phase, play.treated]).toEqual(["Paused", 25]);
    play.errors = { on: 0.001, off: 0.001 };
    play.request("promote");
    play.until("Baking");
  });

  test("pause stays one after a restart", () => {
    const play = harmed({ onFailure: "pause" });
    play.until("Paused");
    play.restart();
    play.forMs(600_000);
    expect([play.phase, play.reason, play.treated]).toEqual(["Paused", "AnalysisFailed", 25]);
  });

  test("notify tells once, and lets it rise", () => {
    const play = harmed({ onFailure: "notify" });
    play.until("Baking");
    expect(play.notices.filter((notice) => notice.startsWith("Warning AnalysisFailed"))).toHaveLength(1);
  });
});

describe("no data, and too few requests", () => {
  test("hold, as an outage of Prometheus does; nobody is taken back by them", () => {
    for (const prometheus of ["empty", "unreachable"] as const) {
      const play = at25();
      play.prometheus = prometheus;
      play.forMs(2_400_000);
      expect([prometheus, play.phase, play.treated]).toEqual([prometheus, "Progressing", 25]);
    }
  });

  test("take it back where the spec says so", () => {
    const play = at25(
      new FlagPlay({
        strategy: { canary: { ...STEPS, analysis: { ...STEPS.analysis, onNoData: { after: "2m", then: "revert" } } } },
      }),
    );
    play.prometheus = "empty";
    play.until("Reverted");
    expect(play.reason).toBe("NoData");
  });

  test("do not end a bake", () => {
    const play = new FlagPlay();
    play.until("Baking");
    play.prometheus = "unreachable";
    play.forMs(1_800_000);
    expect(play.phase).toBe("Baking");
    play.prometheus = "answers";
    play.until("Healthy");
  });
});

describe("what was taken back", () => {
  function reverted(): FlagPlay {
    const play = harmed();
    play.until("Reverted");
    play.errors = { on: 0.001, off: 0.001 };
    return play;
  }

  test.each<[string, Parameters<FlagPlay["edit"]>[0]]>([
    ["nothing at all", () => ({})],
    ["its owner", () => ({ lifecycle: { owner: "team-b" } })],
    ["its description", () => ({ description: "better" })],
    [
      "its steps",
      ({ strategy }) => ({
        strategy: { canary: { ...(strategy?.canary ?? STEPS), steps: [{ weight: 50 }, { pause: {} }] } },
      }),
    ],
    ["its schedule", () => ({ schedule: { windows: [{ from: "00:00", to: "24:00" }] } })],
  ])("stays back when someone edits %s", (_, change) => {
    const play = reverted();
    play.edit(change);
    play.forMs(1_800_000);
    expect([play.phase, play.treated]).toEqual(["Reverted", 0]);
    expect(play.condition("Ready")?.observedGeneration).toBe(2);
  });

  test.each<[string, Parameters<FlagPlay["edit"]>[0]]>([
    ["what a rule serves", () => ({ rules: [{ when: [{ attribute: "beta", is: true }], serve: "on" }] })],
    [
      "a variant's value",
      () => ({ variants: { boolean: { on: true, off: false, late: true } }, defaultVariant: "off" }),
    ],
  ])("comes again, from nobody and judged anew, when someone changes %s", (_, change) => {
    const play = reverted();
    play.edit(change);
    play.pass();
    expect(play.status.override).toBeUndefined();
    expect(play.status.serving?.weightBp).toBe(0);
    play.until("Baking");
    expect(play.status.serving?.weightBp).toBe(10_000);
  });

  test("stays back when the same manifest is applied again", () => {
    const play = reverted();
    for (let i = 0; i < 5; i++) {
      play.edit((spec) => ({ ...spec }));
      play.forMs(60_000);
    }
    expect([play.phase, play.treated]).toEqual(["Reverted", 0]);
  });

  test("comes again, from nobody, when someone says retry", () => {
    const play = reverted();
    play.request("retry");
    play.pass();
    expect(play.treated).toBe(0);
    expect(play.status.lastRequest?.result).toBe("accepted");
    play.until("Healthy");
  });

  test("goes back again where it harms again", () => {
    const play = reverted();
    play.errors = { on: 0.05, off: 0.001 };
    play.request("retry");
    play.until(({ treated }) => treated === 5);
    play.until("Reverted");
  });

  test("does not come again by a request that was answered before its status was lost", () => {
    const play = at25();
    play.request("promote:full");
    play.until("Baking");
    play.loseStatus();
    play.pass();
    expect(play.status.lastRequest?.result).toMatch(/^refused: no ramp is on its way/);
    expect(play.treated).toBe(0);
  });
});

describe("a Rollout that the flag follows", () => {
  const follows = (revertTogether?: "none" | "flag" | "rollout" | "both") =>
    new FlagPlay({
      strategy: { canary: STEPS },
      rolloutRef: { name: "web", ...(revertTogether === undefined ? {} : { revertTogether }) },
    });
  const well: RolloutStatus = { phase: "Healthy" };
  const rejected = (play: FlagPlay): RolloutStatus => ({
    phase: "Reverted",
    rejected: {
      revision: "abc",
      reason: "AnalysisFailed",
      message: "error-rate 9 %",
      at: new Date(play.nowMs).toISOString(),
    },
  });

  test("that is missing is said, and nothing rises", () => {
    const play = follows();
    play.forMs(60_000);
    expect([play.phase, play.reason, play.treated]).toEqual(["Failed", "RolloutMissing", 0]);
    expect(play.status.message).toBe('Rollout "web" does not exist; create it, or take spec.rolloutRef out');
    play.rolloutIs(well);
    play.until(({ treated }) => treated === 5);
  });

  test.each(["Pending", "Progressing", "Paused", "Reverted", "Failed"])("that is %s holds it where it is", (phase) => {
    const play = follows();
    play.rolloutIs(well);
    at25(play);
    play.rolloutIs({ phase });
    play.forMs(1_800_000);
    expect([play.treated, play.reason]).toEqual([25, "RolloutNotHealthy"]);
    play.rolloutIs({ phase: "Baking" });
    play.until(({ treated }) => treated === 100);
  });

  test("whose status is of an older generation holds it", () => {
    const play = follows();
    play.rolloutIs({ phase: "Healthy", observedGeneration: 0 });
    play.forMs(600_000);
    expect([play.treated, play.reason]).toEqual([0, "RolloutNotHealthy"]);
  });

  test.each(["flag", "both"] as const)("takes it along when it is reverted, with revertTogether %s", (together) => {
    const play = follows(together);
    play.rolloutIs(well);
    at25(play);
    play.rolloutIs(rejected(play));
    play.pass();
    expect([play.phase, play.reason, play.treated]).toEqual(["Reverted", "RolloutReverted", 0]);
    expect(play.status.message).toBe('"off" is served: Rollout "web" was reverted: error-rate 9 %');
  });

  test.each(["none", "rollout"] as const)("leaves it where it is, with revertTogether %s", (together) => {
    const play = follows(together);
    play.rolloutIs(well);
    at25(play);
    play.rolloutIs(rejected(play));
    play.forMs(600_000);
    expect(play.treated).toBe(25);
  });

  test("takes it along once: retried, it waits until the Rollout is well", () => {
    const play = follows("both");
    play.rolloutIs(well);
    at25(play);
    play.rolloutIs(rejected(play));
    play.until("Reverted").forMs(60_000);
    play.request("retry");
    play.forMs(600_000);
    expect([play.phase, play.reason, play.treated]).toEqual(["Progressing", "RolloutNotHealthy", 0]);
    play.rolloutIs(well);
    play.until("Baking");
  });

  test("keeps a flag back that nothing is known of, while it is reverted", () => {
    const play = follows("flag");
    play.rolloutIs(rejected(play));
    play.pass();
    expect(play.phase).toBe("Reverted");
  });
});
