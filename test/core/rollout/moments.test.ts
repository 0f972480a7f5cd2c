import { describe, expect, test } from "vitest";
import type { Route, Service } from "../../../src/api/kubernetes.ts";
import { atRest, type Play, routeOf, type Scene } from "./play.ts";

/** Whatever happens at whatever moment of a release: it ends as it should, and nothing goes wrong on the way. */

interface Happening {
  readonly name: string;
  readonly happens: (play: Play) => void;
  /** The revisions that may serve in the end; "gone" for a Rollout that was deleted. */
  readonly ends: readonly string[];
  /** Set where pods are lost, and with them requests. */
  readonly lossy?: true;
}

const happenings: readonly Happening[] = [
  { name: "an abort", happens: (play) => play.request("abort"), ends: ["v1", "v2"] },
  { name: "a breach", happens: (play) => play.requests.bad.add("v2"), ends: ["v1"] },
  { name: "a third revision", happens: (play) => play.deploy("v3"), ends: ["v3"] },
  { name: "the first again", happens: (play) => play.deploy("v1"), ends: ["v1"] },
  {
    name: "replicas 0 and back",
    happens: (play) => {
      play.edit(() => ({ replicas: 0 }));
      play.forMs(40_000);
      play.edit(() => ({ replicas: 4 }));
    },
    ends: ["v2"],
    lossy: true,
  },
  { name: "more replicas", happens: (play) => play.edit(() => ({ replicas: 7 })), ends: ["v2"] },
  { name: "fewer replicas", happens: (play) => play.edit(() => ({ replicas: 2 })), ends: ["v2"] },
  { name: "a restart", happens: (play) => play.restart(), ends: ["v2"] },
  {
    name: "a lost status",
    happens: (play) => {
      play.loseStatus();
      play.restart();
    },
    ends: ["v2"],
  },
  { name: "a deletion", happens: (play) => play.deleteRollout(), ends: ["gone"], lossy: true },
  { name: "promote:full", happens: (play) => play.request("promote:full"), ends: ["v2"] },
  { name: "a rollback", happens: (play) => play.request("rollback"), ends: ["v1", "v2"] },
  {
    name: "a route that is applied anew",
    happens: (play) =>
      play.objects.change<Route>("HTTPRoute", "web", (route) => ({
        ...route,
        metadata: { ...route.metadata, annotations: {} },
        spec: routeOf("web").spec,
      })),
    ends: ["v2"],
  },
  {
    name: "a selector that is applied anew",
    happens: (play) =>
      play.objects.change<Service>("Service", "web", (service) => ({
        ...service,
        spec: { ...service.spec, selector: { app: "web" } },
      })),
    ends: ["v2"],
  },
  {
    name: "spec.traffic without routes",
    happens: (play) => play.edit(() => ({ traffic: { service: "web" } })),
    ends: ["v2"],
  },
  {
    name: "slices that are late",
    happens: (play) => {
      play.manners.slices = "stand";
      play.forMs(20_000);
      play.manners.slices = "follow";
    },
    ends: ["v2"],
  },
  {
    name: "a gateway that is silent",
    happens: (play) => {
      play.manners.gateway = "silent";
      play.forMs(60_000);
      play.manners.gateway = "accepts";
    },
    ends: ["v2"],
  },
  {
    name: "a gateway that refuses",
    happens: (play) => {
      play.manners.gateway = "refuses";
      play.forMs(60_000);
      play.manners.gateway = "accepts";
    },
    ends: ["v2"],
  },
  {
    name: "a canary without ready pods for a while",
    happens: (play) => {
      play.ready("v2", 0);
      play.forMs(30_000);
      play.ready("v2");
    },
    ends: ["v1", "v2"],
    lossy: true,
  },
  {
    name: "a stable without ready pods for a while",
    happens: (play) => {
      play.ready("v1", 0);
      play.forMs(30_000);
      play.ready("v1");
    },
    ends: ["v2"],
    lossy: true,
  },
  {
    name: "a Prometheus that is silent for a while",
    happens: (play) => {
      play.prometheus = "silent";
      play.forMs(120_000);
      play.prometheus = "answers";
    },
    ends: ["v2"],
  },
];

function momentOf(play: Play): string {
  const { progress } = play.status;
  return `${progress?.stage} ${progress?.mark}`;
}

/** The passes of a release in which its moment changes. */
function moments(scene: Scene): number[] {
  const play = atRest(scene);
  play.deploy("v2");
  const seen = new Set<string>();
  const passes: number[] = [];
  for (let i = 0; i < 200 && play.step(); i++) {
    const moment = momentOf(play);
    if (seen.has(moment)) continue;
    seen.add(moment);
    passes.push(i);
  }
  return passes;
}

const spec: Scene["spec"] = {
  strategy: { canary: { steps: [{ weight: 50 }, { pause: { for: "30s" } }], scaleDownDelay: "20s" } },
  bake: "3m",
};
const scenes: [string, Scene][] = [
  ["with routes", { spec }],
  ["without routes", { spec, routes: false }],
  ["of a Deployment", { spec, adopts: true }],
];
/** A sixth of the moments each, another sixth for the next; all of them with ALL_MOMENTS=1. */
const EVERY = process.env.ALL_MOMENTS === undefined ? 6 : 1;

describe.each(scenes)("a release %s", (_name, scene) => {
  const passes = moments(scene);
  test.each(happenings.map((happening, i) => ({ ...happening, i })))(
    "$name, at any moment",
    ({ happens, ends, lossy, name, i: first }) => {
      const bad: string[] = [];
      for (const pass of passes.filter((_, i) => i % EVERY === first % EVERY)) {
        const play = atRest(scene);
        play.deploy("v2");
        for (let i = 0; i <= pass; i++) play.step();
        const moment = momentOf(play);
        try {
          if (scene.routes === false && name.includes("route")) continue;
          happens(play);
          play.forget().settles();
          const end = play.deleted
            ? "gone"
            : Object.entries(play.sizes)
                .filter(([, n]) => n > 0)
                .map(([tag]) => tag)
                .join();
          if (!ends.includes(end)) bad.push(`${moment}: ended as ${end}\n${play.story.join("\n")}`);
          if (!play.deleted && play.traffic[end] !== 1) bad.push(`${moment}: ${JSON.stringify(play.traffic)}`);
          if (play.wrongs.length + play.failures.length > 0)
            bad.push(`${moment}: ${[...play.wrongs, ...play.failures].join()}`);
          if (lossy !== true && play.gaps.length > 0)
            bad.push(`${moment}: lost ${play.gaps.join()}\n${play.story.join("\n")}`);
        } catch (error) {
          bad.push(`${moment}: ${(error as Error).stack}`);
        }
      }
      expect(bad.length, bad.slice(0, 2).join("\n")).toBe(0);
    },
  );
});
