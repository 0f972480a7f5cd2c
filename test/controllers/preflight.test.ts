import { beforeEach, describe, expect, test } from "vitest";
import type { Rollout, RolloutSpec } from "../../src/api/rollout.ts";
import { Preflight } from "../../src/controllers/preflight.ts";
import { examinedOf } from "../../src/controllers/rollout/inquiry.ts";
import { settingsOf } from "../../src/core/rollout/settings.ts";
import type { Answer } from "../../src/metrics/answer.ts";
import { aRollout } from "./rollout/shell.ts";

const KEY = "shop/web";
let answer: Answer;
let asked: string[] = [];
let told: string[] = [];
let preflight: Preflight;

beforeEach(() => {
  answer = { kind: "vector", series: [] };
  asked = [];
  told = [];
  const source = {
    query: async (promql: string) => {
      asked.push(promql);
      return answer;
    },
  };
  preflight = new Preflight(source, (key) => told.push(key));
});

function judgedBy(analysis: RolloutSpec["analysis"], generation = 1, status: Rollout["status"] = {}): Rollout {
  const rollout = aRollout("web", 1);
  return {
    ...rollout,
    metadata: { ...rollout.metadata, generation },
    spec: { ...rollout.spec, analysis },
    status,
  };
}

const query = (promql: string) => ({ metrics: [{ query: { name: "load", promql, max: 1 } }] });

function problem(rollout: Rollout, nowMs = 0) {
  return preflight.problem(KEY, examinedOf(rollout, settingsOf(rollout), []), nowMs);
}

const answers = () => new Promise((resolve) => setImmediate(resolve));

describe("Preflight", () => {
  test("has Prometheus read a query once a generation, filled in", async () => {
    const rollout = judgedBy(query('load{pod=~"{{canary.pods}}"}'));
    expect(problem(rollout)).toBeUndefined();
    expect(problem(rollout)).toBeUndefined();
    await answers();
    expect(asked).toEqual(['load{pod=~"web-0000000000-[a-z0-9]{5}"}']);
    expect(told).toEqual([]);
    problem(judgedBy(query("load"), 2));
    expect(asked).toHaveLength(2);
  });

  test("says that Envoy cannot tell how gRPC calls end, where a route is for them", () => {
    const rollout = judgedBy({ source: "envoy" });
    const through = (route: NonNullable<NonNullable<RolloutSpec["traffic"]>["routes"]>[number]): Rollout => ({
      ...rollout,
      spec: { ...rollout.spec, traffic: { service: "web", routes: [{ httpRoute: { name: "web" } }, route] } },
    });
    expect(problem(through({ httpRoute: { name: "api" } }))).toBeUndefined();
    expect(problem(through({ grpcRoute: { name: "api" } }))).toMatchObject({
      reason: "SourceCannotSeparate",
      message: expect.stringContaining("count a gRPC call that failed as HTTP 200"),
    });
  });

  test("says where it stopped reading, and calls for a pass", async () => {
    answer = {
      kind: "refused",
      message: "Prometheus cannot read the query: 1:5: parse error: unexpected end of input",
    };
    const rollout = judgedBy(query("sum("));
    expect(problem(rollout)).toBeUndefined();
    await answers();
    expect(told).toEqual([KEY]);
    expect(problem(rollout)).toEqual({
      kind: "unusable",
      reason: "QueryRefused",
      message: 'query "load": Prometheus cannot read the query: 1:5: parse error: unexpected end of input, near `sum(`',
    });
  });

  test("asks again for what was refused, and takes it back once Prometheus can run it", async () => {
    const rollout = judgedBy(query("load"));
    const refused = { reason: "QueryRefused" };
    answer = { kind: "refused", message: "Prometheus answered 422 (execution): the query is not one it can run" };
    problem(rollout);
    await answers();
    expect(problem(rollout, 59_000)).toMatchObject(refused);
    expect(asked).toHaveLength(1);
    answer = { kind: "unavailable", message: "Prometheus cannot be reached" };
    expect(problem(rollout, 60_000)).toMatchObject(refused);
    await answers();
    answer = { kind: "vector", series: [] };
    expect(problem(rollout, 120_000)).toMatchObject(refused);
    await answers();
    expect(problem(rollout, 121_000)).toBeUndefined();
    expect(told).toEqual([KEY, KEY]);
    expect(asked).toHaveLength(3);
  });

  test("takes an outage of Prometheus for no verdict", async () => {
    answer = { kind: "unavailable", message: "Prometheus cannot be reached" };
    const rollout = judgedBy(query("load"));
    problem(rollout);
    await answers();
    expect([problem(rollout), told]).toEqual([undefined, []]);
  });

  test("asks nothing after a start for what was looked at, but for what was refused", async () => {
    problem(judgedBy(query("load"), 3, { observedGeneration: 3 }));
    expect(asked).toEqual([]);
    preflight.forget(KEY);
    const condition = { type: "Ready", status: "False" as const, reason: "QueryRefused", message: "" };
    const conditions = [{ ...condition, lastTransitionTime: "2026-01-01T00:00:00Z" }];
    problem(judgedBy(query("load"), 3, { observedGeneration: 3, conditions }));
    expect(asked).toEqual(["load"]);
  });

  test("needs no Prometheus to see an unknown variable, or a source that cannot tell the sides apart", () => {
    preflight = new Preflight(undefined, () => undefined);
    expect(problem(judgedBy(query("up{pod='{{pod}}'}")))).toMatchObject({ reason: "QueryVariable" });
    expect(problem(judgedBy({ source: "nginx" }))).toMatchObject({ reason: "SourceCannotSeparate" });
    expect(problem(judgedBy({ source: "nginx", disabled: true }))).toBeUndefined();
    expect(problem(judgedBy({ source: "nginx", ...query("up") }))).toBeUndefined(); // Only a query of one's own is asked.
  });
});
