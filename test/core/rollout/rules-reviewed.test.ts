import { describe, expect, test } from "vitest";
import type { Reading } from "../../../src/core/analysis/model.ts";
import { planRollout } from "../../../src/core/rollout/plan.ts";
import { routers } from "../../../src/traffic/routers.ts";
import { servesAlone } from "./expectations.ts";
import { atRest, type Play, underWay } from "./play.ts";

/** What a review suspected, and could show. */

describe("a ReplicaSet whose status is behind its size", () => {
  test("is not what a rollback leads the Service to at once: its pods are going", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Baking").run(({ manners, sizes }) => {
      manners.sets = "stand";
      return sizes.v1 === 0;
    });
    play.manners.ready.set("v1", 0); // New pods take their time.
    play.request("rollback");
    play.until("Reverted", "RolledBack").forMs(5_000);
    expect(play.traffic).toEqual({ v2: 1 });
    play.manners.sets = "follow";
    play.ready("v1");
    play.settles();
    servesAlone(play, "v1");
  });
});

describe("an analysis that is edited while Prometheus is being asked", () => {
  const query = (name: string, promql = "x") => ({ query: { name, promql, max: 0.3, consecutive: 2 } });

  test("has its late answers left out: what they were of is no longer asked", () => {
    const play = underWay(25, { spec: { analysis: { metrics: [query("saturation")] } } });
    const late: Reading = { kind: "value", metric: "saturation", atMs: play.nowMs, value: 1 };
    play.edit(() => ({ analysis: { metrics: [query("load")] } }));
    const snapshot = play.snapshot();
    const metrics = { ...snapshot.metrics, readings: [late] };
    expect(planRollout({ ...snapshot, metrics }, routers).target.reason).toBe("Pausing");
  });

  test("does not hold against it what another query said", () => {
    const play = underWay(25, { spec: { analysis: { metrics: [query("failures", "wrong")] } } });
    play.requests.bad.add("v2"); // Half of its requests.
    play.run(({ last }) => last?.memory?.state.metrics.failures?.breaches === 1);
    play.edit(() => ({ analysis: { metrics: [query("failures", "right")] } }));
    play.step();
    expect(play.last?.memory?.state.metrics.failures?.breaches).toBe(0);
    play.until("Reverted", "AnalysisFailed");
    expect(play.status.message).toContain("2 times in a row");
  });
});

describe("minReadySeconds", () => {
  const asked = (play: Play) => [play.pods("v1"), play.pods("v2")].map((set) => set?.spec.minReadySeconds);

  test("that is lowered holds for the pods that are there", () => {
    const play = underWay(25, { spec: { minReadySeconds: 300 } });
    play.edit(() => ({ minReadySeconds: 0 }));
    play.forget().step();
    expect(play.story).toEqual([
      "00:00 let pods of revision v1 count once ready for 0 s | let pods of revision v2 count once ready for 0 s",
    ]);
    expect(asked(play)).toEqual([0, 0]);
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("that is raised does not take pods that serve for lost", () => {
    const play = underWay(25);
    play.edit(() => ({ minReadySeconds: 300 }));
    play.step();
    expect(asked(play)).toEqual([0, 0]);
    play.deploy("v3");
    play.until("Healthy").settles();
    expect(play.pods("v3")?.spec.minReadySeconds).toBe(300);
  });
});
