import { describe, expect, test } from "vitest";
import type { ControllerRevision, Pod, ReplicaSet } from "../../src/api/kubernetes.ts";
import type { Rollout, RolloutStatus } from "../../src/api/rollout.ts";
import type { RolloutTree } from "../../src/cli/cluster/rollouts.ts";
import { styleFor } from "../../src/cli/io.ts";
import { renderRollouts } from "../../src/cli/render/rollouts.ts";
import { renderTree } from "../../src/cli/render/tree.ts";
import { age, duration } from "../../src/cli/render/words.ts";

const NOW_MS = Date.parse("2026-01-01T01:00:00Z");
const PLAIN = styleFor({ isTerminal: false, environment: { LANG: "C.UTF-8" } }, true);
const BARE = styleFor({ isTerminal: false, environment: { LANG: "C" } }, true);

const ago = (seconds: number) => new Date(NOW_MS - seconds * 1000).toISOString();

function rollout(status?: RolloutStatus): Rollout {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "web", namespace: "shop", creationTimestamp: ago(200_000) },
    spec: {
      strategy: { canary: { steps: [{ weight: 25 }, { pause: { for: "10m" } }, { weight: "50%" }, { pause: {} }] } },
    },
    ...(status === undefined ? {} : { status }),
  };
}

function set(hash: string, replicas: number, ready: number, seconds: number): ReplicaSet {
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: `web-${hash}`, labels: { "zenith.sh/revision": hash }, creationTimestamp: ago(seconds) },
    spec: { replicas, selector: {}, template: { spec: { containers: [{ image: `shop/web:${hash}` }] } } },
    status: { replicas, availableReplicas: ready },
  };
}

function record(hash: string, revision: number): ControllerRevision {
  const metadata = { name: `web-${hash}`, labels: { "zenith.sh/revision": hash } };
  return { apiVersion: "apps/v1", kind: "ControllerRevision", metadata, revision };
}

function pod(hash: string, letters: string, status: Pod["status"] = {}, more: Partial<Pod["metadata"]> = {}): Pod {
  const running = { phase: "Running", containerStatuses: [{ name: "web", ready: true, restartCount: 0 }] };
  const metadata = {
    name: `web-${hash}-${letters}`,
    labels: { "zenith.sh/revision": hash },
    creationTimestamp: ago(90),
    ...more,
  };
  return { apiVersion: "v1", kind: "Pod", metadata, status: { ...running, ...status } };
}

const side = (revision: string) => ({ revision, images: [`shop/web:${revision}`], replicas: 2, ready: 2 });

const UNDER_WAY: RolloutTree = {
  rollout: rollout({
    phase: "Progressing",
    message: "holding at 25 %",
    step: { index: 1, total: 5, startedAt: ago(150) },
    weights: { desired: 25, written: 25, effective: 25, writtenBp: 2500, effectiveBp: 2500 },
    wanted: { revision: "v2", images: [] },
    stable: side("v1"),
    canary: side("v2"),
    progress: { stage: "Stepping", mark: "on:2500", canary: "v2" },
    lastRequest: { value: "promote@v2#1", result: "refused: the canary does not have 25 % yet", at: ago(200) },
    analysis: {
      metrics: [
        {
          name: "error-rate",
          verdict: "Continue",
          limit: 0.01,
          message: "error-rate 0.3 % (1/300): evidence 0:1 of 100:1",
        },
        { name: "latency", verdict: "Unsure", limit: 0.05, message: "latency: 12 of 42 requests seen" },
      ],
    },
    display: { step: "2/5", weight: "25%", ready: "5/6" },
  }),
  replicaSets: [set("v1", 4, 4, 100_000), set("v2", 2, 1, 150), set("v0", 0, 0, 200_000)],
  revisions: [record("v1", 2), record("v2", 3), record("v0", 1)],
  pods: [
    pod("v2", "bbbbb", {
      containerStatuses: [
        { name: "web", ready: false, restartCount: 3, state: { waiting: { reason: "CrashLoopBackOff" } } },
      ],
    }),
    pod("v2", "aaaaa"),
    pod("v1", "ccccc", {}, { deletionTimestamp: ago(1) }),
  ],
};

describe("renderTree()", () => {
  test("shows a release under way", () => {
    expect(renderTree(UNDER_WAY, NOW_MS, PLAIN).join("\n")).toBe(`Rollout shop/web: Progressing, step 2 of 5
holding at 25 %

Weight    desired 25 %, written 25 %, effective 25 %
Steps     25 % · ● 10m (7m 30s left) · 50 % · approval · 100 %
Request   promote: refused: the canary does not have 25 % yet, 3m20s ago

NAME                 ROLE     STATUS             READY   TRAFFIC   AGE     IMAGES
web                                              5/6               2d
├─ #3 v2             canary   Scaling            1/2     25 %      2m30s   shop/web:v2
│  ├─ web-v2-aaaaa            Running            1/1               90s
│  └─ web-v2-bbbbb            CrashLoopBackOff   0/1               90s     3 restarts
└─ #2 v1             stable   Ready              4/4     75 %      27h     shop/web:v1
   └─ web-v1-ccccc            Terminating        1/1               90s

ANALYSIS     VERDICT      WHAT WAS SEEN
error-rate   ✔ Continue   error-rate 0.3 % (1/300): evidence 0:1 of 100:1
latency      ◌ Unsure     latency: 12 of 42 requests seen`);
  });

  test("draws with ASCII for a terminal that has nothing else", () => {
    const lines = renderTree(UNDER_WAY, NOW_MS, BARE);
    expect(lines).toContain("|  `- web-v2-bbbbb            CrashLoopBackOff   0/1               90s     3 restarts");
  });

  test("names what the first containers of a pod wait for, as kubectl does", () => {
    const waits = (name: string, reason: string) => [
      { name, ready: false, restartCount: 0, state: { waiting: { reason } } },
    ];
    const statuses = {
      initContainerStatuses: waits("migrate", "CrashLoopBackOff"),
      containerStatuses: waits("web", "PodInitializing"),
    };
    const lines = renderTree({ ...UNDER_WAY, pods: [pod("v2", "bbbbb", statuses)] }, NOW_MS, BARE);
    expect(lines.join("\n")).toContain("web-v2-bbbbb            Init:CrashLoopBackOff   0/1");
  });

  test("says of one that nobody has looked at that it is so", () => {
    const tree = { rollout: rollout(), replicaSets: [], revisions: [], pods: [] };
    expect(renderTree(tree, NOW_MS, PLAIN)).toEqual(["Rollout shop/web: Unseen", "no operator has looked at it yet"]);
  });

  test("gives all traffic to the canary in the hand-over, when the pair in the routes is at 0 already", () => {
    const { status } = UNDER_WAY.rollout;
    const handing = { ...status, progress: { stage: "HandingOver", mark: "lowered", canary: "v2" } };
    const weights = { desired: 100, written: 0, effective: 0, writtenBp: 0, effectiveBp: 0 };
    const lines = renderTree({ ...UNDER_WAY, rollout: rollout({ ...handing, weights }) }, NOW_MS, PLAIN);
    expect(lines.find((line) => line.includes("#3 v2"))).toMatch(/ 100 % /);
    expect(lines.find((line) => line.includes("#2 v1"))).toMatch(/ 0 % /);
  });
});

test("renderRollouts() has the columns of kubectl get", () => {
  const rows = renderRollouts([UNDER_WAY.rollout, rollout()], { wide: true, namespaces: true }, NOW_MS, PLAIN);
  expect(rows.join("\n")).toBe(
    `NAMESPACE   NAME   STATUS        STEP   WEIGHT   READY   AGE   CANARY   STABLE   ANALYSIS          MESSAGE
shop        web    Progressing   2/5    25%      5/6     2d    v2       v1       Continue,Unsure   holding at 25 %
shop        web    Unseen                                2d`,
  );
});

test("age() and duration() tell times as kubectl and specs do", () => {
  expect([0, 119_000, 120_000, 125_000, 3_600_000, 86_400_000, 200_000_000].map(age)).toEqual([
    ...["0s", "119s", "2m", "2m5s", "60m", "24h", "2d"],
  ]);
  expect([0, 90_000, 600_000, 5_400_000, 604_800_000, 90_061_000].map(duration)).toEqual([
    ...["0s", "90s", "10m", "1h 30m", "7d", "1d 1h"],
  ]);
});
