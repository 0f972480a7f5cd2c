import type { ControllerRevision, Pod, ReplicaSet } from "../../src/api/kubernetes.ts";
import type { Rollout, RolloutStatus } from "../../src/api/rollout.ts";
import type { RolloutTree } from "../../src/cli/cluster/rollouts.ts";
import { criteriaOf } from "../../src/core/report/criteria.ts";

/** A shop in the middle of a release, and after one: what the pictures show. */

const START = "2026-11-23T09:00:00Z";
const DAY_MS = 86_400_000;
export const NOW_MS = Date.parse(START) + 2.52 * DAY_MS;
const OLD = "58bfk4wq7n";
const NEW = "bbzq8rcz52";

const at = (beforeMs: number) => new Date(NOW_MS - beforeMs).toISOString();
const image = (tag: string) => [`shop/web:${tag}`];

function rollout(status: RolloutStatus): Rollout {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "web", namespace: "production", creationTimestamp: at(41 * DAY_MS) },
    spec: { strategy: { canary: { preset: "safe", over: "7d" } } },
    status,
  };
}

/** On its third day. */
export const TREE: RolloutTree = {
  rollout: rollout({
    phase: "Progressing",
    message: "holding at 25 %",
    step: { index: 5, total: 11, startedAt: at(0.52 * DAY_MS) },
    weights: { desired: 25, written: 25, effective: 25, writtenBp: 2500, effectiveBp: 2500 },
    stable: { revision: OLD, images: image("v1"), replicas: 4, ready: 4 },
    canary: { revision: NEW, images: image("v2"), replicas: 1, ready: 1 },
    progress: { stage: "Stepping", mark: "on:2500", canary: NEW },
    lastRequest: { value: `promote@${NEW}#1`, result: "accepted", at: at(2.52 * DAY_MS) },
    analysis: {
      metrics: [
        {
          name: "error-rate",
          verdict: "Pass",
          limit: 0.01,
          message: "error-rate 0.034 % (341/1004213), stable 0.036 %: below 1.0 %",
        },
        {
          name: "latency",
          verdict: "Pass",
          limit: 0.05,
          message: "latency 0.61 % over 500 ms (6126/1004213), stable 0.63 %: below 5.0 %",
        },
      ],
    },
    display: { step: "6/11", weight: "25%", ready: "5/5" },
  }),
  replicaSets: [set(OLD, "v1", 4, 20 * DAY_MS), set(NEW, "v2", 1, 2.52 * DAY_MS)],
  revisions: [record(OLD, 11), record(NEW, 12)],
  pods: [pod(NEW, "x7d2k", 2.52), ...["4kq9c", "8mzpt", "c6w2f", "t9hrv"].map((letters) => pod(OLD, letters, 20))],
};

/** Two days after all traffic was on it. */
export const REPORTED: Rollout = rollout({
  report: {
    revision: NEW,
    images: image("v2"),
    result: "Promoted",
    startedAt: START,
    at: new Date(Date.parse(START) + 9 * DAY_MS).toISOString(),
    criteria: criteriaOf({
      objectives: { errorRate: 0.001, p95Ms: 200 },
      gates: [
        { kind: "tests", open: true, value: "98.28 % (688 of 700)", wanted: "at least 95 % of the tests pass" },
        { kind: "coverage", open: true, value: "67 %", wanted: "at least 60 % covered" },
      ],
      requests: { all: 8_640_127, failed: 2_938 },
      p95: { kind: "measured", ms: 131.57 },
      reached: 100,
      startedMs: Date.parse(START),
      promotedMs: Date.parse(START) + 7 * DAY_MS + 96_000,
    }),
  },
});

function set(hash: string, tag: string, replicas: number, ageMs: number): ReplicaSet {
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: `web-${hash}`, labels: { "zenith.sh/revision": hash }, creationTimestamp: at(ageMs) },
    spec: { replicas, selector: {}, template: { spec: { containers: [{ image: `shop/web:${tag}` }] } } },
    status: { replicas, availableReplicas: replicas },
  };
}

function record(hash: string, revision: number): ControllerRevision {
  const metadata = { name: `web-${hash}`, labels: { "zenith.sh/revision": hash } };
  return { apiVersion: "apps/v1", kind: "ControllerRevision", metadata, revision };
}

function pod(hash: string, letters: string, days: number): Pod {
  const labels = { "zenith.sh/revision": hash };
  const metadata = { name: `web-${hash}-${letters}`, labels, creationTimestamp: at(days * DAY_MS) };
  const status = { phase: "Running", containerStatuses: [{ name: "web", ready: true, restartCount: 0 }] };
  return { apiVersion: "v1", kind: "Pod", metadata, status };
}
