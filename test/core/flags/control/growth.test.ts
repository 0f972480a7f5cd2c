import { describe, expect, test } from "vitest";
import type { FeatureFlagSpec } from "../../../../src/api/feature-flag.ts";
import { FlagPlay, START_MS } from "./play.ts";

/** Shares that grow by time: by the clock of who evaluates, or, within a schedule, in steps that the controller makes. */

const HOUR = 3_600_000;
const iso = (afterMs: number) => new Date(START_MS + afterMs).toISOString();
type Progressive = NonNullable<NonNullable<FeatureFlagSpec["strategy"]>["progressive"]>;

function driven(change: Partial<Progressive> = {}, schedule: FeatureFlagSpec["schedule"] = {}): FlagPlay {
  const progressive: Progressive = { variant: "on", start: iso(0), end: iso(2 * HOUR), ...change };
  return new FlagPlay({ strategy: { progressive }, schedule });
}

describe("a share that the controller lets grow", () => {
  test("rises evenly, a hundred times at most, and arrives in time", () => {
    const play = driven();
    play.forMs(HOUR);
    expect(play.treated).toBe(50);
    play.until("Healthy", 4 * HOUR);
    expect(play.nowMs - START_MS).toBe(2 * HOUR);
    expect([play.treated, play.condition("Promoted")?.status]).toEqual([100, "True"]);
    expect(play.writes).toBeLessThanOrEqual(102);
    expect(play.shares).toEqual(play.shares.toSorted((a, b) => a - b));
  });

  test("begins at `from`, and ends at `to`", () => {
    const play = driven({ from: "10%", to: "50%" });
    play.pass();
    expect(play.treated).toBe(10);
    play.until("Healthy", 4 * HOUR);
    expect(play.treated).toBe(50);
    expect(play.status.display).toMatchObject({ serves: "on 50%, off 50%", strategy: "progressive" });
  });

  test("waits for its start", () => {
    const play = driven({ start: iso(HOUR), end: iso(3 * HOUR) });
    play.forMs(HOUR - 1_000);
    expect([play.treated, play.reason]).toEqual([0, "Ramping"]);
    play.forMs(HOUR + 1_000);
    expect(play.treated).toBe(50);
  });

  test("never jumps: held back by a freeze it goes on at its own pace, and ends later", () => {
    const play = driven({}, { freezes: [{ from: iso(HOUR / 2), to: iso(HOUR) }] });
    play.forMs(HOUR);
    expect(play.treated).toBe(25);
    const rises = play.shares.length;
    play.until("Healthy", 4 * HOUR);
    const steps = play.shares.slice(rises - 1).map((share, i, all) => share - (all[i - 1] ?? share));
    expect(Math.max(...steps)).toBe(1);
    expect(play.nowMs - START_MS).toBeGreaterThanOrEqual(2.5 * HOUR - 120_000);
  });

  test("created late, it does not make up for lost time", () => {
    const play = driven({ start: iso(-HOUR), end: iso(HOUR) });
    play.forMs(60_000);
    expect(play.treated).toBeLessThanOrEqual(2);
    play.until("Healthy", 4 * HOUR);
    expect(play.nowMs - START_MS).toBeGreaterThan(1.9 * HOUR);
  });

  test("rises a step further at once on promote, and all the way on promote:full", () => {
    const play = driven();
    play.forMs(HOUR);
    play.request("promote");
    play.pass();
    expect(play.treated).toBe(51);
    play.request("promote:full");
    play.pass();
    expect([play.treated, play.phase]).toEqual([100, "Healthy"]);
  });

  test("is taken back by abort, and begins anew on retry", () => {
    const play = driven();
    play.forMs(HOUR);
    play.request("abort");
    play.pass();
    expect(play.treated).toBe(0);
    play.request("retry");
    play.pass();
    expect(play.treated).toBe(0);
    play.forMs(HOUR / 2);
    expect(play.treated).toBeGreaterThan(0);
    expect(play.treated).toBeLessThanOrEqual(26);
  });

  test("new times move nobody at once", () => {
    const play = driven();
    play.forMs(HOUR);
    play.edit(() => ({ strategy: { progressive: { variant: "on", start: iso(0), end: iso(100 * HOUR) } } }));
    play.pass();
    expect(play.treated).toBe(50);
    play.forMs(HOUR);
    expect(play.treated).toBe(50);
  });

  test("a lower `to` is come down to at once", () => {
    const play = driven();
    play.forMs(HOUR);
    play.edit(() => ({ strategy: { progressive: { variant: "on", start: iso(0), end: iso(2 * HOUR), to: "20%" } } }));
    play.pass();
    expect(play.treated).toBe(20);
  });

  test("with its status lost it begins anew, from nobody", () => {
    const play = driven();
    play.forMs(HOUR);
    play.loseStatus();
    play.pass();
    expect(play.treated).toBe(0);
  });
});

describe("a share that grows by the clock", () => {
  test("is Progressing until it has grown, and written down now and then", () => {
    const play = new FlagPlay({ strategy: { progressive: { variant: "on", start: iso(HOUR), end: iso(3 * HOUR) } } });
    play.forMs(0);
    expect([play.phase, play.reason]).toEqual(["Progressing", "NotBefore"]);
    play.forMs(2 * HOUR);
    expect([play.phase, play.reason]).toEqual(["Progressing", "Ramping"]);
    expect(play.status.display?.serves).toBe("on 50%, off 50%");
    play.forMs(HOUR);
    expect([play.phase, play.status.display?.serves]).toEqual(["Healthy", "on"]);
    expect(play.writes).toBeLessThanOrEqual(24);
    expect(play.condition("Promoted")?.status).toBe("True");
  });
});

describe("what needs nobody to drive it", () => {
  test.each<[string, FeatureFlagSpec, string]>([
    ["nobody treated", {}, "off"],
    ["all at once", { strategy: { allAtOnce: { variant: "on" } } }, "on"],
    [
      "a percentage",
      {
        strategy: {
          percentage: {
            weights: [
              { variant: "on", weight: "12.5%" },
              { variant: "off", weight: "87.5%" },
            ],
          },
        },
      },
      "on 12.5%, off 87.5%",
    ],
    ["rules", { rules: [{ when: [{ attribute: "beta", is: true }], serve: "on" }] }, "off, and rules"],
  ])("with %s is Healthy in one write, and then at rest", (_, spec, serves) => {
    const play = new FlagPlay(spec);
    play.forMs(HOUR);
    expect([play.phase, play.status.display?.serves, play.writes]).toEqual(["Healthy", serves, 1]);
    expect(play.condition("Ready")?.status).toBe("True");
    expect(play.condition("Promoted")?.status).toBe("True");
  });
});
