import { beforeEach, expect, test } from "vitest";
import { describeRef, type ManagedFieldsEntry } from "../../../src/api/kubernetes.ts";
import type { Written } from "../../../src/controllers/awaited.ts";
import { Contests } from "../../../src/controllers/rollout/contests.ts";
import { writers } from "../../../src/core/flags/control/writers.ts";
import type { Write } from "../../../src/core/plan.ts";
import type { Snapshot } from "../../../src/core/rollout/snapshot.ts";

const ref = { apiVersion: "v1", kind: "Service", namespace: "shop", name: "web" };
const KEY = "shop/web";
const entry = (manager: string, second: number, subresource?: string): ManagedFieldsEntry => ({
  manager,
  operation: "Update",
  time: `2026-01-01T00:00:0${second}Z`,
  fieldsV1: { "f:spec": { "f:selector": {} } },
  ...(subresource === undefined ? {} : { subresource }),
});
// As the caches keep them.
const managedFields = writers([
  entry("kubectl", 0),
  entry("helm", 1),
  entry("zenith", 2),
  entry("kubelet", 3, "status"),
]);
const service = { apiVersion: "v1", kind: "Service", metadata: { ...ref, managedFields }, spec: {} };
const snapshot = { service, routes: [] } as unknown as Snapshot;
let contests: Contests;
let nowMs: number;

beforeEach(() => {
  nowMs = 0;
  contests = new Contests(() => nowMs);
});

function repair(times: number, everyMs: number, more: Partial<Write> = {}): void {
  const write = { verb: "jsonPatch", ref, operations: [], resourceVersion: "1", why: "select v1", shared: ["/spec"] };
  const written: Written = new Map([[describeRef(ref), { ref, version: "2" }]]);
  for (let i = 0; i < times; i++) {
    nowMs += everyMs;
    contests.note(KEY, snapshot, [{ ...write, ...more } as Write], written);
  }
}

test("ten repairs within half a minute are a quarrel with whoever wrote last, told until half a minute after the last", () => {
  repair(9, 1_000);
  expect(contests.view(KEY)).toBeUndefined();
  repair(1, 1_000);
  expect(contests.view(KEY)).toEqual({ what: 'Service "web"', by: "helm", leftMs: 30_000 });
  nowMs += 29_999;
  expect(contests.view(KEY)).toMatchObject({ by: "helm", leftMs: 1 });
  nowMs += 1;
  expect(contests.view(KEY)).toBeUndefined();
});

test("a GitOps tool that resets every five seconds is none", () => {
  repair(100, 5_000);
  expect(contests.view(KEY)).toBeUndefined();
});

test("neither are the steps of a release, nor a breach", () => {
  for (let i = 0; i < 50; i++) repair(1, 100, { why: `give the canary ${i} %` });
  repair(50, 100, { together: "breach" });
  expect(contests.view(KEY)).toBeUndefined();
});

test("what is forgotten is no quarrel any more", () => {
  repair(10, 100);
  contests.forget(KEY);
  expect(contests.view(KEY)).toBeUndefined();
});
