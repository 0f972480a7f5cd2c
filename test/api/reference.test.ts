import { expect, test } from "vitest";
import { fieldsOf } from "../../src/api/crd.ts";
import { type Rollout, type RolloutSpec, rolloutSpec } from "../../src/api/rollout.ts";
import { parseDurationMs } from "../../src/api/units.ts";
import { settingsOf } from "../../src/core/rollout/settings.ts";

/** docs/reference/rollout.md and kubectl explain say defaults that only the code knows: they must be the same. */
const fields = new Map(fieldsOf(rolloutSpec).map((field) => [field.path, field]));
const settings = settingsOf(rolloutOf({ traffic: { service: "web", routes: [{ httpRoute: { name: "web" } }] } }));

function rolloutOf(spec: RolloutSpec): Rollout {
  const metadata = { name: "web", namespace: "shop" };
  return { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", metadata, spec };
}

function said(path: string): string {
  return fields.get(path)?.default ?? "";
}

test.each([
  ["strategy.canary.scaleDownDelay", settings.scaleDownDelayMs],
  ["strategy.canary.settle", settings.settleMs],
  ["strategy.canary.drain", settings.drainMs],
  ["bake", settings.bakeMs],
  ["progressDeadline", settings.progressDeadlineMs],
  ["analysis.interval", settings.analysis?.intervalMs],
  ["analysis.onNoData.after", settings.analysis?.onNoData.afterMs],
  ["analysis.onUnsure.after", settings.analysis?.onUnsure.afterMs],
])("the default of %s is what is said", (path, ms) => {
  expect(parseDurationMs(said(path))).toBe(ms);
});

test.each([
  ["strategy.canary.maxSurge", settings.maxSurge],
  ["strategy.canary.maxUnavailable", settings.maxUnavailable],
  ["minReadySeconds", settings.minReadySeconds],
  ["revisionHistoryLimit", settings.historyLimit],
  ["waitFor", settings.waitFor],
  ["paused", settings.paused],
  ["analysis.onNoData.then", settings.analysis?.onNoData.then],
  ["analysis.onUnsure.then", settings.analysis?.onUnsure.then],
  ["traffic.allowDoubleSplit", settings.allowDoubleSplit],
  ["traffic.canaryService", settings.canaryService?.replace("web", "<service>")],
])("the default of %s is what is said", (path, value) => {
  expect(said(path)).toBe(String(value));
});

test("the default strategy is the preset that is said, of the length that is said", () => {
  const preset = said("strategy.canary.preset") as "safe";
  expect(settingsOf(rolloutOf({ strategy: { canary: { preset } } })).steps).toEqual(settings.steps);
  expect(said("strategy.canary.over")).toBe("7d for safe, 30m for fast");
  expect(settingsOf(rolloutOf({ strategy: { canary: { preset, over: "7d" } } })).steps).toEqual(settings.steps);
  const fast = settingsOf(rolloutOf({ strategy: { canary: { preset: "fast" } } })).steps;
  expect(settingsOf(rolloutOf({ strategy: { canary: { preset: "fast", over: "30m" } } })).steps).toEqual(fast);
});

test("every field says what it means", () => {
  expect([...fields.values()].filter(({ description }) => description === "").map(({ path }) => path)).toEqual([]);
});
