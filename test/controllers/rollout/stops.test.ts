import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import type { KillSwitch } from "../../../src/api/kill-switch.ts";
import type { Sources } from "../../../src/controllers/rollout/sources.ts";
import { killOf, revertedFlag } from "../../../src/controllers/rollout/stops.ts";
import { type ScriptedServer, startScriptedServer } from "../../kube/scripted-server.ts";
import { aRollout, handFilled } from "./shell.ts";

const NOW = Date.parse("2026-01-12T09:00:00Z");
const rollout = { ...aRollout("web", 1), metadata: { ...aRollout("web", 1).metadata, labels: { tier: "web" } } };
let server: ScriptedServer;
let sources: Sources;
let version = 10;

beforeEach(async () => {
  server = await startScriptedServer();
  sources = handFilled(server.client());
});
afterEach(() => server.stop());

function kill(name: string, spec: Partial<KillSwitch["spec"]>, namespace = "shop"): void {
  sources.kills.set({
    apiVersion: "zenith.sh/v1alpha1",
    kind: "KillSwitch",
    metadata: { name, namespace, resourceVersion: String(++version) },
    spec: { selector: { matchLabels: { tier: "web" } }, reason: "it burns", ...spec },
  });
}

function flag(name: string, revertTogether: "none" | "rollout" | "both", reason: string, at: string): void {
  sources.flags.set({
    apiVersion: "zenith.sh/v1alpha1",
    kind: "FeatureFlag",
    metadata: { name, namespace: "shop", resourceVersion: String(++version) },
    spec: { rolloutRef: { name: "web", revertTogether } },
    status: { override: { kind: "revert", servedHash: "x", reason, message: `${name} harms`, at } },
  } as FeatureFlag);
}

describe("killOf()", () => {
  test("finds the switch that selects the Rollout; one that aborts before one that holds", () => {
    kill("a-holds", { rollouts: "hold" });
    expect(killOf(sources, rollout, NOW)).toEqual({ name: "a-holds", reason: "it burns", aborts: false });
    kill("b-aborts", { rollouts: "abort", until: "2026-01-12T10:00:00Z" });
    expect(killOf(sources, rollout, NOW)).toEqual({
      name: "b-aborts",
      reason: "it burns",
      aborts: true,
      untilMs: NOW + 3_600_000,
    });
  });

  test("finds none that is for flags alone, selects others, is of another namespace or is over", () => {
    kill("flags", { flags: "safe" });
    kill("others", { rollouts: "abort", selector: { matchLabels: { tier: "db" } } });
    kill("elsewhere", { rollouts: "abort" }, "billing");
    kill("over", { rollouts: "abort", until: "2026-01-12T08:59:59Z" });
    expect(killOf(sources, rollout, NOW)).toBeUndefined();
  });
});

describe("revertedFlag()", () => {
  test("finds the flag that was reverted last of those that take their Rollout along", () => {
    flag("first", "rollout", "AnalysisFailed", "2026-01-12T08:00:00Z");
    flag("last", "both", "Aborted", "2026-01-12T08:30:00Z");
    flag("alone", "none", "AnalysisFailed", "2026-01-12T08:45:00Z");
    expect(revertedFlag(sources, rollout)).toEqual({ name: "last", message: "last harms", atMs: NOW - 1_800_000 });
  });

  test("finds none that its Rollout has taken along", () => {
    flag("along", "both", "RolloutReverted", "2026-01-12T08:30:00Z");
    expect(revertedFlag(sources, rollout)).toBeUndefined();
  });
});
