import { describe, expect, test } from "vitest";
import type { RolloutGate } from "../../../src/api/gates.ts";
import type { GateView, MetricAnswer } from "../../../src/core/gates/view.ts";
import { atRest, type Play } from "./play.ts";

/** What must hold before the first step, in stories. */

const spec = { strategy: { canary: { steps: [{ weight: 50 }, { pause: { for: "1m" as const } }] } }, bake: "1m" };
const TESTS: RolloutGate = { tests: { configMap: { name: "ci" } } };
const READ: GateView = { configMaps: new Map(), rollouts: new Map(), flags: [], kills: [], metrics: new Map() };

function results(passed: number, failed: number): GateView {
  const data = { "results.json": JSON.stringify({ passed, failed }) };
  return { ...READ, configMaps: new Map([["ci", { data }]]) };
}

function gated(...gates: RolloutGate[]): Play {
  const play = atRest({ spec: { ...spec, gates } });
  play.gates = READ;
  play.deploy("v2");
  return play;
}

describe("a release with gates", () => {
  test("starts nothing while one is closed, says which, and goes on by itself once it opens", () => {
    const play = gated(TESTS).until("Progressing", "GateClosed");
    expect(play.status.message).toBe(
      'holding before the first step: gate tests: ConfigMap "ci" with the label zenith.sh/gate does not exist; CI has to write it, wanted: at least 95 % of the tests pass',
    );
    play.settles();
    expect(play.sizes).toEqual({ v1: 4 });
    play.gates = results(90, 10);
    play.step();
    expect(play.status.gates).toMatchObject([{ gate: "tests", open: false, value: "90 % (90 of 100)" }]);
    play.gates = results(99, 1);
    play.until("Healthy");
    expect(play.sizes).toEqual({ v2: 4 });
    expect(play.status.gates).toMatchObject([{ gate: "tests", open: true, value: "99 % (99 of 100)" }]);
  });

  test("asks a person last, about this very revision", () => {
    const play = gated(TESTS, { approval: {} }).until("Progressing", "GateClosed");
    play.gates = results(100, 0);
    play.until("Paused", "WaitingForApproval");
    expect(play.status.message).toBe("waiting for approval before the first step; promote to begin");
    play.deploy("v3");
    play.request("promote", "v2");
    play.step();
    expect(play.status.lastRequest?.result).toContain("refused: meant for revision");
    play.request("promote", "v3");
    play.until("Healthy");
    expect(play.sizes).toEqual({ v3: 4 });
  });

  test("remembers an approval that came before the other gates opened", () => {
    const play = gated(TESTS, { approval: {} }).until("Progressing", "GateClosed");
    play.request("promote");
    play.step();
    expect(play.status.lastRequest?.result).toBe("accepted");
    play.restart();
    play.gates = results(100, 0);
    play.until("Healthy");
    expect(play.sizes).toEqual({ v2: 4 });
  });

  test("asks anew after a rejection", () => {
    const play = gated({ approval: {} }).until("Paused");
    play.request("promote");
    play.run(({ status }) => status.weights?.effective === 50);
    play.request("abort");
    play.until("Reverted").settles();
    play.request("retry");
    play.until("Paused", "WaitingForApproval");
    expect(play.sizes).toEqual({ v1: 4 });
  });

  test.each(["abort", "rollback"])("is rejected by `%s`, a person's no, and comes again by `retry` alone", (verb) => {
    const play = gated(TESTS, { approval: {} }).until("Progressing", "GateClosed");
    play.request(verb);
    play.until("Reverted", "Aborted").settles();
    expect(play.status.lastRequest?.result).toBe("accepted");
    expect(play.status.message).toMatch(/^revision \S+ was taken back: aborted by request before its first step$/);
    expect(play.status.history?.[0]).toMatchObject({ result: "Reverted" });
    expect(play.sizes).toEqual({ v1: 4 });
    play.loseStatus();
    play.gates = results(100, 0);
    play.until("Reverted").settles();
    play.request("retry");
    play.until("Paused", "WaitingForApproval");
  });

  test("that waits for a person is rejected by `abort`", () => {
    const play = gated({ approval: {} }).until("Paused", "WaitingForApproval");
    play.request("abort");
    play.until("Reverted", "Aborted").settles();
    play.deploy("v3");
    play.until("Paused", "WaitingForApproval");
    play.request("promote");
    play.until("Healthy");
    expect(play.sizes).toEqual({ v3: 4 });
  });

  test("lets nobody promote past a closed gate, not even fully", () => {
    const play = gated(TESTS).until("Progressing", "GateClosed");
    for (const verb of ["promote", "promote:full"]) {
      play.request(verb);
      play.step();
      expect(play.status.lastRequest?.result).toBe("refused: the gates hold it before its first step");
    }
  });

  test("is let go by a closed gate when the spec goes back, and asks none on the way back", () => {
    const play = gated(TESTS).until("Progressing", "GateClosed");
    play.deploy("v1");
    play.until("Healthy");
    play.gates = results(100, 0);
    play.deploy("v2");
    play.until("Baking");
    play.gates = READ; // Gone by now: a rollback asks nobody.
    play.request("rollback");
    play.until("Reverted").settles();
    expect(play.sizes).toEqual({ v1: 4 });
  });

  test("does not hold the very first revision", () => {
    expect(atRest({ spec: { ...spec, gates: [{ approval: {} }] } }).sizes).toEqual({ v1: 4 });
  });

  test("is held by a gate that the operator cannot answer", () => {
    const play = gated(TESTS);
    play.gates = undefined;
    play.until("Progressing", "GateClosed");
    expect(play.status.message).toContain("start it with --gates");
  });

  test("tells at once what a metric answers first, and each trouble with it; another value that says the same, later", () => {
    const play = gated({ metric: { name: "load", promql: "load", max: 0.8 } }).until("Progressing", "GateClosed");
    const answers = (answer: MetricAnswer): string | undefined => {
      play.gates = { ...READ, metrics: new Map([["load", answer]]) };
      play.forMs(20_000);
      return play.status.gates?.[0]?.message;
    };
    expect(play.status.gates?.[0]?.message).toBe("Prometheus has not answered yet");
    expect(answers({ kind: "none", message: "Prometheus answered 401" })).toBe("Prometheus answered 401");
    expect(answers({ kind: "none", message: "Prometheus answered 503" })).toBe("Prometheus answered 503");
    expect(answers({ kind: "value", value: 0.9 })).toBe("it is 0.9");
    expect(answers({ kind: "value", value: 0.95 })).toBe("it is 0.9");
    play.forMs(300_000);
    expect(play.status.gates?.[0]?.message).toBe("it is 0.95");
  });

  test("writes nothing while nothing but time passes", () => {
    const play = gated(TESTS).until("Progressing", "GateClosed").settles();
    expect(play.reason).toBe("GateClosed");
  });
});
