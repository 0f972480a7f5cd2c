import { describe, expect, test } from "vitest";
import { FlagPlay, STEPS } from "./play.ts";

/** What people say: verbs and KillSwitches. */

function at25(): FlagPlay {
  return new FlagPlay().until(({ treated }) => treated === 25);
}

const result = (play: FlagPlay) => play.status.lastRequest?.result;

describe("a request", () => {
  test("for another version is refused, not obeyed", () => {
    const play = at25();
    play.request("abort", "bcdfghjklm");
    play.pass();
    expect(result(play)).toBe(`refused: meant for version bcdfghjklm, the present one is ${play.status.servedHash}`);
    expect(play.treated).toBe(25);
  });

  test("that is none is refused with what one looks like", () => {
    const play = at25();
    play.flag = { ...play.flag, metadata: { ...play.flag.metadata, annotations: { "zenith.sh/request": "stop!" } } };
    play.pass();
    expect(result(play)).toBe('refused: must read verb[:argument]@version#nonce (got "stop!")');
  });

  test("that is longer than status has room for is answered once", () => {
    const play = at25();
    const annotations = { "zenith.sh/request": "x".repeat(600) };
    play.flag = { ...play.flag, metadata: { ...play.flag.metadata, annotations } };
    play.pass();
    const { writes } = play;
    play.pass();
    expect(play.writes).toBe(writes);
  });

  test("is answered once", () => {
    const play = at25();
    play.request("pause");
    play.pass();
    const { writes } = play;
    play.pass();
    play.pass();
    expect(play.writes).toBe(writes);
  });

  test("says who made it, in the history", () => {
    const play = at25();
    play.request("pause");
    const fieldsV1 = { "f:metadata": { "f:annotations": { "f:zenith.sh/request": {} } } };
    const entry = { manager: "kubectl-annotate", time: "2026-01-12T09:05:00Z", fieldsV1 };
    play.flag = { ...play.flag, metadata: { ...play.flag.metadata, managedFields: [entry] } };
    play.pass();
    expect(play.status.history?.[0]).toMatchObject({ what: "Requested", by: "kubectl-annotate" });
  });
});

describe("abort", () => {
  test("takes it back in the pass that hears it, and it stays back", () => {
    const play = at25();
    play.request("abort");
    play.pass();
    expect([play.treated, play.phase, play.reason, result(play)]).toEqual([0, "Reverted", "Aborted", "accepted"]);
    play.forMs(1_800_000);
    expect(play.treated).toBe(0);
  });

  test.each([
    ["allAtOnce", { allAtOnce: { variant: "on" } }],
    [
      "percentage",
      {
        percentage: {
          weights: [
            { variant: "on", weight: 40 },
            { variant: "off", weight: 60 },
          ],
        },
      },
    ],
    ["progressive", { progressive: { variant: "on", start: "2026-01-12T08:00:00Z", end: "2026-01-12T10:00:00Z" } }],
  ])("takes back what %s serves too", (_, strategy) => {
    const play = new FlagPlay({ strategy });
    play.until(({ phase }) => phase !== "");
    play.request("abort");
    play.pass();
    expect([play.treated, play.reason]).toEqual([0, "Aborted"]);
    play.request("retry");
    play.pass();
    expect(play.status.override).toBeUndefined();
    expect(play.status.display?.serves).toMatch(/^on/);
  });

  test("works while Prometheus is away, and while the flag is paused, frozen or bad", () => {
    const play = at25();
    play.prometheus = "unreachable";
    play.edit(() => ({ schedule: { notBefore: "2027-01-01T00:00:00Z" } }));
    play.request("pause");
    play.forMs(60_000);
    play.request("abort");
    play.pass();
    expect(play.treated).toBe(0);
  });

  test("twice is refused", () => {
    const play = at25();
    play.request("abort");
    play.pass();
    play.request("abort");
    play.pass();
    expect(result(play)).toBe("refused: it is taken back already");
  });
});

describe("pause and resume", () => {
  test("hold it where it is, also across a restart", () => {
    const play = at25();
    play.request("pause");
    play.until("Paused");
    play.restart();
    play.forMs(1_800_000);
    expect([play.treated, play.reason]).toEqual([25, "PausedByUser"]);
    play.request("resume");
    play.until("Baking");
  });

  test("harm is acted on all the same", () => {
    const play = at25();
    play.request("pause");
    play.until("Paused");
    play.errors = { on: 0.05, off: 0.001 };
    play.until("Reverted");
  });

  test("are refused where nothing rises by itself", () => {
    const play = new FlagPlay({ strategy: { allAtOnce: { variant: "on" } } });
    play.until("Healthy");
    play.request("pause");
    play.pass();
    expect(result(play)).toBe("refused: nothing rises by itself here");
  });
});

describe("promote", () => {
  test("goes past the wait of the step, and no further", () => {
    const play = new FlagPlay({
      strategy: { canary: { ...STEPS, steps: [{ weight: 10 }, { pause: {} }, { weight: 50 }, { pause: {} }] } },
    });
    play.until("Paused");
    play.request("promote");
    play.until(({ treated }) => treated === 50).forMs(1_800_000);
    expect([play.phase, play.treated]).toEqual(["Paused", 50]);
  });

  test("before the users of its step are treated is refused, and skips no judging of theirs", () => {
    const play = new FlagPlay();
    play.prometheus = "unreachable";
    play.perSecond = 1;
    play.forMs(60_000);
    play.request("promote");
    play.pass();
    expect(result(play)).toBe(
      "refused: 5 % of the users are not treated yet; promote once they are, or use promote:full",
    );
    play.prometheus = "answers";
    play.forMs(20 * 60_000);
    expect([play.treated, play.reason]).toEqual([5, "TooFewRequests"]);
  });

  test("full goes all the way, unjudged; in the bake it is judged", () => {
    const play = at25();
    play.errors = { on: 0.05, off: 0.001 };
    play.request("promote:full");
    play.pass();
    expect([play.treated, play.phase]).toEqual([100, "Baking"]);
    play.until("Reverted");
  });

  test.each(["0s", "10m"])("full stays where it went, whatever step it was promoted from: bake %s", (bake) => {
    const steps = [{ weight: 10 }, { pause: {} }, { weight: 50 }, { pause: {} }];
    const play = new FlagPlay({ strategy: { canary: { ...STEPS, bake, steps } } });
    play.until("Paused");
    play.request("promote:full");
    play.until(({ treated }) => treated === 100);
    for (let i = 0; i < 5; i++) {
      play.pass();
      expect(play.treated).toBe(100);
    }
    play.until("Healthy", 1_800_000);
    expect(play.treated).toBe(100);
  });

  test("full waits for a freeze to end, and is not forgotten", () => {
    const play = at25();
    play.edit(() => ({ schedule: { freezes: [{ from: "2026-01-12T09:00:00Z", to: "2026-01-12T12:00:00Z" }] } }));
    play.request("promote:full");
    play.pass();
    expect([play.treated, result(play), play.reason]).toEqual([25, "accepted", "Frozen"]);
    play.until(({ treated }) => treated === 100, 4 * 3_600_000);
  });

  test.each(["promote", "promote:full"])("%s is refused once everyone is treated", (verb) => {
    const play = new FlagPlay();
    play.until("Baking");
    play.request(verb);
    play.pass();
    expect(result(play)).toBe("refused: no ramp is on its way");
  });
});

test("retry is refused where nothing was taken back, and an unknown verb names the known ones", () => {
  const play = at25();
  play.request("retry");
  play.pass();
  expect(result(play)).toBe("refused: nothing was taken back");
  play.request("rollback");
  play.pass();
  expect(result(play)).toBe('refused: unknown verb "rollback"; promote, pause, resume, abort and retry exist');
});

describe("a KillSwitch", () => {
  test("makes it safe, says so, and lets it go on from where it was once it is gone", () => {
    const play = at25();
    play.kill();
    play.pass();
    expect([play.treated, play.phase, play.status.display?.serves]).toEqual([0, "Killed", "off (killed)"]);
    expect(play.condition("Killed")).toMatchObject({
      status: "True",
      reason: "Killed",
      message: 'KillSwitch "stop": it burns',
    });
    expect(play.condition("Ready")?.status).toBe("True");
    play.forMs(1_800_000);
    expect(play.status.serving?.weightBp).toBe(2500);
    play.release();
    play.pass();
    expect([play.treated, play.phase]).toEqual([25, "Progressing"]);
    expect(play.condition("Killed")?.status).toBe("False");
    play.until("Baking");
  });

  test("is no time of a step: the clock begins anew", () => {
    const play = at25();
    play.forMs(60_000);
    play.kill();
    play.forMs(1_800_000);
    play.release();
    play.forMs(119_000);
    expect(play.treated).toBe(25);
    play.forMs(60_000);
    expect(play.treated).toBe(100);
  });

  test("without analysis too: its release raises nobody", () => {
    const play = new FlagPlay({ strategy: { canary: { ...STEPS, analysis: { disabled: true } } } });
    play.until(({ treated }) => treated === 25);
    play.kill();
    play.forMs(1_800_000);
    play.release();
    play.pass();
    expect(play.treated).toBe(25);
  });

  test("outranks promote", () => {
    const play = at25();
    play.kill();
    play.request("promote:full");
    play.pass();
    expect(result(play)).toBe('refused: KillSwitch "stop" holds it');
    play.release();
    play.pass();
    expect(play.treated).toBe(25);
  });

  test("does not keep an abort from being heard", () => {
    const play = at25();
    play.kill();
    play.request("abort");
    play.pass();
    expect([play.phase, play.status.override?.reason]).toEqual(["Killed", "Aborted"]);
    play.release();
    play.forMs(600_000);
    expect([play.phase, play.treated]).toEqual(["Reverted", 0]);
  });

  test("ends by itself when its time is over", () => {
    const play = at25();
    play.kill({ until: new Date(play.nowMs + 600_000).toISOString() });
    play.forMs(599_000);
    expect(play.phase).toBe("Killed");
    play.forMs(1_000);
    expect([play.phase, play.treated]).toEqual(["Progressing", 25]);
  });

  test("holds a flag that had not begun, and lets it begin afterwards", () => {
    const play = new FlagPlay();
    play.kill();
    play.forMs(1_800_000);
    expect([play.phase, play.status.serving]).toEqual(["Killed", undefined]);
    play.release();
    play.until(({ treated }) => treated === 5);
  });

  test("keeps a bake from ending unjudged", () => {
    const play = new FlagPlay();
    play.until("Baking");
    play.kill();
    play.forMs(1_800_000);
    play.release();
    play.errors = { on: 0.05, off: 0.001 };
    play.until("Reverted");
  });

  test.each<[string, Parameters<FlagPlay["kill"]>[0]]>([
    ["selects others", { selector: { matchLabels: { app: "search" } } }],
    ["is over", { until: "2026-01-12T08:00:00Z" }],
  ])("that %s means nothing to it", (_, spec) => {
    const play = at25();
    play.kill(spec);
    play.pass();
    expect([play.phase, play.treated]).toEqual(["Progressing", 25]);
  });

  test("one of two that goes releases nothing", () => {
    const play = at25();
    play.kill({}, "a");
    play.kill({}, "b");
    play.pass();
    play.release("a");
    play.pass();
    expect([play.phase, play.treated]).toEqual(["Killed", 0]);
    expect(play.status.kills).toEqual(["b"]);
    expect(play.status.history?.slice(0, 3).map(({ what, by }) => `${what} ${by}`)).toEqual([
      "Released KillSwitch a",
      "Killed KillSwitch b",
      "Killed KillSwitch a",
    ]);
  });
});

test("a flag that is not enabled rises no further, and goes on from there", () => {
  const play = at25();
  play.edit(() => ({ enabled: false }));
  play.forMs(1_800_000);
  expect([play.phase, play.status.display?.serves, play.condition("Ready")?.status]).toEqual([
    "Disabled",
    "code default",
    "True",
  ]);
  play.edit(() => ({ enabled: true }));
  play.pass();
  expect(play.treated).toBe(25);
});
