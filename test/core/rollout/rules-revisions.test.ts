import { describe, expect, test } from "vitest";
import type { Service } from "../../../src/api/kubernetes.ts";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, Play, underWay } from "./play.ts";

/** Every weight waits for a person. */
const waiting = {
  spec: { strategy: { canary: { steps: [{ weight: 25 }, { pause: {} }, { weight: 50 }, { pause: {} }] } } },
};
/** The canary stays at half. */
const half = { spec: { strategy: { canary: { steps: [{ weight: 50 }, { pause: {} }] } } } };

function selectIn(play: Play, labels: Record<string, string>): void {
  play.objects.change<Service>("Service", "web", (service) => ({
    ...service,
    spec: { ...service.spec, selector: { ...service.spec.selector, ...labels } },
  }));
}

describe("rule 6: revisions", () => {
  test("a third one restarts at step 0, weight 0, against stable", () => {
    const play = underWay(50);
    play.deploy("v3");
    play.forget().run(({ weights }) => weights["web-canary"] === 1 && weights.web === 3);
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v1 | → Progressing Superseded",
      "00:10 fold the route into what its author wrote",
      "00:10 scale revision v2 from 2 to 0",
      "00:10 record revision v3 | make 1 pod of revision v3 | remove the empty ReplicaSet of revision v2 | → Progressing CanaryNotReady",
      "00:10 let the canary Service select revision v3 | → Progressing Stepping",
      "00:10 give the canary 0 %",
      "00:13 give the canary 25 %",
    ]);
    play.until("Healthy").settles();
    servesAlone(play, "v3");
    expect(play.status.history?.map(({ result, revision }) => `${result} ${play.named(revision)}`)).toEqual([
      "Promoted v3",
      "Promoted v1",
    ]);
  });

  test("going back to stable is immediate, and blames nobody", () => {
    const play = underWay(50);
    play.deploy("v1");
    play.forget().until("Healthy").settles();
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v1 | → Progressing Undone",
      "00:10 fold the route into what its author wrote",
      "00:10 scale revision v2 from 2 to 0",
      "00:10 remove the empty ReplicaSet of revision v2 | → Healthy Healthy",
    ]);
    servesAlone(play, "v1");
    expect(play.status.rejected).toBeUndefined();
  });

  test("edited steps: it goes on at the first step whose weight is the present one", () => {
    const play = underWay(50, half);
    play.edit(() => ({
      strategy: { canary: { steps: [{ weight: 10 }, { weight: 50 }, { pause: { for: "1m" } }, { weight: 75 }] } },
    }));
    play.forget().run(({ weights }) => weights.web === 1 && weights["web-canary"] === 3);
    expect(play.story.filter((line) => line.includes("give"))).toEqual([
      "01:00 give the canary 75 % | → Progressing Stepping",
    ]);
    play.until("Healthy");
    expectSound(play);
  });

  test("edited steps without the present weight: it holds and says so", () => {
    const play = underWay(50, half);
    play.edit(() => ({ strategy: { canary: { steps: [{ weight: 10 }, { weight: 60 }] } } }));
    play.forMs(600_000);
    expect([play.phase, play.reason]).toEqual(["Progressing", "StepsEdited"]);
    expect(play.weights).toEqual({ web: 1, "web-canary": 1 });
    play.edit(() => ({ strategy: { canary: { steps: [{ weight: 50 }, { weight: 60 }] } } }));
    play.until("Healthy");
    expectSound(play);
  });

  test("edited steps without the present weight: `promote:full` goes on all the same", () => {
    const play = underWay(50, half);
    play.edit(() => ({ strategy: { canary: { steps: [{ weight: 10 }] } } }));
    play.until("Progressing", "StepsEdited");
    play.request("promote:full");
    play.until("Healthy");
    expectSound(play);
  });

  test("steps edited before the canary has its first pod, without routes: it begins with the first of them", () => {
    const play = atRest({ routes: false });
    play.prometheus = "unreachable";
    play.deploy("v2");
    play.until("Progressing", "MetricsUnavailable");
    play.edit(() => ({ strategy: { canary: { steps: [{ weight: 50 }, { weight: 75 }] } } }));
    play.forMs(600_000);
    expect([play.reason, play.sizes.v2]).toEqual(["MetricsUnavailable", undefined]);
    play.prometheus = "answers";
    play.until("Healthy");
    expectSound(play);
  });

  test("an edit while the Rollout cannot go on is not forgotten", () => {
    const play = underWay(50, half);
    play.templateProblem = "spec.containers: Required";
    play.until("Failed");
    play.edit(() => ({ strategy: { canary: { steps: [{ weight: 10 }, { weight: 60 }] } } }));
    play.forMs(60_000);
    play.templateProblem = undefined;
    play.until("Progressing", "StepsEdited");
  });

  test("both versions bad for five minutes: weight 0, not rejected, tried again later", () => {
    const play = underWay(25, waiting);
    play.requests.bad.add("v1").add("v2");
    play.forget().run(({ weights }) => weights["web-canary"] === 0);
    expect(play.story).toEqual(["05:41 give the canary 0 % | → Progressing BothVersionsBad"]);
    expect(play.status.rejected).toBeUndefined();
    play.requests.bad.clear();
    play.run(({ weights }) => weights["web-canary"] === 1);
    expectSound(play);
  });
});

describe("rule 6: what was promoted", () => {
  test("setting the template back in the bake is an immediate rollback", () => {
    const play = underWay(25);
    play.until("Baking");
    play.deploy("v1");
    play.forget().until("Healthy").settles();
    expect(play.story).toEqual([
      "00:00 let the canary Service select revision v1 | let the Service select revision v1 | → Progressing Undone",
      "00:10 scale revision v2 from 4 to 0",
      "00:10 remove the empty ReplicaSet of revision v2 | → Healthy Healthy",
    ]);
    servesAlone(play, "v1");
    expect(play.status.rejected).toBeUndefined();
  });

  test("until the bake is over the revision before stays the target when a third arrives", () => {
    const play = underWay(25, { spec: { bake: "1h" } });
    play.until("Baking");
    play.deploy("v3");
    play.run(({ weights }) => weights["web-canary"] === 1);
    play.deploy("v1");
    play.forget().until("Healthy").settles();
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v2 | → Progressing Superseded",
      "00:10 fold the route into what its author wrote",
      "00:10 scale revision v3 from 1 to 0",
      "00:10 let the canary Service select revision v1 | let the Service select revision v1 | remove the empty ReplicaSet of revision v3 | → Progressing Undone",
      "00:20 scale revision v2 from 4 to 0",
      "00:20 remove the empty ReplicaSet of revision v2 | → Healthy Healthy",
    ]);
    servesAlone(play, "v1");
  });
});

describe("rule 7: abort", () => {
  test("beats everything, and the revision does not come again by itself", () => {
    const play = underWay(50, half);
    play.request("abort");
    play.forget().until("Reverted", "Aborted").settles();
    expect(play.story).toEqual([
      "00:00 give the canary 0 % | let the canary Service select revision v1 | → Reverted Aborted",
      "00:00 mark revision v2 as rejected | take the note of a rejection away: status holds it",
      "00:10 fold the route into what its author wrote",
      "00:10 scale revision v2 from 2 to 0",
      "00:10 remove the empty ReplicaSet of revision v2",
    ]);
    servesAlone(play, "v1");
    play.restart();
    play.settles();
    expect(play.status.lastRequest?.result).toBe("accepted");
    servesAlone(play, "v1");
  });

  const troubles: [string, (play: Play) => void][] = [
    ["a rival", (play) => (play.claimedBy = { rollout: "old", what: `Service "web"` })],
    ["a template that is refused", (play) => (play.templateProblem = "spec.containers: Required")],
    ["a Service that is gone", (play) => play.objects.remove("Service", "web")],
  ];

  test.each(troubles)("is not held up by %s, nor is a breach", (_name, trouble) => {
    for (const news of ["abort", "breach"]) {
      const play = underWay(50, half);
      trouble(play);
      play.forMs(10_000);
      expect([play.phase, play.weights]).toEqual(["Failed", { web: 1, "web-canary": 1 }]);
      if (news === "abort") play.request("abort");
      else play.requests.bad.add("v2");
      play.until("Reverted").run(({ sizes }) => (sizes.v2 ?? 0) === 0);
      expect([play.sizes.v1, play.weights]).toEqual([4, { web: undefined }]);
      play.forMs(60_000);
      expect(play.phase).toBe("Failed");
    }
  });

  test("stable still scales while a template is refused", () => {
    const play = atRest();
    play.templateProblem = "spec.containers: Required";
    play.deploy("v2");
    play.edit(() => ({ replicas: 6 }));
    play.forMs(1_000);
    expect([play.phase, play.sizes]).toEqual(["Failed", { v1: 6 }]);
  });

  test("`retry` begins again at the first step", () => {
    const play = underWay(25);
    play.request("abort");
    play.until("Reverted").settles();
    play.request("retry");
    play.until("Healthy").settles();
    servesAlone(play, "v2");
    expect(play.status.rejected).toBeUndefined();
  });

  test("what is retried is judged by what comes from then on, and not by what Prometheus still tells of the try before", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.until("Reverted");
    play.requests.bad.clear();
    play.request("retry");
    play.until("Progressing");
    const seen = new Set<number>();
    play.run(({ phase, status }) => {
      const { value } = status.analysis?.metrics?.find(({ name }) => name === "error-rate") ?? {};
      if ((status.step?.index ?? 0) > 0 && value !== undefined) seen.add(value);
      return phase === "Healthy";
    });
    expect([...seen]).toEqual([0]);
  });

  test("a request for another revision is refused", () => {
    const play = underWay(25, waiting);
    play.request("abort", "v1");
    play.forMs(10_000);
    expect(play.status.lastRequest?.result).toMatch(/^refused: meant for revision/);
    expect(play.weights["web-canary"]).toBe(1);
  });
});

describe("rule 7: deadlines", () => {
  test("a missed progress deadline is an abort", () => {
    const play = atRest();
    play.ready("v2", 0);
    play.trouble = { v2: "CrashLoopBackOff" };
    play.deploy("v2");
    play.forget().until("Reverted", "ProgressDeadlineExceeded").settles();
    expect(play.story).toEqual([
      "00:00 record revision v2 | make 1 pod of revision v2 | → Progressing CanaryNotReady",
      "10:00 → Reverted ProgressDeadlineExceeded",
      "10:00 mark revision v2 as rejected",
      "10:10 scale revision v2 from 1 to 0",
      "10:10 remove the empty ReplicaSet of revision v2",
    ]);
    expect(play.status.rejected?.message).toBe(
      "0 of 1 canary pods became ready within the progress deadline: CrashLoopBackOff",
    );
    servesAlone(play, "v1");
  });

  test("on a first deploy it is Failed, and tried on", () => {
    const play = new Play();
    play.ready("v1", 0);
    play.until("Failed", "ProgressDeadlineExceeded");
    play.forMs(600_000);
    play.ready("v1");
    play.until("Healthy").settles();
    expect(play.sizes).toEqual({ v1: 4 });
  });

  test("a first revision that never came up is replaced by the next", () => {
    const play = new Play();
    play.ready("v1", 0);
    play.until("Failed");
    play.deploy("v2");
    play.until("Healthy").settles();
    expect(play.sizes).toEqual({ v2: 4 });
  });

  const keepers: Record<string, { keep(play: Play): void; letGo(play: Play): void; says: string }> = {
    "a KillSwitch": {
      keep: (play) => {
        play.kill = { name: "stop", reason: "incident", aborts: false };
      },
      letGo: (play) => {
        play.kill = undefined;
      },
      says: 'held by KillSwitch "stop": incident',
    },
    "a pause in the spec": {
      keep: (play) => play.edit(() => ({ paused: true })),
      letGo: (play) => play.edit(() => ({ paused: false })),
      says: "paused by a person; resume to go on",
    },
    "a pause by request": {
      keep: (play) => play.request("pause"),
      letGo: (play) => play.request("resume"),
      says: "paused by a person; resume to go on",
    },
    "a gate": {
      keep: (play) => play.edit(() => ({ gates: [{ approval: {} }] })),
      letGo: (play) => play.request("promote"),
      says: "waiting for approval before the first step; promote to begin",
    },
    "a Service that selects others": {
      keep: (play) => selectIn(play, { app: "other" }),
      letGo: (play) => selectIn(play, { app: "web" }),
      says: 'Service "web" selects app=other, which the template\'s labels do not say; make them agree',
    },
  };

  test.each(Object.entries(keepers))("%s keeps a dead stable from being replaced", (_name, { keep, letGo, says }) => {
    const play = atRest();
    play.ready("v1", 0);
    play.deploy("v2");
    keep(play);
    play.forMs(3_600_000);
    expect(play.sizes).toEqual({ v1: 4 });
    expect(play.status.message).toBe(`no stable pod is ready; ${says}`);
    letGo(play);
    play.until("Healthy").settles();
    expect(play.sizes).toEqual({ v2: 4 });
  });

  test("what comes to stop a replacement half way leaves the pods that were asked for", () => {
    const play = atRest();
    play.ready("v1", 0);
    play.ready("v2", 3);
    play.deploy("v2");
    play.until("Progressing", "ReplacingStable").forMs(1_000);
    play.request("pause");
    play.ready("v2");
    play.forMs(60_000);
    expect([play.phase, play.reason, play.sizes]).toEqual(["Paused", "PausedByUser", { v1: 4, v2: 4 }]);
    expect(play.selects()).toBe("v1");
  });

  test("a stable without a ready pod for the deadline is replaced directly", () => {
    const play = atRest();
    play.ready("v1", 0);
    play.deploy("v2");
    play.forget().until("Healthy").settles();
    expect(play.story).toEqual([
      "00:00 → Progressing StableDown",
      "10:00 record revision v2 | make 4 pods of revision v2 | → Progressing ReplacingStable",
      "10:00 let the Service select revision v2 | scale revision v1 from 4 to 0 | mark revision v2 as promoted | → Healthy Healthy",
      "10:00 remove the empty ReplicaSet of revision v1",
    ]);
    expect(play.sizes).toEqual({ v2: 4 });
  });

  describe("after an outage, in which nothing could be done nor told,", () => {
    /** Nobody decides for ten minutes; then a process does that knows what it has been told since. */
    const afterAnOutage = (play: Play): Play => {
      play.nowMs += 600_000;
      play.restart();
      play.decidingSinceMs = play.nowMs;
      return play.forget();
    };
    const waitingForPods = (): Play => {
      const play = atRest();
      play.ready("v2", 0);
      play.deploy("v2");
      return play.run(({ reason }) => reason === "CanaryNotReady");
    };

    test("a canary whose pods come up then is not rejected", () => {
      const play = afterAnOutage(waitingForPods()).forMs(60_000);
      play.ready("v2");
      play.until("Healthy").settles();
      expect(play.sizes).toEqual({ v2: 4 });
    });

    test("one whose pods never come up is, a whole deadline later", () => {
      const play = afterAnOutage(waitingForPods()).until("Reverted", "ProgressDeadlineExceeded");
      expect(play.story.at(-1)).toBe("10:00 → Reverted ProgressDeadlineExceeded");
    });

    test("a stable that is not ready yet is not replaced", () => {
      const play = atRest();
      play.ready("v1", 0);
      play.deploy("v2");
      play.run(({ reason }) => reason === "StableDown");
      afterAnOutage(play).forMs(60_000);
      expect([play.phase, play.reason]).toEqual(["Progressing", "StableDown"]);
    });

    test("a first revision that is not ready yet has not failed", () => {
      const play = new Play();
      play.ready("v1", 0);
      play.run(({ phase }) => phase === "Pending");
      expect(afterAnOutage(play).forMs(60_000).phase).toBe("Pending");
    });
  });
});
