import { describe, expect, test } from "vitest";
import type { RolloutGate } from "../../../src/api/gates.ts";
import { rolloutStatus } from "../../../src/api/rollout-status.ts";
import { atRest, hashOf, type Play, underWay } from "./play.ts";

/** `errorRate: met, 0 % (0 of 84,000), wanted at most 0.1 %`, in the order of the report. */
function told(play: Play): Record<string, string> {
  const rows = play.status.report?.criteria ?? [];
  const said = ({ outcome, measured, wanted }: (typeof rows)[number]) =>
    `${outcome}, ${play.named(measured)}${wanted === "" ? "" : `, wanted ${wanted}`}`;
  return Object.fromEntries(rows.map((row) => [row.name, said(row)]));
}

const NOT_ASKED = {
  tests: "unknown, not measured: the Rollout has no tests gate, wanted at least 95 % pass",
  coverage: "unknown, not measured: the Rollout has no coverage gate, wanted at least 80 % covered",
  incidents: "unknown, not measured: Zenith does not see where you keep them, wanted none critical",
  feedback: "unknown, not measured: nobody tells Zenith, wanted positive",
};

describe("the report on a release that was promoted", () => {
  test("is made when its bake ends, with what was measured in the bake", () => {
    const play = underWay(25);
    play.until("Baking").forMs(60_000);
    expect(play.status.report).toBeUndefined();
    play.p95 = { kind: "measured", ms: 131.57 };
    play.until("Healthy");
    expect(play.status.report).toMatchObject({ revision: hashOf("v2"), images: ["app:v2"], result: "Promoted" });
    expect(told(play)).toEqual({
      ...NOT_ASKED,
      errorRate: expect.stringMatching(/^met, 0 % \(0 of 1\d\d,\d{3}\), wanted at most 0.1 %$/),
      p95: "met, 132 ms, wanted at most 200 ms",
      traffic: "met, 100 %, wanted 100 %",
      rollbacks: "met, none, wanted none",
      timeToPromote: expect.stringMatching(/^noted, \d+ min \d+ s$/),
    });
  });

  test("costs no write of its own, and stands until the next one is decided", () => {
    const play = underWay(25).until("Baking").until("Healthy").forget();
    const { report } = play.status;
    play.settles();
    play.deploy("v3");
    play.until("Baking");
    expect(play.status.report).toEqual(report);
    play.until("Healthy");
    expect(play.status.report?.revision).toBe(hashOf("v3"));
  });

  test("measures by what spec.objectives wants, which reverts nothing", () => {
    const play = underWay(25, { spec: { objectives: { errorRate: "0.001%", p95: "100ms" } } });
    play.requests.bad.add("v2");
    play.requests.badShare = 0.002; // Below the limit, above the objective.
    play.p95 = { kind: "measured", ms: 131.57 };
    play.until("Baking").until("Healthy");
    expect(told(play)).toMatchObject({
      errorRate: expect.stringMatching(/^missed, 0.20 % \(\d+ of \d+,\d+\), wanted at most 0.001 %$/),
      p95: "missed, 132 ms, wanted at most 100 ms",
    });
  });

  test.each<[string, Play["p95"], string]>([
    ["above the highest bucket", { kind: "measured", ms: 2500, atLeast: true }, "missed, above 2500 ms"],
    [
      "above a highest bucket that is below what is wanted",
      { kind: "measured", ms: 100, atLeast: true },
      "unknown, not measured: it is above 100 ms, the highest bucket of the histogram",
    ],
    ["unknown", { kind: "unknown", message: "no answer" }, "unknown, not measured: no answer"],
    ["never asked", undefined, "unknown, not measured: Prometheus did not say before the bake was over"],
  ])("a p95 that is %s is no success", (_, p95, said) => {
    const play = underWay(25);
    play.p95 = p95;
    play.until("Baking").until("Healthy");
    expect(told(play).p95).toBe(`${said}, wanted at most 200 ms`);
  });

  test("says plainly that nothing was measured where nothing is judged", () => {
    const play = underWay(25, { spec: { analysis: { disabled: true } } });
    play.until("Healthy");
    expect(told(play)).toMatchObject({
      errorRate: "unknown, not measured: analysis is disabled, wanted at most 0.1 %",
      p95: "unknown, not measured: analysis is disabled, wanted at most 200 ms",
    });
  });

  test("tells tests and coverage as its gates read them", () => {
    const gates: RolloutGate[] = [{ tests: { configMap: { name: "ci", key: "tests" } } }];
    gates.push({ coverage: { configMap: { name: "ci", key: "coverage" }, min: "60%" } });
    const play = atRest({ spec: { gates } });
    const data = { tests: JSON.stringify({ passed: 9828, failed: 172 }), coverage: JSON.stringify({ coverage: 67 }) };
    const configMaps = new Map([["ci", { data }]]);
    play.gates = { configMaps, rollouts: new Map(), flags: [], kills: [], metrics: new Map() };
    play.deploy("v2");
    play.run(({ reason }) => reason === "Pausing").forMs(60_000);
    play.request("promote:full");
    play.until("Baking").until("Healthy");
    expect(told(play)).toMatchObject({
      tests: "met, 98.28 % (9828 of 10000), wanted at least 95 % of the tests pass",
      coverage: "met, 67 %, wanted at least 60 % covered",
    });
  });
});

describe("the report on a release that was taken back", () => {
  test("is made in the pass that takes it back, and told how long the way took once it is there", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.until("Reverted");
    expect(play.status.report).toMatchObject({ revision: hashOf("v2"), result: "Reverted" });
    expect(told(play)).toEqual({
      ...NOT_ASKED,
      errorRate: expect.stringMatching(/^missed, \d\d % \([\d,]+ of [\d,]+\), wanted at most 0.1 %$/),
      p95: "unknown, not measured: it did not come to the end of its bake, wanted at most 200 ms",
      traffic: "missed, 25 %, wanted 100 %",
      rollbacks: expect.stringMatching(/^missed, 1, AnalysisFailed: error-rate .* evidence .*, wanted none$/),
      timeToRevert: expect.stringMatching(/^noted, /),
    });
    const { at } = play.status.report ?? {};
    play.settles();
    expect(play.status.report?.at).toBe(at);
    expect(told(play).rollbackTime).toMatch(/^noted, [0-9] s$/);
  });

  test("counts what was harmed in the bake", () => {
    const play = underWay(25).until("Baking").forMs(60_000);
    play.requests.bad.add("v2");
    play.until("Reverted").settles();
    expect(told(play)).toMatchObject({
      errorRate: expect.stringMatching(/^missed, /),
      traffic: "met, 100 %, wanted 100 %",
      rollbacks: expect.stringMatching(/^missed, 1, AnalysisFailed/),
      timeToPromote: expect.stringMatching(/^noted, /),
      timeToRevert: expect.stringMatching(/^noted, /),
      rollbackTime: expect.stringMatching(/^noted, /),
    });
  });

  test("names whoever took it back", () => {
    const play = underWay(25);
    play.request("abort");
    play.until("Reverted").settles();
    expect(told(play).rollbacks).toBe("missed, 1, Aborted: aborted by request, wanted none");
  });

  test("is not made for one that another overtook: that was not decided", () => {
    const play = underWay(25);
    play.deploy("v3");
    play.run(({ status }) => status.canary?.revision === hashOf("v3"));
    expect(play.status.report).toBeUndefined();
  });
});

test("the report fits the schema, however long the reason", () => {
  const play = underWay(25);
  play.revertedFlag = { name: "x", message: "m".repeat(5_000), atMs: play.nowMs };
  play.until("Reverted");
  expect(rolloutStatus.shape.report.safeParse(play.status.report).error).toBeUndefined();
});
