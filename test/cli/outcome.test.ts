import { describe, expect, test } from "vitest";
import type { Deployment } from "../../src/api/kubernetes.ts";
import type { Rollout, RolloutStatus } from "../../src/api/rollout.ts";
import { CODES, type Expectation, outcomeOf } from "../../src/cli/outcome.ts";

const PROMISED: Expectation = { until: "promoted", throughPauses: false };

/** A Rollout that wants v2 beside a stable v1. */
function rollout(status: RolloutStatus, promoted = false): Rollout {
  const truth = promoted ? "True" : "False";
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const conditions = [
    { type: "Promoted", status: truth as "True" | "False", reason: "", message: "", lastTransitionTime },
  ];
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "web", namespace: "shop", generation: 2 },
    spec: {},
    status: { observedGeneration: 2, wanted: wanted("v2"), stable: side("v1"), conditions, ...status },
  };
}

function asking(value: string, { metadata, ...rest }: Rollout): Rollout {
  return { ...rest, metadata: { ...metadata, annotations: { "zenith.sh/request": value } } };
}

function wanted(revision: string): NonNullable<RolloutStatus["wanted"]> {
  return { revision, images: [] };
}

function side(revision: string): NonNullable<RolloutStatus["stable"]> {
  return { revision, images: [], replicas: 1, ready: 1 };
}

describe("outcomeOf() says", () => {
  const rejected = { revision: "v2", reason: "AnalysisFailed", message: "error-rate 7 %", at: "" };
  const table: Record<string, { given: Rollout; asked?: Partial<Expectation>; expect: object; code?: number }> = {
    "waiting while the operator has not seen the spec": {
      given: rollout({ observedGeneration: 1, phase: "Healthy" }, true),
      expect: { kind: "waiting", message: "waiting until the operator has seen the latest change" },
    },
    "waiting while a release is on its way": {
      given: rollout({ phase: "Progressing", message: "holding at 25 %" }),
      expect: { kind: "waiting", revision: "v2", message: "holding at 25 %" },
    },
    "promoted from the bake on": {
      given: rollout({ phase: "Baking", stable: side("v2") }, true),
      expect: { kind: "promoted", revision: "v2" },
      code: 0,
    },
    "waiting in the bake for who waits for its end": {
      given: rollout({ phase: "Baking", stable: side("v2") }, true),
      asked: { until: "baked" },
      expect: { kind: "waiting" },
    },
    "promoted after the bake": {
      given: rollout({ phase: "Healthy", stable: side("v2") }, true),
      asked: { until: "baked" },
      expect: { kind: "promoted" },
      code: 0,
    },
    "nothing of the promotion before, as the wanted one does not serve": {
      given: rollout({ phase: "Progressing" }, true),
      expect: { kind: "waiting" },
    },
    "reverted, with the reason": {
      given: rollout({ phase: "Reverted", message: "revision v2 was taken back: error-rate 7 %", rejected }),
      expect: { kind: "reverted", message: "revision v2 was taken back: error-rate 7 %" },
      code: 2,
    },
    "waiting while the one before goes back, as this one has not begun": {
      given: rollout({ phase: "Reverted", wanted: wanted("v3"), rejected }),
      expect: { kind: "waiting", revision: "v3" },
    },
    "waiting while one goes back to stable, which the spec names again": {
      given: rollout({ phase: "Reverted", wanted: wanted("v1"), rejected }),
      expect: { kind: "waiting", revision: "v1" },
    },
    "promoted once it is back at the stable that the spec names": {
      given: rollout({ phase: "Healthy", wanted: wanted("v1"), rejected }, true),
      expect: { kind: "promoted", revision: "v1" },
      code: 0,
    },
    "waiting where someone has asked to try it again, and has no answer yet": {
      given: asking("retry@v2#1", rollout({ phase: "Reverted", rejected })),
      expect: { kind: "waiting", revision: "v2" },
    },
    "reverted where that was asked for another": {
      given: asking("retry@v1#1", rollout({ phase: "Reverted", rejected })),
      expect: { kind: "reverted" },
      code: 2,
    },
    "reverted where that was answered": {
      given: asking(
        "retry@v2#1",
        rollout({ phase: "Reverted", rejected, lastRequest: { value: "retry@v2#1", result: "accepted", at: "" } }),
      ),
      expect: { kind: "reverted" },
      code: 2,
    },
    "failed where it cannot go on": {
      given: rollout({ phase: "Failed", message: 'Service "web" does not exist' }),
      expect: { kind: "failed", message: 'Service "web" does not exist' },
      code: 2,
    },
    "failed where nobody knows what is wanted, as the Deployment is missing": {
      given: rollout({ phase: "Failed", message: 'Deployment "web" does not exist', wanted: undefined }),
      expect: { kind: "failed", message: 'Deployment "web" does not exist' },
      code: 2,
    },
    "that a person is waited for": { given: rollout({ phase: "Paused" }), expect: { kind: "human" }, code: 4 },
    "waiting for the person, to who wants to": {
      given: rollout({ phase: "Paused" }),
      asked: { throughPauses: true },
      expect: { kind: "waiting" },
    },
    "superseded once another revision is wanted": {
      given: rollout({ phase: "Progressing", wanted: wanted("v3") }),
      asked: { revision: "v2" },
      expect: { kind: "superseded", message: "revision v3 is wanted by now instead of v2" },
      code: 5,
    },
    "promoted all the same, where that came first": {
      given: rollout({ phase: "Progressing", stable: side("v2"), wanted: wanted("v3") }),
      asked: { revision: "v2" },
      expect: { kind: "promoted" },
      code: 0,
    },
    "reverted all the same, where that came first": {
      given: rollout({ phase: "Healthy", wanted: wanted("v1"), rejected }, true),
      asked: { revision: "v2" },
      expect: { kind: "reverted", message: "error-rate 7 %" },
      code: 2,
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, asked, expect: wantedOutcome, code }) => {
    const outcome = outcomeOf(given, undefined, { ...PROMISED, ...asked });
    expect(outcome).toMatchObject(wantedOutcome);
    if (outcome.kind !== "waiting") expect(CODES[outcome.kind]).toBe(code);
  });

  test("waiting while the operator has not seen the Deployment", () => {
    const status = { phase: "Healthy", workload: { observedGeneration: 4 } };
    const deployment = { metadata: { name: "web", generation: 5 } } as Deployment;
    expect(outcomeOf(rollout(status, true), deployment, PROMISED).kind).toBe("waiting");
  });
});
