import { describe, expect, test } from "vitest";
import type { Rollout } from "../../src/api/rollout.ts";
import { turnOf, unanswered } from "../../src/cli/request.ts";

const ABORT = "abort@bcdfg#1";
const PROMOTE = "promote@bcdfg#1";

describe("turnOf()", () => {
  const table: Record<string, { given: [standing: string | undefined, verb: string]; expect: string }> = {
    "writes where nothing stands": { given: [undefined, "promote"], expect: "write" },
    "waits for an abort, which nothing may be written over": { given: [ABORT, "promote"], expect: "wait" },
    "waits for what another asked before": { given: [PROMOTE, "pause"], expect: "wait" },
    "lets an abort go before everything": { given: [PROMOTE, "abort"], expect: "write" },
    "joins an abort that was asked for already": { given: [ABORT, "abort"], expect: "join" },
    "waits for what it cannot read": { given: ["nonsense", "promote"], expect: "wait" },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: turn }) => expect(turnOf(...given)).toBe(turn));
});

test("unanswered() is what status has not answered", () => {
  const rollout = (answered?: string): Rollout => ({
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "web", annotations: { "zenith.sh/request": ABORT } },
    spec: {},
    ...(answered === undefined ? {} : { status: { lastRequest: { value: answered, result: "accepted", at: "" } } }),
  });
  expect(unanswered(rollout())).toBe(ABORT);
  expect(unanswered(rollout(PROMOTE))).toBe(ABORT);
  expect(unanswered(rollout(ABORT))).toBeUndefined();
});
