import { describe, expect, test } from "vitest";
import { FlagPlay, START_MS, STEPS } from "./play.ts";

/** How a flag reaches its users when nothing goes wrong, and what it waits for. */

describe("a ramp that goes well", () => {
  test("reads as a story", () => {
    const play = new FlagPlay();
    play.until("Healthy");
    expect(play.story).toEqual([
      "00:00 off → Progressing WaitingForMetrics",
      "00:00 on 5%, off 95% → Progressing Pausing",
      "02:00 on 25%, off 75%",
      "04:00 on → Baking Baking",
      "09:00 → Healthy Healthy",
    ]);
    expect(play.notices).toEqual([
      'Normal Started: "on" is on its way to its users',
      'Normal WeightRaised: 5 % of the users get "on"',
      'Normal WeightRaised: 25 % of the users get "on"',
      'Normal WeightRaised: 100 % of the users get "on"',
      'Normal Promoted: everyone gets "on"',
    ]);
    expect(play.treated).toBe(100);
  });

  test("is at rest afterwards: no write, no question", () => {
    const play = new FlagPlay();
    play.until("Healthy").forMs(20 * 60_000);
    const { writes } = play;
    play.forMs(3 * 3_600_000);
    expect(play.writes).toBe(writes);
    expect(play.status.analysis?.checkpoint).toBeUndefined();
  });

  test("is promoted from 100 % on, and tells kstatus so", () => {
    const play = new FlagPlay();
    play.until(({ status }) => status.serving?.weightBp === 2500);
    expect(play.condition("Promoted")?.status).toBe("False");
    expect(play.condition("Progressing")?.status).toBe("True");
    expect(play.condition("Ready")?.status).toBe("True");
    play.until("Baking");
    expect(play.condition("Promoted")?.status).toBe("True");
    expect(play.condition("Stalled")).toBeUndefined();
  });

  test("shows the step, counting the one it is at", () => {
    const play = new FlagPlay();
    play.until(({ status }) => status.serving?.weightBp === 500);
    expect(play.status.display).toMatchObject({ serves: "on 5%, off 95%", strategy: "canary", step: "2/5" });
    play.until("Healthy");
    expect(play.status.display).toMatchObject({ serves: "on", step: "5/5" });
  });

  test("writes down who did what, the newest first", () => {
    const play = new FlagPlay();
    const spec = { manager: "argocd", time: "2026-01-12T08:59:00Z", fieldsV1: { "f:spec": {} } };
    play.flag = { ...play.flag, metadata: { ...play.flag.metadata, managedFields: [spec] } };
    play.until("Healthy");
    expect(play.status.history?.map(({ what, by, message }) => [what, by, message])).toEqual([
      ["Promoted", undefined, "everyone gets on"],
      ["Raised", undefined, "from 25 % to 100 %"],
      ["Raised", undefined, "from 5 % to 25 %"],
      ["Raised", undefined, "from 0 % to 5 %"],
      ["Created", "argocd", `version ${play.status.servedHash}`],
    ]);
  });
});

describe("what a rise waits for", () => {
  test("an answer of Prometheus, for the first users too", () => {
    const play = new FlagPlay();
    play.prometheus = "unreachable";
    play.forMs(5 * 60_000);
    expect(play.treated).toBe(0);
    expect(play.reason).toBe("MetricsUnavailable");
    play.prometheus = "answers";
    play.until(({ treated }) => treated === 5);
  });

  test("enough requests to have shown harm", () => {
    const play = new FlagPlay();
    play.perSecond = 1;
    play.forMs(20 * 60_000);
    expect(play.treated).toBe(5);
    expect(play.reason).toBe("TooFewRequests");
    play.until("Paused", 3_600_000);
    expect(play.status.message).toContain("too few requests to judge by");
    play.request("promote");
    play.until(({ treated }) => treated === 25);
  });

  test("a Prometheus at all", () => {
    const play = new FlagPlay();
    play.source = { kind: "none" };
    play.forMs(60_000);
    expect([play.treated, play.reason]).toEqual([0, "NoPrometheus"]);
    play.editRamp({ analysis: { disabled: true } });
    play.until(({ treated }) => treated === 5);
  });

  test("a person, where a pause has no time", () => {
    const play = new FlagPlay({ strategy: { canary: { ...STEPS, steps: [{ weight: 10 }, { pause: {} }] } } });
    play.until("Paused").forMs(1_800_000);
    expect([play.treated, play.reason]).toEqual([10, "WaitingForApproval"]);
    play.request("promote");
    play.until("Baking");
  });

  test("its schedule, and never jumps once it opens", () => {
    const play = new FlagPlay({
      strategy: { canary: STEPS },
      schedule: {
        windows: [{ from: "10:00", to: "11:00" }],
        freezes: [{ from: "2026-01-12T10:00:00Z", to: "2026-01-12T10:30:00Z", reason: "a sale" }],
      },
    });
    play.forMs(60_000);
    expect([play.treated, play.reason]).toEqual([0, "OutsideWindows"]);
    play.until(({ reason }) => reason === "Frozen");
    expect(play.status.message).toBe("holding: frozen until 2026-01-12T10:30:00Z (a sale)");
    play.until(({ treated }) => treated === 5);
    expect(play.nowMs - START_MS).toBe(90 * 60_000);
    play.forMs(60_000);
    expect(play.treated).toBe(5);
  });

  test("its own walk: with edited steps it goes on where the weight is the present one", () => {
    const play = new FlagPlay();
    play.until(({ treated }) => treated === 5);
    play.editRamp({
      steps: [
        { weight: 1 },
        { pause: { for: "1h" } },
        { weight: 5 },
        { pause: { for: "1m" } },
        { weight: 50 },
        { pause: {} },
      ],
    });
    play.until(({ treated }) => treated !== 5);
    expect(play.treated).toBe(50);
  });

  test("a person, where edited steps have no such weight", () => {
    const play = new FlagPlay();
    play.until(({ treated }) => treated === 5);
    play.editRamp({ steps: [{ weight: 10 }, { pause: {} }] });
    play.forMs(1_800_000);
    expect([play.treated, play.reason]).toEqual([5, "StepsEdited"]);
    play.request("promote:full");
    play.until("Baking");
  });

  test("one pass for each rise: what is judged was seen at its weight", () => {
    const play = new FlagPlay({
      strategy: { canary: { ...STEPS, steps: [{ weight: 5 }, { weight: 25 }, { weight: 50 }] } },
    });
    play.until("Baking");
    expect([...new Set(play.shares)]).toEqual([0, 5, 25, 50, 100]);
    expect(play.nowMs - START_MS).toBeGreaterThanOrEqual(45_000);
  });

  test("an analysis step is judged at its own weight", () => {
    const play = new FlagPlay({
      strategy: {
        canary: { ...STEPS, steps: [{ weight: 5 }, { pause: { for: "2m" } }, { weight: 50 }, { analysis: {} }] },
      },
    });
    play.until(({ treated }) => treated === 50);
    expect(play.reason).toBe("Analysing");
    play.until("Baking");
  });
});

describe("an edit of the spec", () => {
  test("of its owner moves nobody", () => {
    const play = new FlagPlay();
    play.until(({ treated }) => treated === 25);
    play.edit(() => ({ description: "ours", lifecycle: { owner: "team-b" } }));
    play.pass();
    expect(play.treated).toBe(25);
  });

  test("of a rule moves nobody whom the ramp treats", () => {
    const play = new FlagPlay();
    play.until(({ treated }) => treated === 25);
    play.edit(() => ({ rules: [{ when: [{ attribute: "plan", is: true }], serve: "on" }] }));
    play.pass();
    expect(play.status.serving?.weightBp).toBe(2500);
  });

  test.each<[string, Parameters<FlagPlay["edit"]>[0]]>([
    [
      "its variant",
      () => ({
        strategy: { canary: { ...STEPS, variant: "off" } },
        defaultVariant: "on",
        variants: { boolean: { on: true, off: false } },
      }),
    ],
    ["what users are told apart by", () => ({ stickiness: { attribute: "company" } })],
    ["the seed", () => ({ stickiness: { seed: "again" } })],
  ])("of %s begins anew, from nobody", (_, change) => {
    const play = new FlagPlay();
    play.until(({ status }) => status.serving?.weightBp === 2500);
    play.prometheus = "unreachable";
    play.edit(change);
    play.pass();
    expect(play.status.serving?.weightBp).toBe(0);
    expect(play.status.step?.index).toBe(0);
  });
});

test("with its status lost a ramp begins anew, from nobody", () => {
  const play = new FlagPlay();
  play.until("Healthy");
  play.loseStatus();
  expect(play.treated).toBe(0);
  play.until(({ treated }) => treated > 0);
  expect(play.treated).toBe(5);
});
