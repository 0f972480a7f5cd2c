import { describe, expect, test } from "vitest";
import { type Assumptions, type Forecast, forecast, GATES_OPEN } from "../../../src/core/forecast/forecast.ts";
import { routers } from "../../../src/traffic/routers.ts";
import { atRest, hashOf, Play, type Scene } from "../rollout/play.ts";

const ASSUMED: Assumptions = { podsReadyMs: 100, takeInMs: 100, troubled: [] };

function ahead(play: Play, assumed: Partial<Assumptions> = {}): Forecast {
  return forecast(play.snapshot(), routers, { ...ASSUMED, ...assumed });
}

/** Why each write is made, in order, as tests call revisions. */
function writesOf({ moments }: Forecast, play: Play): string[] {
  return moments.flatMap(({ writes }) => writes.map((why) => play.named(why)));
}

/** What a play then does, from its story: `00:03 a | b | → Phase Reason`. */
function doneIn(play: Play): string[] {
  return play.story.flatMap((line) =>
    line
      .replace(/^\d\d:\d\d /, "")
      .split(" | ")
      .filter((what) => !what.startsWith("→")),
  );
}

const WALK = {
  strategy: { canary: { steps: [{ weight: 25 }, { pause: { for: "2m" as const } }, { weight: 75 }] } },
  bake: "5m",
};
const SCENES: Record<string, Scene> = {
  "by a route": { spec: WALK },
  "by sizes": { spec: WALK, routes: false },
  "of a Deployment": { spec: WALK, adopts: true },
  "without analysis": { spec: { ...WALK, analysis: { disabled: true } } },
  "with an analysis step and a query": {
    spec: {
      ...WALK,
      strategy: { canary: { steps: [{ weight: 10 }, { analysis: { for: "1m" } }, { weight: 50 }] } },
      analysis: { metrics: [{ errorRate: { max: "1%" } }] },
    },
  },
  "of a preset over half an hour": { spec: { strategy: { canary: { preset: "safe", over: "30m" } }, bake: "10m" } },
};

describe("forecast() tells what then happens", () => {
  test.each(Object.entries(SCENES))("in a release %s: every write, in its order", (_, scene) => {
    const play = atRest(scene);
    play.deploy("v2");
    const told = ahead(play);
    play.forget().settles();
    expect(told.end).toBe("settled");
    expect(doneIn(play).length).toBeGreaterThan(6);
    expect(writesOf(told, play)).toEqual(doneIn(play));
  });

  test("from the middle of a release on", () => {
    const play = atRest(SCENES["by a route"]);
    play.deploy("v2");
    play.run(({ status }) => status.weights?.effective === 25 && status.step?.index === 1);
    const told = ahead(play);
    play.forget().settles();
    expect(writesOf(told, play)).toEqual(doneIn(play));
  });

  test("while one goes back", () => {
    const play = atRest(SCENES["by a route"]);
    play.deploy("v2");
    play.run(({ status }) => status.weights?.effective === 25);
    play.request("abort");
    const told = ahead(play);
    play.forget().settles();
    expect(told.moments.at(-1)).toMatchObject({ phase: "Reverted", reason: "Aborted" });
    expect(writesOf(told, play)).toEqual(doneIn(play));
  });

  test("when a Deployment is taken over", () => {
    const play = new Play({ adopts: true, spec: WALK });
    const told = ahead(play);
    play.settles();
    expect(told.moments.at(-1)?.phase).toBe("Healthy");
    expect(writesOf(told, play)).toEqual(doneIn(play));
  });
});

describe("forecast()", () => {
  /** The first time at which the routes say so, in minutes. */
  const reaches = ({ moments }: Forecast, bp: number) =>
    Math.round((moments.find(({ writtenBp }) => writtenBp === bp)?.atMs ?? Number.NaN) / 60_000);

  test("knows when each weight is reached: seven days, and thirty minutes, of the same preset", () => {
    const [days, minutes] = (["7d", "30m"] as const).map((over) => {
      const play = atRest({ spec: { strategy: { canary: { preset: "safe", over } }, bake: "48h" } });
      play.deploy("v2");
      return ahead(play);
    }) as [Forecast, Forecast];
    const day = 24 * 60;
    expect([500, 1000, 2500, 5000, 7500, 10_000].map((bp) => reaches(days, bp))).toEqual(
      [0, 1, 2, 3, 4, 7].map((n) => n * day),
    );
    expect([500, 1000, 2500, 5000, 7500, 10_000].map((bp) => reaches(minutes, bp))).toEqual([0, 4, 9, 13, 17, 30]);
    expect(days.lastsMs / 3_600_000).toBeCloseTo(7 * 24 + 48, 0);
  });

  test("assumes that a person promotes where one is waited for, and says so", () => {
    const play = atRest({ spec: { strategy: { canary: { steps: [{ weight: 20 }, { pause: {} }] } } } });
    play.deploy("v2");
    const told = ahead(play);
    expect(told.end).toBe("settled");
    const paused = told.moments.findIndex(({ phase }) => phase === "Paused");
    expect(told.moments[paused]?.reason).toBe("WaitingForApproval");
    expect(told.moments.slice(paused + 1).find(({ asked }) => asked !== undefined)?.asked).toBe("promote");
  });

  test("tells which gate is closed, and the walk from when it opens; a person is asked after that", () => {
    const gates = [{ rollout: { name: "other", for: "30m" } }, { approval: {} }];
    const play = atRest({ spec: { ...WALK, gates } });
    play.deploy("v2");
    const told = ahead(play);
    expect(told.end).toBe("settled");
    const [first, ...later] = told.moments;
    expect(first).toMatchObject({ reason: "GateClosed", writtenBp: 0 });
    expect(told.moments.flatMap(({ asked }) => asked ?? [])).toEqual([GATES_OPEN, "promote"]);
    expect(later.some(({ reason }) => reason === "GateClosed")).toBe(false);
    expect(told.moments.at(-1)).toMatchObject({ phase: "Healthy", stable: hashOf("v2") });
  });

  test("ends there for who wants it to", () => {
    const play = atRest({ spec: { strategy: { canary: { steps: [{ weight: 20 }, { pause: {} }] } } } });
    play.deploy("v2");
    const told = forecast(play.snapshot(), routers, ASSUMED, { stopAtPerson: true });
    expect({ end: told.end, last: told.moments.at(-1)?.reason }).toEqual({ end: "held", last: "WaitingForApproval" });
  });

  test("lets no pause go that Git holds", () => {
    const play = atRest({ spec: { ...WALK, paused: true } });
    play.deploy("v2");
    expect(ahead(play)).toMatchObject({ end: "held" });
  });

  test("stays where nothing heals by itself", () => {
    const play = atRest(SCENES["by a route"]);
    play.objects.remove("HTTPRoute", "web");
    play.deploy("v2");
    const told = ahead(play);
    expect(told.end).toBe("held");
    expect(told.moments.at(-1)?.message).toContain('HTTPRoute "web" does not exist');
  });

  test("does not expect pods that are in trouble", () => {
    const play = atRest({ spec: { ...WALK, progressDeadline: "3m" } });
    play.deploy("v2");
    const told = ahead(play, { troubled: [hashOf("v2")] });
    expect(told.moments.at(-1)).toMatchObject({ phase: "Reverted", reason: "ProgressDeadlineExceeded" });
  });

  test("counts the time that pods take, in each step that needs more", () => {
    const play = atRest(SCENES["by a route"]);
    play.deploy("v2");
    const [quick, slow] = [ahead(play), ahead(play, { podsReadyMs: 60_100 })];
    const added = slow.lastsMs - quick.lastsMs;
    expect(Math.round(added / 60_000)).toBe(3); // 1 of 4 pods, 3 of 4, all.
  });

  test("has nothing to tell of what is at rest", () => {
    const told = ahead(atRest(SCENES["by a route"]));
    expect(told.moments.flatMap(({ writes }) => writes)).toEqual([]);
    expect(told.end).toBe("settled");
  });

  test("changes nothing of what it was given", () => {
    const play = atRest(SCENES["of a Deployment"]);
    play.deploy("v2");
    const snapshot = play.snapshot();
    const before = structuredClone(snapshot);
    forecast(snapshot, routers, ASSUMED);
    expect(snapshot).toEqual(before);
  });
});
