import { describe, expect, test } from "vitest";
import type { Deployment, HorizontalPodAutoscaler } from "../../../src/api/kubernetes.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, Play, underWay } from "./play.ts";

function deploymentOf(play: Play): Deployment {
  return play.objects.get<Deployment>("Deployment", "web") as Deployment;
}

const adopts = { adopts: true };

describe("adopting a Deployment", () => {
  test("reads as a story", () => {
    const play = new Play(adopts);
    expect(play.traffic).toEqual({ deployment: 1 });
    play.until("Healthy").settles();
    expect(play.story).toEqual([
      "00:00 hold the Rollout until what it changes is put back | record revision v1 | pause the Deployment | make 4 pods of revision v1 | → Pending Adopting",
      "00:00 let the Service select revision v1",
      "00:10 scale the Deployment to 0 | mark revision v1 as promoted | → Healthy Healthy",
    ]);
    servesAlone(play, "v1");
    expect(play.selects()).toBe("v1");
    expect(deploymentOf(play).spec).toMatchObject({ replicas: 0, paused: true });
  });

  test("without routes the Service lets in every pod of ours", () => {
    const play = new Play({ ...adopts, routes: false }).until("Healthy").settles();
    servesAlone(play, "v1");
    expect(play.selects()).toBe("all");
  });

  test("waits for the Deployment's own rollout", () => {
    const play = new Play(adopts);
    play.ready("deployment v1", 3);
    play.forMs(600_000);
    expect([play.phase, play.reason]).toEqual(["Pending", "WaitingForDeployment"]);
    expect(play.sizes).toEqual({});
    play.ready("deployment v1");
    play.until("Healthy").settles();
    servesAlone(play, "v1");
  });

  test("is refused while an autoscaler scales the Deployment", () => {
    const play = new Play(adopts);
    const autoscaler: HorizontalPodAutoscaler = {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "web", namespace: "shop" },
      spec: { scaleTargetRef: { kind: "Deployment", name: "web" }, maxReplicas: 9 },
    };
    play.objects.create(autoscaler, play.nowMs);
    play.forMs(60_000);
    expect([play.phase, play.reason]).toEqual(["Failed", "AutoscalerTargetsDeployment"]);
    expect(play.sizes).toEqual({});
    play.objects.remove("HorizontalPodAutoscaler", "web");
    play.until("Healthy");
  });

  test("gives up past the deadline: ours go, the Deployment goes on, and it is tried again", () => {
    const play = new Play(adopts);
    play.ready("v1", 2);
    play.until("Failed", "ProgressDeadlineExceeded").forMs(30_000);
    expect(play.traffic).toEqual({ deployment: 1 });
    expect(play.sizes.v1 ?? 0).toBe(0);
    expect(play.story.slice(-3)).toEqual([
      "10:00 hand the Deployment back | let the Service select the Deployment's pods | → Failed ProgressDeadlineExceeded",
      "10:10 scale revision v1 from 4 to 0",
      "10:10 give the Service its author's selector back",
    ]);
    expect(deploymentOf(play).spec).toMatchObject({ replicas: 4, paused: false });
    play.ready("v1");
    play.until("Healthy").settles();
    servesAlone(play, "v1");
  });

  test("a template that came meanwhile is the first canary", () => {
    const play = new Play(adopts);
    play.run(({ sizes }) => sizes.v1 === 4);
    play.deploy("v2");
    play.run(({ status }) => status.stable !== undefined);
    expect(play.named(play.status.stable?.revision ?? "")).toBe("v1");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
  });

  test("at the larger of both sizes", () => {
    const play = new Play({ ...adopts, spec: { replicas: 6 } }).until("Healthy").settles();
    servesAlone(play, "v1", 6);
    const smaller = new Play({ ...adopts, spec: { replicas: 2 } });
    smaller.run(({ sizes }) => sizes.v1 !== undefined);
    expect(smaller.sizes).toEqual({ v1: 4 });
    servesAlone(smaller.until("Healthy").settles(), "v1", 2);
  });

  test("strays are scaled down again, and get no requests", () => {
    const play = atRest(adopts);
    play.objects.change<Deployment>("Deployment", "web", (deployment) => ({
      ...deployment,
      spec: { ...deployment.spec, replicas: 3 },
    }));
    play.settles();
    expect(deploymentOf(play).spec.replicas).toBe(0);
    servesAlone(play, "v1");
  });

  test("a Deployment that does not exist is named", () => {
    const play = new Play(adopts);
    play.objects.remove("Deployment", "web");
    play.forMs(1_000);
    expect([play.phase, play.reason]).toEqual(["Failed", "WorkloadMissing"]);
  });

  test("a release of an adopted Deployment", () => {
    const play = atRest(adopts);
    play.deploy("v2");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
    expect(deploymentOf(play).spec).toMatchObject({ replicas: 0, paused: true });
  });
});

describe("deleting", () => {
  test("handBack reads as a story", () => {
    const play = atRest(adopts);
    play.deleteRollout();
    play.forget().settles();
    expect(play.story).toEqual([
      "00:00 hand the Deployment back | → Progressing Deleting",
      "00:00 give the Service its author's selector back",
      "00:00 let the Service select the Deployment's pods",
      "00:10 scale revision v1 from 4 to 0",
      "00:10 give the Service its author's selector back | remove ReplicaSet web-v1 | let the Rollout go | → gone",
    ]);
    expect(play.traffic).toEqual({ deployment: 1 });
    expect(play.sizes).toEqual({});
    expect(play.selects()).toBe("author");
    expect(deploymentOf(play).spec).toMatchObject({ replicas: 4, paused: false });
    expectSound(play);
  });

  test("handBack in a release: the route first, and the Deployment gets the stable template", () => {
    const play = underWay(25, adopts);
    play.deleteRollout();
    play.forget().settles();
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v1 | → Progressing Deleting",
      "00:10 fold the route into what its author wrote",
      "00:10 hand the Deployment back",
      "00:10 give the Service its author's selector back",
      "00:10 let the Service select the Deployment's pods",
      "00:20 scale revision v1 from 4 to 0 | scale revision v2 from 1 to 0",
      "00:20 give the Service its author's selector back | remove ReplicaSet web-v1 | remove ReplicaSet web-v2 | let the Rollout go | → gone",
    ]);
    expect(play.traffic).toEqual({ deployment: 1 });
    expect(play.weights).toEqual({ web: undefined });
    expect(deploymentOf(play).spec.template.spec).toMatchObject({ containers: [{ image: "app:v1" }] });
    expectSound(play);
  });

  test("handBack of a Deployment that does not come up leaves the pods that serve", () => {
    const play = atRest(adopts);
    play.ready("deployment v1", 0);
    play.deleteRollout();
    play.settles();
    expect(play.deleted).toBe(true);
    expect(play.traffic).toEqual({ v1: 1 });
    expectSound(play);
  });

  test.each([false, true])("delete: unpinned, and ours go (with a Deployment: %s)", (adopted) => {
    const play = atRest({ adopts: adopted, spec: { onDelete: "delete" } });
    play.deleteRollout();
    play.settles();
    expect([play.deleted, play.sizes, play.selects()]).toEqual([true, {}, "author"]);
    if (adopted) expect(deploymentOf(play)).toMatchObject({ spec: { replicas: 0, paused: false } });
  });

  test.each([false, true])(
    "keep: our pods stay, and a Rollout of that name takes them in (with a Deployment: %s)",
    (adopted) => {
      const play = atRest({ adopts: adopted, spec: { onDelete: "keep" } });
      const kept = play.rollout;
      play.deleteRollout();
      play.settles();
      expect([play.deleted, play.sizes, play.selects()]).toEqual([true, { v1: 4 }, "author"]);
      expect(play.pods("v1")?.metadata.ownerReferences ?? []).toEqual([]);
      const { status: _status, ...again } = kept;
      play.objects.create({ ...again, metadata: { name: "web", namespace: "shop" } }, play.nowMs);
      play.until("Healthy").settles();
      servesAlone(play, "v1");
      expect(play.pods("v1")?.metadata.ownerReferences?.[0]?.uid).toBe(play.rollout.metadata.uid);
    },
  );

  test("in a release: the route goes back by way of 0 first", () => {
    const play = underWay(25);
    play.deleteRollout();
    play.forget().settles();
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v1 | → Progressing Deleting",
      "00:10 fold the route into what its author wrote",
      "00:10 give the Service its author's selector back | let the Rollout go | → gone",
    ]);
  });

  test.each([true, false])(
    "keep in a release: the canary's pods go before the Service is unpinned (with routes: %s)",
    (routes) => {
      const play = underWay(25, { routes, spec: { onDelete: "keep" } });
      play.deleteRollout();
      play.settles();
      expect([play.deleted, play.sizes]).toEqual([true, { v1: 4 }]);
      expect(play.gaps).toEqual([]);
    },
  );

  test("a ReplicaSet that is not seen yet, from a list that is behind, is looked for", () => {
    const play = atRest({ adopts: true });
    const set = play.pods("v1");
    play.objects.remove("ReplicaSet", set?.metadata.name ?? "");
    play.deleteRollout();
    play.forMs(20_000);
    expect([play.deleted, play.status.progress?.mark]).toEqual([false, "looking"]);
    play.settles();
    expect(play.deleted).toBe(true);
  });

  test("while it adopts, and the Deployment's pods have all died: ours stay until some are back", () => {
    const play = new Play(adopts);
    play.ready("v1", 2);
    play.run(({ sizes }) => sizes.v1 === 4);
    play.ready("deployment v1", 0);
    play.deleteRollout();
    play.forMs(60_000);
    expect(play.sizes).toEqual({ v1: 4 });
    play.ready("deployment v1");
    play.settles();
    expect([play.deleted, play.traffic]).toEqual([true, { deployment: 1 }]);
    expectSound(play);
  });

  test("while it adopts: the Deployment goes on", () => {
    const play = new Play(adopts);
    play.ready("v1", 2);
    play.run(({ sizes }) => sizes.v1 === 4);
    play.deleteRollout();
    play.settles();
    expect(play.traffic).toEqual({ deployment: 1 });
    expect(deploymentOf(play).spec).toMatchObject({ replicas: 4 });
    expect(deploymentOf(play).spec.paused ?? false).toBe(false);
    expect(play.story.slice(-3)).toEqual([
      "00:00 hand the Deployment back | let the Service select the Deployment's pods | → Progressing Deleting",
      "00:10 scale revision v1 from 4 to 0",
      "00:10 give the Service its author's selector back | remove ReplicaSet web-v1 | let the Rollout go | → gone",
    ]);
    expectSound(play);
  });
});
