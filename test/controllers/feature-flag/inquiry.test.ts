import { describe, expect, test } from "vitest";
import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import { inquiryOf } from "../../../src/controllers/feature-flag/inquiry.ts";
import { readFromMs } from "../../../src/core/analysis/judge.ts";
import type { AnalysisMemory } from "../../../src/core/analysis/memory.ts";
import { BEFORE_MS } from "../../../src/core/flags/control/analyse.ts";

const BEGUN_MS = Date.parse("2026-01-01T00:00:00Z");
const MINUTE_MS = 60_000;
const memory = { subject: "ramp", state: { startedAtMs: BEGUN_MS, metrics: {} } } as unknown as AnalysisMemory;

function sinceMs(
  compare: "variants" | "beforeAfter",
  before: Record<string, number> | undefined,
  nowMs: number,
): number {
  const metrics = [{ errorRate: { max: "1%" } }, { latency: { max: "500ms" } }];
  const canary = { variant: "on", steps: [{ weight: 50 }], analysis: { compare, metrics } };
  const flag: FeatureFlag = {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "FeatureFlag",
    metadata: { name: "checkout", namespace: "shop" },
    spec: { strategy: { canary } },
    status: {
      progress: { startedAt: new Date(BEGUN_MS).toISOString() },
      analysis: { compare, ...(before === undefined ? {} : { before }) },
    },
  };
  return inquiryOf(memory, flag, nowMs)?.request().sinceMs ?? Number.NaN;
}

describe("inquiryOf(), where all requests are compared with those before the ramp,", () => {
  const soonMs = BEGUN_MS + MINUTE_MS;
  const wholeMs = BEGUN_MS - BEFORE_MS;
  const newMs = readFromMs({ intervalMs: 15_000 } as Parameters<typeof readFromMs>[0], memory.state, soonMs);

  test.each([
    ["nothing of them is known", undefined, wholeMs],
    ["too little of them was there at first", {}, wholeMs],
    ["one metric alone is known", { "error-rate": 0.001 }, wholeMs],
    ["all is known", { "error-rate": 0.001, latency: 0.01 }, newMs],
  ])("asks for those too, or not, when %s", (_, before, expected) => {
    expect(sinceMs("beforeAfter", before, soonMs)).toBe(expected);
  });

  test("gives up once they have become old", () => {
    expect(sinceMs("beforeAfter", {}, BEGUN_MS + BEFORE_MS)).toBeGreaterThan(wholeMs);
  });

  test("never asks for them where variants are compared", () => {
    expect(sinceMs("variants", undefined, soonMs)).toBe(newMs);
  });
});
