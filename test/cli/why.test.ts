import { describe, expect, test } from "vitest";
import type { ControllerRevision } from "../../src/api/kubernetes.ts";
import { REASONS } from "../../src/api/reasons.ts";
import type { Rollout, RolloutStatus } from "../../src/api/rollout.ts";
import type { Presence } from "../../src/cli/cluster/operator.ts";
import { styleFor } from "../../src/cli/io.ts";
import { historyOf, renderHistory } from "../../src/cli/render/history.ts";
import { explain, renderWhy } from "../../src/cli/render/why.ts";

const NOW_MS = Date.parse("2026-01-01T01:00:00Z");
const RUNNING: Presence = { kind: "running", holder: "pod", namespace: "zenith-system" };
const GONE: Presence = { kind: "gone", message: "no operator is running: there is no Lease" };

function rollout(status?: RolloutStatus, reason = ""): Rollout {
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const conditions = [{ type: "Ready", status: "True" as const, reason, message: "", lastTransitionTime }];
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "web", namespace: "shop" },
    spec: {},
    ...(status === undefined ? {} : { status: { ...status, conditions } }),
  };
}

const side = (revision: string) => ({ revision, images: [`shop/web:${revision}`], replicas: 1, ready: 1 });
const PAUSED: RolloutStatus = {
  phase: "Paused",
  message: "waiting for approval at 25 %; promote to go on",
  stable: side("v1"),
  canary: side("v2"),
  weights: { desired: 25, written: 25, effective: 25, writtenBp: 2500, effectiveBp: 2500 },
  display: { step: "2/5", weight: "25%", ready: "3/3" },
};

describe("why says in a paragraph", () => {
  const told = (given: Rollout, presence: Presence = RUNNING) =>
    renderWhy(explain(given, presence, NOW_MS), 1000).join("\n");
  const table: Record<string, { given: string; expect: string }> = {
    "that a person is waited for": {
      given: told(rollout(PAUSED, "WaitingForApproval")),
      expect:
        "Rollout shop/web is Paused at step 2 of 5: revision v2 (shop/web:v2) has 25 % of the traffic, stable v1 (shop/web:v1) the rest. " +
        "Waiting for approval at 25 %; promote to go on. A pause without a time, or an approval before the first step: a person decides. " +
        "What to do: `kubectl zenith promote web` or `kubectl zenith abort web`.",
    },
    "what was measured, and what it means": {
      given: told(
        rollout(
          {
            phase: "Reverted",
            message: "revision v2 was taken back: error-rate 7.3 % (9/123), stable 0 %",
            stable: side("v1"),
          },
          "AnalysisFailed",
        ),
      ),
      expect:
        "Rollout shop/web is Reverted: revision v1 (shop/web:v1) serves all traffic. " +
        "Revision v2 was taken back: error-rate 7.3 % (9/123), stable 0 %. " +
        "A metric was breached; the message has the numbers of both sides. " +
        "What to do: Mend the revision. `kubectl zenith retry web` if the cause lay elsewhere.",
    },
    "that a request was refused": {
      given: told(
        rollout(
          {
            ...PAUSED,
            lastRequest: { value: "retry@v2#1", result: "refused: nothing was rejected", at: "2026-01-01T00:59:50Z" },
          },
          "WaitingForApproval",
        ),
      ),
      expect: 'The last request, "retry", was refused: nothing was rejected (10s ago). What to do:',
    },
    "that all is well": {
      given: told(
        rollout(
          { phase: "Healthy", message: "revision v1 is stable, 1 of 1 pods ready", stable: side("v1") },
          "Healthy",
        ),
      ),
      expect:
        "Rollout shop/web is Healthy: revision v1 (shop/web:v1) serves all traffic. Revision v1 is stable, 1 of 1 pods ready. What to do: Nothing.",
    },
    "first of all that nobody acts": {
      given: told(rollout(PAUSED, "WaitingForApproval"), GONE),
      expect: "No operator is running: there is no Lease. Rollout shop/web is Paused",
    },
    "that nobody has looked, where an operator runs": {
      given: told(rollout()),
      expect:
        "No operator has looked at Rollout shop/web yet. One is running; does it watch this namespace? What to do: See the flag --namespaces of the operator.",
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) => expect(given).toContain(wanted));

  test("what to do, for every reason that there is", () => {
    for (const [reason] of REASONS.flatMap(({ reasons }) => reasons)) {
      const { remedy } = explain(rollout({ phase: "Failed", message: "m" }, reason), RUNNING, NOW_MS);
      expect(remedy).toMatch(/^\S+/);
      expect(remedy).not.toMatch(/`(promote|retry|abort|resume)`|NAME|\]\(/);
    }
  });

  test("in lines that fit", () => {
    const lines = renderWhy(explain(rollout(PAUSED, "WaitingForApproval"), RUNNING, NOW_MS), 60);
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  });
});

describe("history", () => {
  const record = (revision: number, hash: string, mark?: string, reason?: string): ControllerRevision => ({
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    revision,
    metadata: {
      name: `web-${hash}`,
      labels: { "zenith.sh/revision": hash },
      creationTimestamp: `2026-01-01T00:0${revision}:00Z`,
      annotations: {
        "zenith.sh/images": `shop/web:${hash}`,
        ...(mark === undefined ? {} : { "zenith.sh/mark": mark }),
        ...(reason === undefined ? {} : { "zenith.sh/reason": reason }),
      },
    },
  });
  const RECORDS = [
    record(2, "v2", "rejected", "error-rate 7 %"),
    record(1, "v1", "promoted"),
    record(4, "v4"),
    record(3, "v3", "promoted"),
  ];
  const entry = (revision: string, result: string, message = "") => ({
    revision,
    result,
    message,
    at: "2026-01-01T00:30:00Z",
    images: [],
  });
  const given = rollout({
    stable: side("v3"),
    canary: side("v4"),
    history: [entry("v3", "Promoted"), entry("v2", "Reverted", "error-rate 7 %")],
  });

  test("tells each revision with what became of it, the newest first", () => {
    const style = styleFor({ isTerminal: false, environment: {} }, true);
    expect(renderHistory(historyOf(given, RECORDS), NOW_MS, style).join("\n")).toBe(
      `NUMBER   REVISION   STATE      AGE   DECIDED   IMAGES        WHY
4        v4         canary     56m             shop/web:v4
3        v3         stable     57m   30m ago   shop/web:v3
2        v2         rejected   58m   30m ago   shop/web:v2   error-rate 7 %
1        v1         promoted   59m             shop/web:v1`,
    );
  });
});
