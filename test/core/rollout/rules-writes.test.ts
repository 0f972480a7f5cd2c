import { describe, expect, test } from "vitest";
import type { ControllerRevision, ReplicaSet, Service } from "../../../src/api/kubernetes.ts";
import { planRollout } from "../../../src/core/rollout/plan.ts";
import { routers } from "../../../src/traffic/routers.ts";
import { servesAlone } from "./expectations.ts";
import { atRest, type Play, underWay } from "./play.ts";

describe("rule 8: writes", () => {
  test("all that moves traffic or wakes pods rests on the version read", () => {
    const play = atRest();
    play.deploy("v2");
    const seen = new Set<string>();
    play.run((now) => {
      for (const write of now.last?.writes ?? []) {
        if (write.verb !== "create") expect(write.resourceVersion).toMatch(/^\d+$/);
        seen.add(write.verb === "jsonPatch" ? write.ref.kind : write.verb);
      }
      return now.phase === "Healthy" && now.sizes.v1 === undefined;
    });
    expect([...seen].sort()).toEqual(["ControllerRevision", "HTTPRoute", "ReplicaSet", "Service", "create", "delete"]);
  });

  test("any single write may fail once, anywhere in a release", () => {
    const whole = atRest();
    whole.deploy("v2");
    let writes = 0;
    whole.refuses = () => {
      writes++;
      return false;
    };
    whole.until("Healthy").settles();
    expect(writes).toBeGreaterThan(14);
    for (let n = 1; n <= writes; n++) {
      const play = atRest();
      play.deploy("v2");
      let left = n;
      play.refuses = () => --left === 0;
      play.until("Healthy");
      expect(play.failures, `write ${n}`).toHaveLength(1);
      play.forget().settles();
      servesAlone(play, "v2");
    }
  });

  test("any single write of a revert may fail once", () => {
    for (let n = 1; n <= 8; n++) {
      const play = underWay(50);
      play.requests.bad.add("v2");
      let left = n;
      play.refuses = () => play.phase !== "Progressing" && --left === 0;
      play.until("Reverted").settles();
      expect(play.failures.length, `write ${n}`).toBeLessThanOrEqual(1);
      play.forget();
      servesAlone(play, "v1");
    }
  });

  test("a ReplicaSet that someone deletes comes again", () => {
    const play = underWay(25);
    for (const tag of ["v2", "v1"]) {
      play.objects.remove("ReplicaSet", play.pods(tag)?.metadata.name ?? "");
      play.forMs(10_000);
    }
    expect(play.sizes).toEqual({ v1: 4, v2: 1 });
    play.until("Healthy");
    expect(play.wrongs).toEqual([]);
  });

  test("a size that someone sets is put right", () => {
    const play = atRest();
    play.objects.change<ReplicaSet>("ReplicaSet", play.pods("v1")?.metadata.name ?? "", (set) => ({
      ...set,
      spec: { ...set.spec, replicas: 1 },
    }));
    play.settles();
    servesAlone(play, "v1");
  });

  test("a selector that someone resets is put right", () => {
    const play = atRest();
    play.objects.change<Service>("Service", "web", (service) => ({
      ...service,
      spec: { ...service.spec, selector: { app: "web" } },
    }));
    play.settles();
    expect(play.selects()).toBe("v1");
  });
});

describe("an empty ReplicaSet", () => {
  test("is removed once its pods have ended: each that ends is another version, which a delete would rest on in vain", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Baking").run(({ sizes }) => sizes.v1 === 0);
    const { replicaSets, ...rest } = play.snapshot();
    const ending = (terminatingReplicas: number) =>
      replicaSets.map((set) =>
        set.spec.replicas === 0 ? { ...set, status: { replicas: 0, terminatingReplicas } } : set,
      );
    const whys = (left: number) =>
      planRollout({ ...rest, replicaSets: ending(left) }, routers).writes.map(({ why }) => play.named(why));
    expect([whys(2), whys(0)]).toEqual([[], ["remove the empty ReplicaSet of revision v1"]]);
  });
});

describe("rule 9: converged and unchanged", () => {
  const places: [string, () => Play][] = [
    ["Healthy", () => atRest()],
    [
      "in a pause",
      () =>
        underWay(25, { spec: { strategy: { canary: { steps: [{ weight: 25 }, { pause: {} }] } } } }).until("Paused"),
    ],
    [
      "Baking",
      () =>
        underWay(25, { spec: { bake: "10h" } })
          .until("Baking")
          .forMs(60_000),
    ],
  ];

  test.each(places)("writes nothing: %s", (_name, at) => {
    const play = at();
    play.forMs(60_000).forget();
    let statuses = 0;
    for (let i = 0; i < 40; i++) {
      play.forMs(6_000);
      expect(play.last?.writes).toEqual([]);
      if (play.last?.status !== undefined) statuses++;
    }
    expect(play.story).toEqual([]);
    expect(statuses).toBeLessThanOrEqual(1); // The judge's checkpoint, every five minutes.
  });

  test("what the judge knows is checkpointed on a change of step or verdict, else every five minutes", () => {
    const play = underWay(25, { spec: { strategy: { canary: { steps: [{ weight: 25 }, { pause: {} }] } } } });
    play
      .until("Paused")
      .run(({ status }) => status.analysis?.metrics?.every(({ verdict }) => verdict === "Pass") === true);
    const times = new Set<string>();
    play.forMs(1_000);
    for (let i = 0; i < 200; i++) times.add(play.forMs(6_000).status.analysis?.checkpointAt ?? "");
    expect(times.size).toBe(5); // 20 minutes
  });

  test("a weight step costs two writes and three of status, one more as the verdict changes", () => {
    const play = underWay(25);
    play.run(({ status }) => status.step?.index === 2);
    let [writes, statuses] = [1, 1]; // Of the pass that began the step.
    play.run((now) => {
      writes += now.last?.writes.length ?? 0;
      statuses += now.last?.status === undefined ? 0 : 1;
      return now.status.step?.index === 4;
    });
    expect([writes, statuses]).toEqual([4, 6]);
  });

  test("counts that grow are no news: status follows them every five minutes", () => {
    const play = underWay(25);
    play.requests.perSecond = 0.2;
    play.until("Progressing", "TooFewRequests").forMs(10_000);
    const messages = new Set<string>();
    for (let i = 0; i < 100; i++) messages.add(play.forMs(6_000).status.message ?? "");
    expect(play.reason).toBe("TooFewRequests");
    expect([...messages][0]).toMatch(/of 210 requests seen/);
    expect(messages.size).toBe(3); // 10 minutes
  });

  test("the plan of a snapshot is always the same", () => {
    const snapshot = underWay(25).snapshot();
    expect(planRollout(snapshot, routers)).toEqual(planRollout(structuredClone(snapshot), routers));
  });

  test("the reason of a revert never changes", () => {
    const play = underWay(50);
    play.requests.bad.add("v2");
    play.until("Reverted");
    const { rejected } = play.status;
    play.request("abort");
    play.forMs(60_000);
    play.restart();
    play.settles();
    expect(play.status.rejected).toEqual(rejected);
    expect(play.status.history?.filter(({ result }) => result === "Reverted")).toHaveLength(1);
  });

  test("status never leads: what is effective was read", () => {
    const play = atRest();
    play.deploy("v2");
    play.run((now) => {
      const { effectiveBp = 0 } = now.status.weights ?? {};
      const share = now.traffic.v2 ?? 0;
      if (now.status.progress?.stage === "Stepping") expect(effectiveBp / 10_000).toBeLessThanOrEqual(share + 1e-3);
      return now.phase === "Healthy";
    });
  });
});

describe("a status that was lost", () => {
  const moments: [string, () => Play, string][] = [
    ["at rest", () => atRest(), "v1"],
    ["in a step", () => underWay(25), "v2"],
    ["at half", () => underWay(50), "v2"],
    ["in the hand-over", () => underWay(25).run(({ status }) => status.progress?.stage === "HandingOver"), "v2"],
    ["in the bake", () => underWay(25).until("Baking"), "v2"],
  ];

  test.each(moments)("is found again %s", (_name, at, end) => {
    const play = at();
    play.loseStatus();
    play.restart();
    play.until("Healthy").settles();
    servesAlone(play, end);
  });

  test("without routes too", () => {
    const play = underWayBySizes();
    play.loseStatus();
    play.restart();
    play.step();
    expect(play.named(play.status.stable?.revision ?? "")).toBe("v1"); // By its mark: the Service lets all in.
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("without routes, on the way back: the Service keeps out what was taken back", () => {
    const play = underWayBySizes();
    play.requests.bad.add("v2");
    play.ready("v1", 2);
    play.run(({ status }) => status.progress?.mark === "pinned");
    expect(play.selects()).toBe("v1");
    play.loseStatus();
    play.restart();
    play.ready("v1", 2);
    play.step();
    expect([play.selects(), play.sizes.v2]).toEqual(["v1", 0]);
    play.ready("v1");
    play.settles();
    expect(play.phase).toBe("Reverted");
    servesAlone(play, "v1");
  });

  test("without routes, undone: a good canary makes room for a stable that lacks one pod more than it may", () => {
    const play = atRest({
      routes: false,
      spec: { replicas: 10, strategy: { canary: { steps: [{ weight: 50 }, { pause: {} }] } } },
    });
    play.deploy("v2");
    play.run(({ sizes, reason }) => sizes.v2 === 5 && reason === "WaitingForApproval");
    play.ready("v1", 7); // There is no room for more beside five others.
    play.deploy("v1");
    play.loseStatus();
    play.restart();
    play.forMs(1_000);
    expect(play.sizes).toEqual({ v1: 10, v2: 1 });
    play.ready("v1");
    play.settles();
    servesAlone(play, "v1", 10);
  });

  test("what was rejected stays rejected, by its mark", () => {
    const play = underWay(25);
    play.request("abort");
    play.until("Reverted").settles();
    play.loseStatus();
    play.restart();
    play.settles();
    expect(play.phase).toBe("Reverted");
    servesAlone(play, "v1");
  });
});

function underWayBySizes(): Play {
  const play = atRest({ routes: false });
  play.deploy("v2");
  return play.run(({ sizes, reason }) => sizes.v2 === 2 && reason === "Pausing");
}

describe("revisions", () => {
  test("records are kept up to the limit, with their marks", () => {
    const play = atRest({ spec: { revisionHistoryLimit: 1 } });
    for (const tag of ["v2", "v3", "v4"]) {
      play.deploy(tag);
      play
        .run(({ phase, status }) => phase === "Healthy" && play.named(status.stable?.revision ?? "") === tag)
        .settles();
    }
    const records = play.objects.list<ControllerRevision>("ControllerRevision");
    expect(
      records.map(
        ({ metadata, revision }) =>
          `${revision} ${play.named(metadata.labels?.["zenith.sh/revision"] ?? "")} ${metadata.annotations?.["zenith.sh/mark"]}`,
      ),
    ).toEqual(["3 v3 promoted", "4 v4 promoted"]);
  });

  test("a template that the API server has defaulted is no new one", () => {
    const play = atRest();
    play.objects.change<ReplicaSet>("ReplicaSet", play.pods("v1")?.metadata.name ?? "", (set) => ({
      ...set,
      spec: {
        ...set.spec,
        template: { ...set.spec.template, spec: { ...set.spec.template.spec, dnsPolicy: "ClusterFirst" } },
      },
    }));
    play.settles();
    expect(play.phase).toBe("Healthy");
    servesAlone(play, "v1");
  });
});
