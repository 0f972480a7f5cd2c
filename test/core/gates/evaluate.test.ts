import { describe, expect, test } from "vitest";
import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import type { RolloutGate } from "../../../src/api/gates.ts";
import type { KillSwitch } from "../../../src/api/kill-switch.ts";
import type { Rollout, RolloutStatus } from "../../../src/api/rollout.ts";
import { type Candidate, evaluateGates } from "../../../src/core/gates/evaluate.ts";
import type { GateAnswer } from "../../../src/core/gates/model.ts";
import { gatesOf } from "../../../src/core/gates/settings.ts";
import type { GateView, Results } from "../../../src/core/gates/view.ts";

const NOW_MS = Date.parse("2026-01-05T10:00:00Z"); // a Monday
const CANDIDATE: Candidate = { namespace: "prod", name: "web", images: ["web:v2"], approved: false, nowMs: NOW_MS };
const NOTHING: GateView = { rollouts: new Map(), flags: [], kills: [], metrics: new Map() };

function ask(gate: RolloutGate, view: Partial<GateView> = {}, candidate: Partial<Candidate> = {}): GateAnswer {
  const [answer] = evaluateGates(gatesOf([gate], "prod"), { ...NOTHING, ...view }, { ...CANDIDATE, ...candidate });
  return answer as GateAnswer;
}

function maps(results: Results | undefined): Partial<GateView> {
  return { configMaps: new Map(results === undefined ? [] : [["ci", results]]) };
}

const TESTS: RolloutGate = { tests: { configMap: { name: "ci" } } };
const passed = (good: number, bad: number, more: Partial<Results> = {}) =>
  maps({ data: { "tests.json": JSON.stringify({ passed: good, failed: bad }) }, ...more });

describe("a gate of tests", () => {
  test("opens at 95 %, and not a hair below", () => {
    expect(ask(TESTS, passed(95, 5))).toMatchObject({ gate: "tests", open: true, value: "95 % (95 of 100)" });
    expect(ask(TESTS, passed(9_499, 501))).toMatchObject({ open: false, value: "94.99 % (9499 of 10000)" });
    expect(ask({ tests: { configMap: { name: "ci" }, passRate: "100%" } }, passed(999_999, 1))).toMatchObject({
      open: false,
      value: "99.99 % (999999 of 1000000)",
      wanted: "at least 100 % of the tests pass",
    });
  });

  /** Whatever is wrong with the source: closed, with what to do. */
  const table: Record<string, { given: Partial<GateView>; gate?: RolloutGate; says: string }> = {
    "an operator that reads no ConfigMaps": { given: {}, says: "start it with --gates" },
    "no ConfigMap": { given: maps(undefined), says: 'ConfigMap "ci" with the label zenith.sh/gate does not exist' },
    "an empty one": { given: maps({ data: {} }), says: "has 0 entries" },
    "one with two entries and no key": { given: maps({ data: { a: "{}", b: "{}" } }), says: "name one of them" },
    "a key that is not there": {
      given: passed(1, 0),
      gate: { tests: { configMap: { name: "ci", key: "junit.xml" } } },
      says: 'has no entry "junit.xml"',
    },
    "text that is none": { given: maps({ data: { a: "ok" } }), says: "neither XML nor JSON" },
    "results of another image": {
      given: passed(100, 0, { image: "web:v1" }),
      says: "has the results of web:v1, and not of this revision",
    },
  };
  test.each(Object.entries(table))("stays closed with %s", (_, { given, gate = TESTS, says }) => {
    const answer = ask(gate, given);
    expect(answer.open).toBe(false);
    expect(answer.message).toContain(says);
  });

  test("takes results that are of this image", () => {
    expect(ask(TESTS, passed(100, 0, { image: "web:v2" })).open).toBe(true);
  });
});

test("a gate of coverage opens at its share", () => {
  const gate: RolloutGate = { coverage: { configMap: { name: "ci" }, min: "67%" } };
  const covered = (percent: number) => maps({ data: { a: JSON.stringify({ coverage: percent }) } });
  expect(ask(gate, covered(67))).toMatchObject({ open: true, value: "67 %" });
  expect(ask(gate, covered(66.99))).toMatchObject({ open: false, value: "66.99 %", wanted: "at least 67 % covered" });
});

test("a gate of a metric opens within its limits, and waits for Prometheus", () => {
  const gate: RolloutGate = { metric: { name: "load", promql: "load", min: 0.1, max: 0.8 } };
  const value = (n: number) => ({ metrics: new Map([["load", { kind: "value" as const, value: n }]]) });
  expect(ask(gate, value(0.8))).toMatchObject({
    gate: "load",
    open: true,
    value: "0.8",
    wanted: "at least 0.1 and at most 0.8",
  });
  expect(ask(gate, value(0.81)).open).toBe(false);
  expect(ask(gate, value(0.05)).open).toBe(false);
  expect(ask(gate)).toMatchObject({ open: false, message: "Prometheus has not answered yet", checkAgainInMs: 15_000 });
  const none = { metrics: new Map([["load", { kind: "none" as const, message: "no series" }]]) };
  expect(ask(gate, none)).toMatchObject({ open: false, message: "no series" });
});

describe("a gate of a Rollout", () => {
  const gate: RolloutGate = { rollout: { namespace: "staging", name: "web", for: "30m" } };
  function staging(status: Partial<RolloutStatus> & { since?: string } = {}, consent = "prod/web"): Partial<GateView> {
    const { since = "2026-01-05T09:30:00Z", ...rest } = status;
    const rollout: Rollout = {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "Rollout",
      metadata: { name: "web", namespace: "staging", annotations: { "zenith.sh/promotes-to": consent } },
      spec: {},
      status: {
        phase: "Healthy",
        stable: { revision: "x", images: ["web:v2"], replicas: 1, ready: 1 },
        conditions: [{ type: "Promoted", status: "True", reason: "", message: "", lastTransitionTime: since }],
        ...rest,
      },
    };
    return { rollouts: new Map([["staging/web", rollout]]) };
  }

  test("opens once the same images have served there for so long", () => {
    expect(ask(gate, staging())).toMatchObject({ gate: "rollout staging/web", open: true });
    const early = ask(gate, staging({ since: "2026-01-05T09:45:00Z" }));
    expect(early).toMatchObject({ open: false, checkAgainInMs: 15 * 60_000 });
    expect(early.message).toContain("long enough at 2026-01-05T10:15:00Z");
  });

  const table: Record<string, { given: Partial<GateView>; says: string }> = {
    "it is not there": { given: {}, says: "does not exist, or the operator does not watch it" },
    "it does not consent": {
      given: staging({}, "prod/other"),
      says: "must name prod/web in its annotation zenith.sh/promotes-to",
    },
    "it serves another image": {
      given: staging({ stable: { revision: "x", images: ["web:v1"], replicas: 1, ready: 1 } }),
      says: "does not serve web:v2",
    },
    "it was reverted": { given: staging({ phase: "Reverted" }), says: "is Reverted" },
    "it is on its way": { given: staging({ phase: "Progressing" }), says: "is Progressing" },
  };
  test.each(Object.entries(table))("stays closed where %s", (_, { given, says }) => {
    const answer = ask(gate, given);
    expect(answer.open).toBe(false);
    expect(answer.message).toContain(says);
  });

  test("needs no consent within its own namespace", () => {
    const own = staging({}, "");
    const rollouts = new Map([["prod/web-staging", own.rollouts?.get("staging/web") as Rollout]]);
    expect(ask({ rollout: { name: "web-staging" } }, { rollouts }).open).toBe(true);
  });
});

describe("a gate of flags", () => {
  const gate: RolloutGate = { flags: { selector: { matchLabels: { app: "web" } } } };
  const flag = (status: FeatureFlag["status"] = { phase: "Healthy", observedGeneration: 2 }): FeatureFlag => ({
    apiVersion: "zenith.sh/v1alpha1",
    kind: "FeatureFlag",
    metadata: { name: "checkout", namespace: "prod", generation: 2, labels: { app: "web" } },
    spec: {},
    status,
  });
  const kill = {
    metadata: { name: "fire", namespace: "prod" },
    spec: { selector: {}, flags: "safe", reason: "x" },
  } as KillSwitch;

  test("opens where all are well", () => {
    expect(ask(gate, { flags: [flag()] })).toMatchObject({ open: true, value: "1 flag" });
  });
  const table: Record<string, { given: Partial<GateView>; says: string }> = {
    "none matches": { given: {}, says: "no FeatureFlag matches" },
    "one is killed": { given: { flags: [flag()], kills: [kill] }, says: '"checkout" is killed by "fire"' },
    "one cannot be served": {
      given: { flags: [flag({ phase: "Failed", message: "no such variant", observedGeneration: 2 })] },
      says: '"checkout": no such variant',
    },
    "one was not looked at": {
      given: { flags: [flag({ phase: "Healthy", observedGeneration: 1 })] },
      says: "not looked at",
    },
    "one was taken back": {
      given: {
        flags: [
          flag({
            phase: "Reverted",
            observedGeneration: 2,
            override: { kind: "revert", servedHash: "", reason: "", message: "", at: "" },
          }),
        ],
      },
      says: "was taken back",
    },
  };
  test.each(Object.entries(table))("stays closed where %s", (_, { given, says }) => {
    expect(ask(gate, given)).toMatchObject({ open: false, message: expect.stringContaining(says) });
  });
});

test("a gate of a window knows when it opens", () => {
  const gate: RolloutGate = { window: { windows: [{ days: ["mon", "tue"], from: "09:00", to: "17:00" }] } };
  expect(ask(gate).open).toBe(true);
  const evening = ask(gate, {}, { nowMs: Date.parse("2026-01-05T18:00:00Z") });
  expect(evening).toMatchObject({ open: false, value: "OutsideWindows", checkAgainInMs: 15 * 3_600_000 });
  const frozen = {
    window: { freezes: [{ from: "2026-01-01T00:00:00Z", to: "2026-01-06T00:00:00Z", reason: "holidays" }] },
  };
  expect(ask(frozen)).toMatchObject({ open: false, message: "frozen until 2026-01-06T00:00:00Z (holidays)" });
});

test("a gate of approval opens for who was approved", () => {
  expect(ask({ approval: {} })).toMatchObject({ open: false, message: "a person must promote it" });
  expect(ask({ approval: {} }, {}, { approved: true }).open).toBe(true);
});
