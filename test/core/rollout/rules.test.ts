import { describe, expect, test } from "vitest";
import { expectSound, servesAlone } from "./expectations.ts";
import { atRest, type Play, underWay } from "./play.ts";

/** The rules of docs/architecture.md and the design, by number, each played on a stage. */

/** v2 serves and bakes; v1 is still there, or is gone if asked. */
function baking(scene: Parameters<typeof atRest>[0] = {}): Play {
  const play = atRest(scene);
  play.deploy("v2");
  return play.until("Baking");
}

/** The Service selects v2 already, and its slices do not show it yet. */
function inHandOver(): Play {
  const play = underWay(25);
  play.run(({ status }) => status.weights?.written === 100);
  play.manners.slices = "stand";
  return play.run(({ status }) => status.progress?.stage === "HandingOver");
}

describe("a release that goes well", () => {
  test("reads as a story", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Healthy").settles();
    expect(play.story).toEqual([
      "00:00 record revision v2 | make 1 pod of revision v2 | → Progressing CanaryNotReady",
      "00:00 make the canary Service | → Progressing Stepping",
      "00:00 give the canary 0 %",
      "00:03 give the canary 25 %",
      "00:03 → Progressing Pausing",
      "02:03 scale revision v2 from 1 to 2 | → Progressing CanaryNotReady",
      "02:03 give the canary 50 % | → Progressing Stepping",
      "02:03 → Progressing Pausing",
      "04:03 scale revision v2 from 2 to 4 | → Progressing CanaryNotReady",
      "04:03 give the canary 100 % | → Progressing Stepping",
      "04:06 → Progressing TooFewRequests",
      "04:15 let the Service select revision v2 | → Progressing HandingOver",
      "04:18 give the Service all traffic",
      "04:28 fold the route into what its author wrote",
      "04:28 mark revision v2 as promoted | → Baking Baking",
      "04:58 scale revision v1 from 4 to 0",
      "04:58 remove the empty ReplicaSet of revision v1",
      "09:28 → Healthy Healthy",
    ]);
    expect(play.traffic).toEqual({ v2: 1 });
    expect(play.weights).toEqual({ web: undefined });
    expectSound(play);
  });
});

describe("rule 1: a breach moves traffic in the pass that judged it", () => {
  test("in a step", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.forget().until("Reverted", "AnalysisFailed");
    expect(play.story.at(-1)).toBe(
      "00:41 give the canary 0 % | let the canary Service select revision v1 | → Reverted AnalysisFailed",
    );
    expect(play.traffic).toEqual({ v1: 1 });
    expect(play.status.rejected).toMatchObject({ revision: expect.any(String), reason: "AnalysisFailed" });
    play.settles();
    servesAlone(play, "v1");
    expect(play.phase).toBe("Reverted");
    expect(play.weights).toEqual({ web: undefined });
  });

  test("in the hand-over the Service's selector goes back too, in the same group", () => {
    const play = inHandOver();
    expect(play.selects()).toBe("v2");
    play.requests.bad.add("v2");
    play.forget().until("Reverted");
    expect(play.story).toEqual([
      "01:29 give the canary 0 % | let the canary Service select revision v1 | let the Service select revision v1 | → Reverted AnalysisFailed",
    ]);
    play.manners.slices = "follow";
    play.settles();
    servesAlone(play, "v1");
  });
});

describe("rule 1: each switch on its own", () => {
  test.each(["HTTPRoute", "Service"])("a %s that cannot be written does not stop the others", (kind) => {
    const play = inHandOver();
    play.requests.bad.add("v2");
    play.refuses = (write) => write.together === "breach" && write.verb === "jsonPatch" && write.ref.kind === kind;
    play.until("Reverted");
    expect(play.failures.length).toBeGreaterThan(0);
    if (kind === "HTTPRoute") expect(play.selects()).toBe("v1");
    else expect(play.weights).toEqual({ web: 1, "web-canary": 0 });
    play.refuses = () => false;
    play.manners.slices = "follow";
    play.forget().settles();
    servesAlone(play, "v1");
  });

  test("each bears the rejection until status holds it", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.until("Reverted");
    const route = play.objects.get("HTTPRoute", "web");
    expect(play.named(route?.metadata.annotations?.["zenith.sh/rejected"] ?? "")).toMatch(
      /^v2 AnalysisFailed error-rate/,
    );
    play.settles();
    expect(play.objects.get("HTTPRoute", "web")?.metadata.annotations?.["zenith.sh/rejected"]).toBeUndefined();
  });

  test("a breach whose status was lost does not come again", () => {
    const play = underWay(25);
    play.requests.bad.add("v2");
    play.until("Reverted");
    play.loseStatus();
    play.restart();
    play.requests.bad.clear();
    play.settles();
    servesAlone(play, "v1");
    expect(play.phase).toBe("Reverted");
  });

  test("stable without a ready pod is waited for", () => {
    const play = underWay(25);
    play.ready("v1", 0);
    play.request("abort");
    play.until("Reverted").forMs(60_000);
    expect(play.weights).toEqual({ web: 3, "web-canary": 1 });
    play.ready("v1", 1);
    play.forMs(1_000);
    expect(play.traffic).toEqual({ v1: 1 });
    play.settles();
  });
});

describe("rule 5: a breach in the bake is a rollback", () => {
  test("while the old side is full still, in one pass", () => {
    const play = baking();
    play.requests.bad.add("v2");
    play.edit(() => ({ strategy: { canary: { scaleDownDelay: "10m" } } }));
    play.forget().until("Reverted");
    expect(play.story).toEqual([
      expect.stringMatching(/let the Service select revision v1 \| → Reverted AnalysisFailed$/),
    ]);
    play.settles();
    servesAlone(play, "v1");
  });

  test("later, capacity first, then the selector, and no request is lost", () => {
    const play = baking();
    play.run(({ sizes }) => sizes.v1 === undefined);
    play.requests.bad.add("v2");
    play.forget().until("Reverted").settles();
    expect(play.story.map((line) => line.slice(6))).toEqual([
      "make 4 pods of revision v1 | mark revision v2 as rejected | → Reverted AnalysisFailed",
      "let the canary Service select revision v1 | let the Service select revision v1",
      "scale revision v2 from 4 to 0",
      "remove the empty ReplicaSet of revision v2",
    ]);
    servesAlone(play, "v1");
  });
});
