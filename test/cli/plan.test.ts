import { describe, expect, test } from "vitest";
import type { Pod, PodTemplate } from "../../src/api/kubernetes.ts";
import { type Change, canaryAsked, changed, withImages } from "../../src/cli/change.ts";
import { planOf, readyAfter } from "../../src/cli/commands/plan.ts";
import { CliError } from "../../src/cli/errors.ts";
import { styleFor } from "../../src/cli/io.ts";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { atRest, type Play } from "../core/rollout/play.ts";

const PLAIN = styleFor({ isTerminal: false, environment: { LANG: "C.UTF-8" } }, true);

/** Of what is given, the sentence and the hint. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError) return `${error.message} | ${error.hint ?? ""}`;
    throw error;
  }
  return "accepted";
}

function planned(play: Play, options: Parameters<typeof planOf>[1] = {}): string {
  const seen = { snapshot: play.snapshot(), pods: [], unread: [] };
  return play.named(renderPlan(planOf(seen, { podsReady: 3_000, ...options }), PLAIN).join("\n"));
}

describe("renderPlan()", () => {
  test("tells which gate is closed, and the walk as if it opened", () => {
    const play = atRest({ spec: { gates: [{ rollout: { name: "staging", for: "30m" } }] } });
    play.deploy("v2");
    const told = planned(play);
    expect(told).toMatch(/^0s +Progressing +holding before the first step: gate rollout .*as if it opened at once\)$/m);
    expect(told).toMatch(/100 % +Progressing +give the canary 100 %$/m);
  });

  test("tells the whole walk of a release by a route", () => {
    const play = atRest();
    play.deploy("v2");
    expect(planned(play)).toBe(
      `Plan for Rollout shop/web: revision v2 (app:v2) against stable v1
Steps: 25 % · 2m · 50 % · 2m · 100 %, then a bake of 5m

AFTER    STEP   WEIGHT   STATUS        WHAT HAPPENS
0s       1/5    0 %      Progressing   record revision v2; make 1 pod of revision v2
3s       1/5    0 %      Progressing   make the canary Service
3s       1/5    0 %      Progressing   give the canary 0 %
7s       1/5    25 %     Progressing   give the canary 25 %
8s       2/5    25 %     Progressing   holding at 25 % for 2m
2m 8s    3/5    25 %     Progressing   scale revision v2 from 1 to 2
2m 12s   3/5    50 %     Progressing   give the canary 50 %
2m 13s   4/5    50 %     Progressing   holding at 50 % for 2m
4m 13s   5/5    50 %     Progressing   scale revision v2 from 2 to 4
4m 16s   5/5    100 %    Progressing   give the canary 100 %
4m 28s          100 %    Progressing   let the Service select revision v2
4m 31s          100 %    Progressing   give the Service all traffic
4m 42s          100 %    Progressing   fold the route into what its author wrote
4m 43s                   Baking        mark revision v2 as promoted
4m 43s                   Baking        serves all traffic, still judged for 5m
5m 13s                   Baking        scale revision v1 from 4 to 0
5m 13s                   Baking        remove the empty ReplicaSet of revision v1
9m 43s                   Healthy       revision v2 is stable, 4 of 4 pods ready

Assumed: pods are ready 3s after they are asked for; Gateways take a change in within 1s; metrics stay good, and at least 210 requests reach the canary in each step.`,
    );
  });

  test("shows the walk of a next release at rest, and of another image and strategy", () => {
    expect(planned(atRest())).toContain("nothing is on its way; a next release would go like this\nSteps: 25 %");
    const other = planned(atRest(), { image: ["app:v2"], strategy: "fast", over: "10m" });
    expect(other).toContain("revision v2 (app:v2) against stable v1\nSteps: 25 % · 5m · 50 % · 5m · 100 %, then");
  });

  test("notes what surprises: a weight that falls, and shares that few pods cannot make", () => {
    expect(planned(atRest(), { steps: "50%,5m,20%" })).toContain("Note: step 3 lowers the canary from 50 % to 20 %");
    expect(planned(atRest({ routes: false }))).toContain(
      "Note: without routes the share of pods is the share of traffic: of 4 pods each is 25 %",
    );
  });

  test("says where it stays", () => {
    const play = atRest();
    play.objects.remove("HTTPRoute", "web");
    play.deploy("v2");
    expect(planned(play)).toMatch(
      /It stays there, as nothing of this changes by itself: HTTPRoute "web" does not exist/,
    );
  });

  test("says who is assumed to have promoted", () => {
    const play = atRest();
    play.deploy("v2");
    const text = planned(play, { steps: "10%,approval,50%" });
    expect(text).toMatch(
      /Paused +waiting for approval at 10 %; promote to go on \(the times below are as if someone did/,
    );
  });
});

describe("withImages()", () => {
  const template = (...names: string[]): PodTemplate => ({
    spec: { containers: names.map((name) => ({ name, image: `${name}:1`, ports: [] })) },
  });
  const images = (given: PodTemplate) => (given.spec.containers as { image: string }[]).map(({ image }) => image);
  test("sets the one that there is, or the one that is named", () => {
    expect(images(withImages(template("web"), ["shop/web:2"]))).toEqual(["shop/web:2"]);
    expect(images(withImages(template("web", "log"), ["log=log:2"]))).toEqual(["web:1", "log:2"]);
  });
  test.each([
    [["web:2"], ["web", "log"], "There are 2 containers: web, log | write CONTAINER=IMAGE"],
    [["db=db:2"], ["web"], 'There is no container "db" | there is web'],
    [["a b"], ["web"], '"a b" is no image | write IMAGE, or CONTAINER=IMAGE'],
    [[""], ["web"], '"" is no image | write IMAGE, or CONTAINER=IMAGE'],
  ])("refuses %j of %j", (asked, names, says) => {
    expect(refusal(() => withImages(template(...names), asked))).toBe(says);
  });
});

describe("canaryAsked()", () => {
  const before = { preset: "safe" as const, over: "30m", settle: "1s" };
  const ask = (change: Partial<Change>) => canaryAsked(before, { images: [], ...change });
  test("keeps what is no part of the walk", () => {
    expect(ask({ strategy: "instant" })).toEqual({ preset: "instant", settle: "1s" });
    expect(ask({ strategy: "fast", over: "1h" })).toEqual({ preset: "fast", over: "1h", settle: "1s" });
    expect(ask({})).toBeUndefined();
  });
  test("reads steps of one's own", () => {
    expect(ask({ steps: "5%, 10m,0.5%,25,analysis:5m,analysis,approval" })?.steps).toEqual([
      { weight: "5%" },
      { pause: { for: "10m" } },
      { weight: "0.5%" },
      { weight: 25 },
      { analysis: { for: "5m" } },
      { analysis: {} },
      { pause: {} },
    ]);
    expect(canaryAsked({ steps: [{ weight: 5 }] }, { images: [], strategy: "custom" })).toEqual({
      steps: [{ weight: 5 }],
    });
  });
  test.each<[Partial<Change>, string]>([
    [{ strategy: "slow" }, '--strategy must be one of safe, fast, instant, custom (got "slow") | '],
    [{ strategy: "safe", steps: "5%" }, "--steps belongs to --strategy custom, not safe | leave one of both out"],
    [{ over: "5m" }, "--over belongs to --strategy safe or fast | name one of them, or write --steps"],
    [{ strategy: "safe", over: "5" }, '"5" must be one integer and s, m, h or d, such as "10m" (got "5") | '],
    [{ steps: "5%,soon" }, '"soon" is no step | write 5% (a weight), 10m (a pause), approval, or analysis:5m'],
    [{ steps: "120%" }, '--steps "120%" must be a percentage such as "0.5%", at most 100% (got "120%") | '],
    [
      { strategy: "custom" },
      "--strategy custom takes the steps that the Rollout has, and it has none | write them: --steps 5%,10m,25%,analysis:5m,50%,approval",
    ],
  ])("refuses %j", (change, says) => expect(refusal(() => ask(change))).toBe(says));
});

test("changed() leaves what it was given as it was", () => {
  const snapshot = atRest({ adopts: true }).snapshot();
  const before = structuredClone(snapshot);
  const after = changed(snapshot, { images: ["app:v9"], strategy: "fast" });
  expect(JSON.stringify(after.deployment?.spec.template)).toContain("app:v9");
  expect(after.rollout.spec.strategy?.canary).toEqual({ preset: "fast" });
  expect(snapshot).toEqual(before);
});

test("readyAfter() takes the median of the pods that are ready", () => {
  const pod = (seconds: number, ready = "True") =>
    ({
      metadata: { creationTimestamp: "2026-01-01T00:00:00Z" },
      status: {
        conditions: [{ type: "Ready", status: ready, lastTransitionTime: `2026-01-01T00:00:0${seconds}Z` }],
      },
    }) as unknown as Pod;
  expect(readyAfter([pod(9), pod(2), pod(3), pod(1, "False")], undefined)).toEqual({
    podsReadyMs: 3000,
    measured: true,
  });
  expect(readyAfter([], undefined)).toEqual({ podsReadyMs: 10_000, measured: false });
  expect(readyAfter([pod(9)], 500)).toEqual({ podsReadyMs: 500, measured: false });
});
