import { describe, expect, test } from "vitest";
import type { ConfigMap } from "../../../src/api/kubernetes.ts";
import type { Rollout } from "../../../src/api/rollout.ts";
import type { GateView } from "../../../src/core/gates/view.ts";
import { objectsIn } from "../../docs/yaml-of.ts";
import { expectSound } from "./expectations.ts";
import { hashOf, NAMESPACE, Play } from "./play.ts";

/*
 * The two Rollouts of docs/how-to/staging-to-production.md, as the page has them, in simulated time: staging in half an hour,
 * production over seven days. Each has a stage of its own; what production's gates see of the other is handed over.
 */

const PAGE = objectsIn("docs/how-to/staging-to-production.md");
const [STAGING, PRODUCTION] = PAGE.filter(({ kind }) => kind === "Rollout") as [Rollout, Rollout];
const RESULTS = PAGE.find(({ kind }) => kind === "ConfigMap") as ConfigMap;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** A Rollout of the page on a stage, with v1 at rest. */
function staged({ spec }: Rollout, more: Partial<Rollout["spec"]> = {}): Play {
  const play = new Play({ adopts: true, spec: { ...spec, ...more } });
  play.gates = sees();
  return play.until("Healthy").settles().forget();
}

/** What the gates of production are answered by. */
function sees(staging?: Play, image?: string): GateView {
  const ci = { data: RESULTS.data ?? {}, ...(image === undefined ? {} : { image }) };
  const { annotations } = STAGING.metadata;
  // On its stage the other Rollout is called shop/web.
  const consent = { ...annotations, "zenith.sh/promotes-to": `${NAMESPACE}/${PRODUCTION.metadata.name}` };
  const other = staging?.rollout;
  return {
    configMaps: new Map(image === undefined ? [] : [["ci-results", ci]]),
    rollouts: new Map(
      other === undefined
        ? []
        : [["staging/web", { ...other, metadata: { ...other.metadata, annotations: consent } } as Rollout]],
    ),
    flags: [],
    kills: [],
    metrics: new Map(),
  };
}

/** When the canary's share changed, as `12 min: 10 %` or `day 2.0: 25 %`, until `done`. */
function walk(play: Play, done: (play: Play) => boolean, unit: "min" | "day"): string[] {
  const startMs = play.nowMs;
  const told: string[] = [];
  let last = 0;
  const look = () => {
    const { weights, progress } = play.status;
    const share = progress?.stage === "Stepping" ? (weights?.effective ?? 0) : play.phase === "Baking" ? 100 : last;
    if (share === last) return done(play);
    last = share;
    const passedMs = play.nowMs - startMs;
    told.push(
      `${unit === "min" ? `${Math.round(passedMs / MINUTE)} min` : `day ${(passedMs / DAY).toFixed(1)}`}: ${share} %`,
    );
    return done(play);
  };
  play.step();
  play.run(look, 20_000);
  return told;
}

const gate = (play: Play, kind: string) => {
  const found = play.status.gates?.find((one) => one.kind === kind);
  return `${found?.open === true ? "open" : "closed"}: ${found?.message}`;
};
const criterion = (play: Play, name: string) => play.status.report?.criteria.find((one) => one.name === name);

describe("a release that is good", () => {
  // Looked at every quarter of an hour instead of every fifteen seconds: nothing of the walk depends on it, and nine days are long.
  const production = staged(PRODUCTION, { analysis: { interval: "15m" } });
  const staging = staged(STAGING);

  test("walks up in staging within half an hour, while production waits for it", () => {
    staging.deploy("v2");
    production.deploy("v2");
    production.gates = sees(staging, "app:v2");
    production.until("Progressing", "GateClosed");
    expect(gate(production, "rollout")).toBe('closed: Rollout "staging/web" does not serve app:v2');
    expect(walk(staging, ({ phase }) => phase === "Healthy", "min")).toEqual([
      "0 min: 5 %",
      "4 min: 10 %",
      "9 min: 25 %",
      "13 min: 50 %",
      "17 min: 75 %",
      "30 min: 100 %",
    ]);
    expect(staging.status.report?.result).toBe("Promoted");
    expectSound(staging);
  });

  test("begins in production once all gates are open, the last of them a person", () => {
    production.forMs(staging.nowMs - production.nowMs);
    production.gates = sees(staging, "app:v2");
    production.step();
    expect(gate(production, "rollout")).toContain("which is long enough at 2026-01-01T02:0");
    production.until("Progressing", "GateClosed").forMs(30 * MINUTE);
    expect(gate(production, "rollout")).toMatch(/^open: /);
    expect([gate(production, "tests"), gate(production, "coverage")]).toEqual([
      "open: 100 % (2 of 2) of the tests passed",
      "open: 82.5 % is covered",
    ]);
    expect(gate(production, "window")).toContain("closed: "); // It is night.
    expect(production.sizes).toEqual({ v1: 4 });
    production.until("Paused", "WaitingForApproval");
    expect(new Date(production.nowMs).toISOString()).toMatch(/^2026-01-01T08:00:0/); // Thursday, 09:00 in Berlin.
    production.request("promote");
  });

  test("walks up over seven days and bakes for two; then the report has each criterion", () => {
    production.p95 = { kind: "measured", ms: 131.57 };
    expect(walk(production, ({ phase }) => phase === "Healthy", "day")).toEqual([
      "day 0.0: 5 %",
      "day 1.0: 10 %",
      "day 2.0: 25 %",
      "day 3.0: 50 %",
      "day 4.0: 75 %",
      "day 7.0: 100 %",
    ]);
    expect((production.nowMs - Date.parse("2026-01-01T08:00:00Z")) / DAY).toBeCloseTo(9, 1);
    expectSound(production);
    expect(production.status.report).toMatchObject({ revision: hashOf("v2"), result: "Promoted" });
    const outcomes = production.status.report?.criteria.map(({ name, outcome }) => `${name} ${outcome}`);
    expect(outcomes).toEqual([
      ...["tests met", "coverage met", "errorRate met", "p95 met", "incidents unknown", "traffic met"],
      ...["feedback unknown", "rollbacks met", "timeToPromote noted"],
    ]);
    expect(criterion(production, "tests")?.measured).toBe("100 % (2 of 2)");
    expect(criterion(production, "timeToPromote")?.measured).toBe("7 d 0 h");
  });
});

describe("a release that is bad", () => {
  test("is taken back in staging, and nothing of it starts in production", () => {
    const [staging, production] = [staged(STAGING), staged(PRODUCTION)];
    staging.requests.bad.add("v2");
    staging.deploy("v2");
    production.deploy("v2");
    staging.until("Reverted").settles();
    expect(criterion(staging, "rollbacks")?.outcome).toBe("missed");
    production.forMs(staging.nowMs - production.nowMs);
    production.gates = sees(staging, "app:v2");
    production.until("Progressing", "GateClosed").forMs(9 * 60 * MINUTE);
    expect(gate(production, "rollout")).toBe('closed: Rollout "staging/web" does not serve app:v2');
    expect(production.sizes).toEqual({ v1: 4 });
  });

  test("that only production shows goes back there, on whichever day", () => {
    const staging = staged(STAGING);
    const production = staged(PRODUCTION, { analysis: { interval: "15m" } });
    staging.deploy("v2");
    production.deploy("v2");
    staging.until("Healthy");
    production.forMs(staging.nowMs - production.nowMs + 30 * MINUTE);
    production.gates = sees(staging, "app:v2");
    production.until("Paused", "WaitingForApproval").request("promote");
    production.run(({ status }) => status.weights?.effective === 25, 20_000).forMs(10 * MINUTE);
    production.requests.bad.add("v2");
    const fromMs = production.nowMs;
    production.until("Reverted", "AnalysisFailed");
    expect((production.nowMs - fromMs) / (15 * MINUTE)).toBeLessThan(8); // Looks: at the usual interval two minutes.
    production.settles();
    expect(production.traffic).toEqual({ v1: 1 });
    expect(criterion(production, "traffic")).toMatchObject({ measured: "25 %", outcome: "missed" });
    // Staging still serves it: what was rejected does not come by itself.
    production.forMs(DAY);
    expect(production.phase).toBe("Reverted");
  });
});
