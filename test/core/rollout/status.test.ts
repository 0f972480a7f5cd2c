import { describe, expect, test } from "vitest";
import { rolloutStatus } from "../../../src/api/rollout-status.ts";
import { servesAlone } from "./expectations.ts";
import { type Phase, phases, waiting } from "./phases.ts";
import { atRest, hashOf, type Play, underWay } from "./play.ts";

/** One row a phase: Ready, Progressing, Paused, Promoted, then what kstatus reads. */
const told: [phase: Phase, conditions: string][] = [
  ["Pending", "False True False False Reconciling"],
  ["Progressing", "True True False False"],
  ["Paused", "True False True False"],
  ["Baking", "True True False True"],
  ["Healthy", "True False False True"],
  ["Reverted", "False False False False Stalled"],
  ["Failed", "False False False False Stalled"],
];

function conditionsOf({ status }: Play): string {
  const at = (type: string) => status.conditions?.find((condition) => condition.type === type)?.status;
  const words = ["Ready", "Progressing", "Paused", "Promoted"].map(at);
  return [...words, ...["Reconciling", "Stalled"].filter((type) => at(type) === "True")].join(" ");
}

describe("status", () => {
  test.each(told)("%s", (phase, conditions) => {
    const play = phases[phase]();
    expect([play.phase, conditionsOf(play)]).toEqual([phase, conditions]);
    expect(play.status.observedGeneration).toBe(play.rollout.metadata.generation);
    expect(rolloutStatus.strict().safeParse(play.status).error).toBeUndefined();
    expect(play.status.message).toMatch(/^.{5,}[^.]$/);
    for (const { reason } of play.status.conditions ?? []) expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
  });

  test("waitFor: promoted keeps a release Reconciling", () => {
    expect(conditionsOf(underWay(25, { spec: { waitFor: "promoted" } }))).toBe("True True False False Reconciling");
    const paused = underWay(25, { spec: { ...waiting, waitFor: "promoted" } }).until("Paused");
    expect(conditionsOf(paused)).toBe("True False True False Reconciling");
  });

  test.each([
    ["a canary", (play: Play) => play],
    ["one that bakes", (play: Play) => play.until("Baking")],
  ])("while %s goes back, another that is wanted is not Stalled: it has yet to begin", (_, goOn) => {
    const play = goOn(underWay(25));
    play.requests.bad.add("v2");
    play.until("Reverted", "AnalysisFailed");
    expect(conditionsOf(play)).toBe("False False False False Stalled");
    play.deploy("v3");
    const told = new Set<string>();
    play.run(({ phase }) => {
      if (play.status.wanted?.revision === hashOf("v3") && phase === "Reverted") told.add(conditionsOf(play));
      return phase === "Progressing";
    });
    expect([...told]).toEqual(["False False False False Reconciling"]);
    play.until("Healthy").settles();
    servesAlone(play, "v3");
  });

  test("while a canary goes back, the stable that is wanted again is not Stalled", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.until("Reverted", "AnalysisFailed");
    play.deploy("v1");
    play.step();
    expect([play.phase, conditionsOf(play)]).toEqual(["Reverted", "False False False False Reconciling"]);
    play.until("Healthy").settles();
    servesAlone(play, "v1");
  });

  test("Promoted turns False in the first pass that sees a new revision", () => {
    const play = atRest();
    play.deploy("v2");
    play.step();
    expect(conditionsOf(play)).toBe("True True False False");
  });

  test("what kubectl get shows", () => {
    const columns = (play: Play) => [play.phase, ...Object.values(play.status.display ?? {})].join(" ");
    expect(columns(atRest())).toBe("Healthy 5/5 100% 4/4");
    expect(columns(underWay(25))).toBe("Progressing 2/5 25% 5/5");
    expect(columns(underWay(50).run(({ reason }) => reason === "Pausing"))).toBe("Progressing 4/5 50% 6/6");
    expect(columns(phases.Reverted().settles())).toBe("Reverted - 0% 4/4");
  });

  test("verdicts on what was taken back go once the template is set back", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.until("Reverted", "AnalysisFailed").settles();
    expect(play.status.analysis?.metrics?.some(({ verdict }) => verdict === "Fail")).toBe(true);
    play.deploy("v1");
    play.until("Healthy").settles();
    expect(play.status.analysis).toBeUndefined();
    play.deploy("v3");
    play.until("Baking").until("Healthy").settles();
    expect(play.status.analysis?.metrics?.map(({ verdict }) => verdict)).toEqual(["Pass", "Pass"]);
  });

  test("transition times change with the status of a condition, not with its words", () => {
    const play = underWay(25);
    const since = () => play.status.conditions?.find(({ type }) => type === "Promoted")?.lastTransitionTime;
    const before = since();
    play.forMs(100_000);
    expect(since()).toBe(before);
    play.until("Baking");
    expect(since()).not.toBe(before);
  });

  test("history holds the last ten, newest first", () => {
    const play = atRest({
      spec: { strategy: { canary: { preset: "instant" } }, bake: "0s", analysis: { disabled: true } },
    });
    for (let i = 0; i < 12; i++) {
      play.deploy(i % 2 === 0 ? "v2" : "v3");
      play.run(({ status, phase }) => phase === "Healthy" && play.named(status.stable?.revision ?? "") === play.wanted);
    }
    expect(play.status.history?.map(({ revision }) => play.named(revision))).toEqual(
      Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? "v3" : "v2")),
    );
  });
});

describe("events", () => {
  test("of a release that goes well: each once", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Healthy").settles();
    expect(play.notices).toEqual([
      "Normal Started: revision v2 starts against stable v1",
      "Normal WeightRaised: canary v2 gets 25 %",
      "Normal WeightRaised: canary v2 gets 50 %",
      "Normal WeightRaised: canary v2 gets 100 %",
      "Normal Promoted: revision v2 serves all traffic",
    ]);
  });

  test("of a revert", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.forget().until("Reverted").settles();
    expect(play.notices).toEqual([
      expect.stringMatching(/^Warning Reverted: revision v2 was taken back: error-rate 50 %/),
    ]);
  });

  test("of a hold: once, not every pass", () => {
    const play = underWay(25);
    play.prometheus = "unreachable";
    play.forget().forMs(1_200_000);
    expect(play.notices).toEqual(["Warning MetricsUnavailable: holding: error-rate: connection refused"]);
  });
});

describe("planRollout().minor", () => {
  /** Plays until a pass has something to say. */
  const next = (play: Play) => {
    do play.step();
    while (play.last?.status === undefined);
    return play.last;
  };

  test("is true where a pod more or less is all that changed", () => {
    const play = atRest();
    play.ready("v1", 3);
    const { status, minor } = next(play);
    expect({ minor, ready: status?.readyReplicas }).toEqual({ minor: true, ready: 3 });
  });

  /** Plays until the status of a pass has this mark. */
  const marked = (play: Play, mark: string) => {
    play.run(() => play.last?.status?.progress?.mark === mark);
    return { minor: play.last?.minor };
  };

  test.each([
    ["the canary Service was pointed at the canary", "canaryService", true],
    ["the pair entered the route at 0", "at:0", true],
    ["the 0 is taken in: it settles from now on", "on:0", false],
    ["the first weight was written", "at:2500", true],
    ["the first weight is taken in", "on:2500", false],
    ["pods of the next step were asked for: their deadline runs", "scaling:1", false],
    ["the next weight was written", "at:10000", true],
    ["the Service was moved", "selecting", false],
    ["the Service leads to the new pods: it settles", "arrived", false],
    ["the pair was lowered in the hand-over", "lowered", true],
    ["the lowered pair is taken in: it drains", "drained", false],
  ])("where %s", (_what, mark, minor) => {
    const play = atRest({ spec: { strategy: { canary: { steps: [{ weight: 25 }] } } } });
    play.deploy("v2");
    expect(marked(play, mark)).toEqual({ minor });
  });

  test("is false where pods became ready shortly before their deadline", () => {
    const play = atRest({ spec: { progressDeadline: "10s", strategy: { canary: { steps: [{ weight: 25 }] } } } });
    play.deploy("v2");
    play.ready("v2", 0);
    play.run(({ status }) => status.progress?.mark === "scaling:0").forMs(7_000);
    play.ready("v2");
    expect(marked(play, "canaryService")).toEqual({ minor: false });
  });

  test("is false where traffic goes back", () => {
    const play = underWay(25);
    play.ready("v2", 0);
    expect(marked(play, "scaling:1")).toEqual({ minor: false });
    expect(play.last?.target.wish).toEqual({ kind: "paired", canaryBp: 0 });
  });

  test("owing what is minor changes nothing of a release but how often it is told", () => {
    const walked = (owes: boolean) => {
      const play = atRest();
      play.owes = owes;
      play.deploy("v2");
      play.forget().until("Healthy").settles();
      const writes = play.story.flatMap((line) => line.replace(/^\S+ /, "").split(" | "));
      return { writes: writes.filter((write) => !write.startsWith("→")), told: play.told, wrongs: play.wrongs };
    };
    const [owing, telling] = [walked(true), walked(false)];
    expect(owing.wrongs).toEqual([]);
    expect(owing.writes).toEqual(telling.writes);
    expect(owing.told).toBeLessThan(telling.told);
  });

  test("is false where a release begins", () => {
    const play = atRest();
    play.deploy("v2");
    const { status, minor } = next(play);
    expect({ minor, phase: status?.phase }).toEqual({ minor: false, phase: "Progressing" });
  });
});

describe("status.wanted", () => {
  test("names the revision that the spec asks for, also while nothing of it has begun", () => {
    const play = atRest();
    expect(play.status.wanted).toEqual({ revision: hashOf("v1"), images: ["app:v1"] });
    play.objects.remove("HTTPRoute", "web");
    play.deploy("v2");
    play.step();
    expect(play.status.canary).toBeUndefined();
    expect(play.status.wanted).toEqual({ revision: hashOf("v2"), images: ["app:v2"] });
    play.request("pause");
    play.step();
    expect(play.status.lastRequest?.result).toBe("accepted");
  });
});
