import { describe, expect, test } from "vitest";
import type { FeatureFlagSpec } from "../../../../src/api/feature-flag.ts";
import { FlagPlay, STEPS } from "./play.ts";

/** What status tells of that is no reason to move anyone. */

const DAY = 86_400_000;

describe("a flag that cannot be served as it stands", () => {
  test.each<[string, FeatureFlagSpec, string, string]>([
    [
      "a segment that is missing",
      { rules: [{ when: [{ segment: "staff" }], serve: "on" }] },
      "SegmentMissing",
      '"staff"',
    ],
    [
      "a prerequisite that is missing",
      { prerequisites: [{ flag: "api", variants: ["on"] }] },
      "PrerequisiteMissing",
      '"api"',
    ],
    ["a flag set of another namespace", { flagSet: "billing/web" }, "FlagSetForeign", "billing/web"],
    [
      "JSONLogic that nobody knows",
      { rules: [{ when: [{ jsonLogic: { explode: [1] } }], serve: "on" }] },
      "ConditionRefused",
      "explode",
    ],
  ])("is Failed with %s, and says what", (_, spec, reason, says) => {
    const play = new FlagPlay(spec);
    play.pass();
    expect([play.phase, play.reason]).toEqual(["Failed", reason]);
    expect(play.status.message).toContain(says);
    expect(play.condition("Stalled")?.status).toBe("True");
    expect(play.notices[0]).toMatch(new RegExp(`^Warning ${reason}: `));
    const { writes } = play;
    play.pass();
    expect(play.writes).toBe(writes);
  });

  test("whose key an older one has says so", () => {
    const play = new FlagPlay();
    play.claimedBy = "checkout";
    play.forMs(60_000);
    expect([play.phase, play.reason, play.treated]).toEqual(["Failed", "KeyTaken", 0]);
    expect(play.status.message).toBe(
      'the older FeatureFlag "checkout" serves key "new-checkout" of flag set "shop"; one of both has to go',
    );
  });

  test("rises no further, is judged all the same, and goes on from there once it is mended", () => {
    const play = new FlagPlay();
    play.until(({ treated }) => treated === 25);
    play.edit(() => ({ rules: [{ when: [{ segment: "staff" }], serve: "on" }] }));
    play.forMs(600_000);
    expect([play.phase, play.status.serving?.weightBp]).toEqual(["Failed", 2500]);
    play.edit(() => ({ rules: [] }));
    play.pass();
    expect([play.phase, play.treated]).toEqual(["Progressing", 25]);
  });

  test("is taken back where it harms", () => {
    const play = new FlagPlay();
    play.until(({ treated }) => treated === 25);
    play.errors = { on: 0.05, off: 0.001 };
    play.forMs(16_000); // Seen, and not yet judged.
    play.edit(() => ({ rules: [{ when: [{ segment: "staff" }], serve: "on" }] }));
    play.request("abort");
    play.pass();
    expect(play.status.override?.reason).toBe("Aborted");
  });
});

describe("a comparison with the time before the ramp", () => {
  const analysis = { ...STEPS.analysis, compare: "beforeAfter" as const };
  const steps = [{ weight: 100 }];
  /** Ten minutes of traffic, then the ramp. */
  const served = () => {
    const play = new FlagPlay({ enabled: false, strategy: { canary: { ...STEPS, steps, analysis, bake: "10m" } } });
    play.forMs(600_000);
    play.edit(() => ({ enabled: true }));
    return play;
  };

  test("says so in status, with what was before", () => {
    const play = served();
    play.until("Baking").forMs(60_000);
    expect(play.status.analysis?.compare).toBe("beforeAfter");
    expect(play.status.analysis?.before?.["error-rate"]).toBeCloseTo(0.001, 3);
    expect(play.status.analysis?.metrics?.[0]?.message).toMatch(/, before 0\.\d+ %$/);
  });

  test("takes it back when the whole service breaches the limit, three times in a row", () => {
    const play = served();
    play.until("Baking");
    play.errors = { on: 0.05, off: 0.05 };
    const sinceMs = play.nowMs;
    play.until("Reverted");
    expect(play.status.message).toMatch(/: 3 times in a row$/);
    expect(play.nowMs - sinceMs).toBeGreaterThanOrEqual(30_000);
  });

  test("holds where it was as bad before", () => {
    const play = new FlagPlay({ enabled: false, strategy: { canary: { ...STEPS, steps, analysis, bake: "10m" } } });
    play.errors = { on: 0.05, off: 0.05 };
    play.forMs(600_000);
    play.edit(() => ({ enabled: true }));
    play.forMs(300_000);
    expect(play.phase).not.toBe("Reverted");
    expect(play.treated).toBe(100);
    expect(play.status.analysis?.metrics?.[0]).toMatchObject({ verdict: "Hold" });
  });
});

describe("the ratio of users", () => {
  test("is as weighted where they come as they should", () => {
    const play = new FlagPlay();
    play.until(({ treated }) => treated === 25).forMs(100_000);
    expect(play.condition("SampleRatioMismatch")?.status ?? "False").toBe("False");
    expect(play.phase).toBe("Progressing");
  });

  test("is an alarm where half of the treated stay away, and no reason to revert", () => {
    const play = new FlagPlay({ strategy: { canary: { ...STEPS, steps: [{ weight: 25 }, { pause: {} }] } } });
    play.appetite = 0.5;
    play.until(({ condition }) => condition.call(play, "SampleRatioMismatch")?.status === "True");
    expect(play.condition("SampleRatioMismatch")?.message).toMatch(
      /^14 % of \d+ requests came with the variant, and 25 % of the users should get it: do requests lack/,
    );
    play.forMs(600_000);
    expect([play.phase, play.treated]).toEqual(["Paused", 25]);
  });

  test("is not asked for where rules give the variant too", () => {
    const play = new FlagPlay({
      strategy: { canary: { ...STEPS, steps: [{ weight: 25 }, { pause: {} }] } },
      rules: [{ when: [{ attribute: "beta", is: true }], serve: "on" }],
    });
    play.appetite = 0.5;
    play.forMs(1_200_000);
    expect(play.condition("SampleRatioMismatch")).toBeUndefined();
  });
});

describe("Stale", () => {
  test("is a flag whose time has come; it is served as before", () => {
    const expires = "2026-01-15T00:00:00Z";
    const play = new FlagPlay({
      strategy: {
        percentage: {
          weights: [
            { variant: "on", weight: 10 },
            { variant: "off", weight: 90 },
          ],
        },
      },
      lifecycle: { expires, owner: "team-checkout" },
    });
    play.forMs(DAY);
    expect(play.condition("Stale")?.status).toBe("False");
    play.forMs(2 * DAY);
    expect(play.condition("Stale")).toMatchObject({
      status: "True",
      reason: "Expired",
      message: `it should be gone from the code since ${expires}; ask team-checkout`,
    });
    expect(play.phase).toBe("Healthy");
  });

  test("is a release that everyone has for thirty days", () => {
    const play = new FlagPlay({ strategy: { allAtOnce: { variant: "on" } } });
    play.forMs(29 * DAY);
    expect(play.condition("Stale")?.status).toBe("False");
    play.forMs(2 * DAY);
    expect(play.condition("Stale")).toMatchObject({ status: "True", reason: "Settled" });
  });

  test.each<[string, Partial<FeatureFlagSpec>]>([
    ["is permanent", { lifecycle: { permanent: true } }],
    ["is an operator's", { class: "ops" }],
    ["is an emergency's", { class: "killSwitch" }],
    ["is an experiment", { class: "experiment" }],
    ["treats by rules", { rules: [{ when: [{ attribute: "beta", is: true }], serve: "on" }] }],
  ])("is none that %s", (_, spec) => {
    const play = new FlagPlay({ strategy: { allAtOnce: { variant: "on" } }, ...spec });
    play.forMs(60 * DAY);
    expect(play.condition("Stale")?.status).toBe("False");
  });
});

describe("Delivered", () => {
  const all = { asked: 2, silent: 0, servers: 2, clients: 12, acked: 12, overdue: 0, p99Ms: 180 };
  test.each([
    [
      "every client has it",
      {},
      "True",
      "Delivered",
      "all of 12 connected clients have it, within 180 ms, from 2 flag servers",
    ],
    ["nobody is connected", { clients: 0, acked: 0 }, "True", "Delivered", "no client is connected to 2 flag servers"],
    ["one does not yet", { acked: 11 }, "False", "Delivering", "11 of 12 clients have it"],
    [
      "one has been put away",
      { acked: 11, overdue: 1 },
      "True",
      "Delivered",
      "11 of 12 connected clients have it, within 180 ms, from 2 flag servers; the others were told and have not fetched it",
    ],
    ["one server has it", { servers: 1, acked: 6 }, "False", "Delivering", "1 of 2 flag servers serve it"],
    [
      "no server has it",
      { servers: 0, clients: 0, acked: 0 },
      "False",
      "NoServer",
      "no flag server serves this version yet",
    ],
    [
      "one server is silent",
      { servers: 1, silent: 1 },
      "False",
      "ServerSilent",
      "1 of 2 flag servers does not say what it has delivered",
    ],
    [
      "all are silent",
      { servers: 0, silent: 2, clients: 0, acked: 0 },
      "False",
      "ServerSilent",
      "none of 2 flag servers says what it has delivered",
    ],
  ])("says whether %s", (_, change, status, reason, message) => {
    const play = new FlagPlay({});
    play.delivery = { ...all, ...change };
    play.pass();
    expect(play.condition("Delivered")).toMatchObject({ status, reason, message });
    expect(play.awaits === undefined).toBe(status === "True");
  });

  test("is False from the first pass that sees a change until it has arrived, and then asked for no more", () => {
    const play = new FlagPlay({});
    play.delivery = "unknown";
    play.pass();
    expect(play.condition("Delivered")).toMatchObject({ status: "False", reason: "Delivering" });
    expect(play.awaits).toMatchObject({ flagSet: "shop", key: "new-checkout" });
    play.delivery = all;
    play.pass();
    expect(play.condition("Delivered")?.status).toBe("True");
    // A server that is new, a client that is slow, another operator: what was delivered stays so, at no cost.
    const { writes } = play;
    for (const later of [{ ...all, clients: 13, servers: 1 }, "unknown"] as const) {
      play.delivery = later;
      play.pass();
      expect([play.writes, play.awaits]).toEqual([writes, undefined]);
    }
    play.edit(() => ({ targets: [{ variant: "on", keys: ["ann"] }] }));
    play.pass();
    expect(play.condition("Delivered")).toMatchObject({ status: "False", message: "the flag servers are being asked" });
  });

  test("is False in the very write that raises a weight", () => {
    const play = new FlagPlay({ strategy: { canary: { ...STEPS, analysis: { disabled: true } } } });
    play.delivery = all;
    const told: (string | undefined)[] = [];
    let before = 0;
    play.until(({ flag, phase }) => {
      const weightBp = flag.status?.serving?.weightBp ?? 0;
      if (weightBp > before) told.push(play.condition("Delivered")?.status);
      before = weightBp;
      return phase === "Healthy";
    });
    expect(told.length).toBeGreaterThan(1);
    expect(new Set(told)).toEqual(new Set(["False"]));
  });

  test.each([
    ["nobody is asked", { delivery: undefined }],
    ["another flag has its key", { delivery: all, claimedBy: "older" }],
  ])("is not there where %s", (_, change) => {
    const play = Object.assign(new FlagPlay({}), change);
    play.pass();
    expect(play.condition("Delivered")).toBeUndefined();
  });
});

test("history is bounded", () => {
  const play = new FlagPlay({});
  for (let i = 0; i < 40; i++) {
    play.edit(() => ({ targets: [{ variant: "on", keys: [`user-${i}`] }] }));
    play.pass();
  }
  expect(play.status.history).toHaveLength(20);
  expect(play.status.history?.[0]?.what).toBe("Edited");
});
