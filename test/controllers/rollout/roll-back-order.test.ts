import { afterAll, beforeAll, expect, test } from "vitest";
import type { Rollout } from "../../../src/api/rollout.ts";
import { rollingBackLater } from "../../../src/controllers/rollout/roll-back-order.ts";
import { type ScriptedServer, startScriptedServer } from "../../kube/scripted-server.ts";
import { aRollout, atVersion, handFilled } from "./shell.ts";

let server: ScriptedServer;
beforeAll(async () => {
  server = await startScriptedServer();
});
afterAll(() => server.stop());

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();

/** Promoted in that minute, and then it bakes, or goes back for a reason. */
function promoted(name: string, minute: number, reason?: string): Rollout {
  const back = { because: { revision: "b", reason: reason ?? "", message: "it was worse" }, markSince: at(50) };
  const progress =
    reason === undefined
      ? { stage: "Resting", mark: "resting", previous: "a" }
      : { stage: "RollingBack", mark: "scaling", previous: "a", ...back };
  return atVersion({ ...aRollout(name, 1), status: { progress, bake: { startedAt: at(minute), until: at(59) } } }, 1);
}

function laterThanWeb(...others: readonly Rollout[]) {
  const web = promoted("web", 10);
  const sources = handFilled(server.client());
  sources.rollouts.replace([web, ...others], "2");
  return rollingBackLater(sources, web);
}

test("rollingBackLater() names the one promoted last, where that was later", () => {
  const found = laterThanWeb(promoted("cart", 20, "AnalysisFailed"), promoted("pay", 30, "AnalysisFailed"));
  expect(found).toEqual({ rollout: "pay", sinceMs: Date.parse(at(50)) });
});

test.each([
  ["was promoted earlier", promoted("cart", 5, "AnalysisFailed")],
  ["bakes in peace", promoted("cart", 20)],
  ["is to blame for nothing", promoted("cart", 20, "Undone")],
  [
    "is of another namespace",
    { ...promoted("cart", 20, "AnalysisFailed"), metadata: { ...aRollout("cart", 1).metadata, namespace: "bank" } },
  ],
])("rollingBackLater() names none that %s", (_what, other) => {
  expect(laterThanWeb(other as Rollout)).toBeUndefined();
});
