import { describe, expect, test } from "vitest";
import { FlagPlay, STEPS } from "../core/flags/control/play.ts";
import { verbTable } from "./verb-table.ts";

/** The table of docs/verbs.md for FeatureFlags, asked of flags that stand there. */
const { verbs, phases, cells } = verbTable("FeatureFlag");

const situations: Readonly<Record<string, () => FlagPlay>> = {
  Progressing: () => new FlagPlay().until(({ treated }) => treated === 25),
  Paused: () =>
    new FlagPlay({ strategy: { canary: { ...STEPS, steps: [{ weight: 10 }, { pause: {} }] } } }).until("Paused"),
  Baking: () => new FlagPlay().until("Baking"),
  Healthy: () => new FlagPlay().until("Healthy"),
  Reverted: () => {
    const play = situations.Progressing?.() as FlagPlay;
    play.request("abort");
    return play.until("Reverted");
  },
  Killed: () => {
    const play = situations.Progressing?.() as FlagPlay;
    play.kill();
    return play.until("Killed");
  },
  Disabled: () => {
    const play = situations.Progressing?.() as FlagPlay;
    play.edit(() => ({ enabled: false }));
    return play.until("Disabled");
  },
};

describe("docs/verbs.md, of a FeatureFlag", () => {
  test("has a row for each verb and a column for each phase", () => {
    expect(phases).toEqual(Object.keys(situations));
    expect(verbs).toEqual("promote promote:full pause resume abort retry".split(" "));
  });

  test.each(cells)("$verb in $phase is $answer", ({ verb, phase, answer }) => {
    const play = situations[phase]?.();
    play?.request(verb);
    play?.pass();
    expect(play?.status.lastRequest?.result.split(":")[0]).toBe(answer.split(":")[0]);
  });
});
