import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { CommandResult } from "../cluster/cluster.ts";
import { helm } from "../cluster/helm.ts";
import { type Load, startLoad } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { deployment, podSpec, rollout, route, service } from "../demo/shop.ts";
import { Story } from "../e2e/story.ts";

/*
 * A team's own chart, by the real Helm 4: it applies server-side and unforced, and waits by kstatus, as Flux does. What Zenith writes
 * must neither make an upgrade fail, nor be lost by one; and what Helm waits for must be what the Rollout says.
 */

let playground: Playground;
let story: Story;

beforeAll(async () => {
  playground = await Playground.start({ gatewayLagMs: 2_000 });
  story = await Story.begin(playground);
}, 1_200_000);

afterAll(async () => {
  await story?.end();
  await playground?.stop();
});

/** Helm reads YAML 1.1, to which an `on` without quotes is true. */
function asHelmReads(object: object): string {
  return stringify(object, { version: "1.1" });
}

/** Writes the chart of a release, with these objects in it. */
function chart(release: string, objects: readonly object[]): string {
  const folder = playground.cluster.path(`chart-${release}`);
  mkdirSync(join(folder, "templates"), { recursive: true });
  writeFileSync(join(folder, "Chart.yaml"), stringify({ apiVersion: "v2", name: release, version: "1.0.0" }));
  writeFileSync(join(folder, "templates/all.yaml"), objects.map(asHelmReads).join("---\n"));
  return folder;
}

async function upgrade(release: string, objects: readonly object[], ...args: string[]): Promise<CommandResult> {
  const command = ["upgrade", "--install", release, chart(release, objects), "--server-side=true", "-n", "default"];
  return await helm([...command, ...args], playground);
}

const QUICK = { settle: "1s", drain: "1s", scaleDownDelay: "1s" };

/** A Rollout with a template of its own, whose spec is all that Helm sees. */
function own(image: string, steps: readonly object[], waitFor: string): object {
  const labels = { app: "own" };
  const {
    workloadRef: _none,
    traffic: _neither,
    ...spec
  } = (rollout({}, "own") as { spec: Record<string, unknown> }).spec;
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "own" },
    spec: {
      ...spec,
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(image) },
      strategy: { canary: { ...QUICK, steps } },
      analysis: { disabled: true },
      bake: "1s",
      waitFor,
    },
  };
}

const WAIT = ["--wait", "--timeout=60s"];

const steps = [{ weight: 50 }, { pause: { for: "2s" } }];
const FLAG = {
  apiVersion: "zenith.sh/v1alpha1",
  kind: "FeatureFlag",
  metadata: { name: "banner" },
  spec: { strategy: { allAtOnce: { variant: "on" } } },
};
const STOP = {
  ...FLAG,
  kind: "KillSwitch",
  metadata: { name: "stop" },
  spec: { selector: {}, rollouts: "hold", reason: "none" },
};

describe("before there is an operator", () => {
  const columns = async (kind: string) => {
    const { stdout } = await playground.cluster.kubectl(["get", kind, "--no-headers", "-o", "wide"]);
    return stdout.trim().replaceAll(/ +/g, " ");
  };

  test.each(["Rollout", "FeatureFlag"])("helm install --wait of a %s ends with a failure", async (kind) => {
    const object = kind === "Rollout" ? own("shop/web:v1", steps, "serving") : FLAG;
    const { code, stderr } = await upgrade(kind.toLowerCase(), [object], "--wait", "--timeout=6s");
    expect(code).toBe(1);
    expect(stderr).toContain(`resource ${kind}/default/`);
    await helm(["uninstall", kind.toLowerCase(), "-n", "default"], playground);
  });

  test("a KillSwitch is not waited for: it works without one", async () => {
    expect(await upgrade("stop", [STOP], ...WAIT)).toMatchObject({ code: 0 });
    expect(await helm(["uninstall", "stop", "-n", "default", "--wait"], playground)).toMatchObject({ code: 0 });
  });

  test("nothing is told of what nobody has looked at, but its age", async () => {
    const early = { ...own("shop/web:v1", steps, "serving"), metadata: { name: "early" } };
    await playground.cluster.apply([early, FLAG]);
    expect(await columns("zr")).toMatch(/^early \d+s$/);
    expect(await columns("zff")).toMatch(/^banner \d+s$/);
    const { cluster } = playground;
    const wait = ["wait", "--for=condition=Ready", "zr/early", "--timeout=1s"];
    expect((await cluster.kubectl(wait)).code).toBe(1);
    // What the API server put in is no difference from Git.
    expect(await cluster.kubectl(["diff", "-f", "-"], { input: JSON.stringify(early) })).toMatchObject({ code: 0 });
    await cluster.kubectl(["delete", "zr/early", "zff/banner"]);
    await playground.startOperator();
  });
});

describe("helm upgrade --wait", () => {
  test("of a FeatureFlag ends once the operator has looked at it", async () => {
    expect(await upgrade("banner", [FLAG], ...WAIT)).toMatchObject({ code: 0 });
    expect(await story.read("zff", "banner")).toMatchObject({ status: { observedGeneration: 1, phase: "Healthy" } });
  });

  test("ends well once the new version is promoted, and not before", async () => {
    expect(await upgrade("own", [own("shop/web:v1", steps, "promoted")], ...WAIT)).toMatchObject({ code: 0 });
    expect(await story.read("zr", "own")).toMatchObject({ status: { phase: "Healthy" } });
    expect(await upgrade("own", [own("shop/web:v2", steps, "promoted")], ...WAIT)).toMatchObject({ code: 0 });
    const { stable, phase } = story.status("own");
    expect({ images: stable?.images, isPromoted: ["Baking", "Healthy"].includes(phase ?? "") }).toEqual({
      images: ["shop/web:v2"],
      isPromoted: true,
    });
    await story.phase("Healthy", "own");
  });

  test("waits while a person is waited for, unless serving is enough", async () => {
    const paused = [{ weight: 50 }, { pause: {} }];
    expect(await upgrade("own", [own("shop/web:v5", paused, "promoted")])).toMatchObject({ code: 0 });
    await story.phase("Paused", "own");
    const waits = await upgrade("own", [own("shop/web:v5", paused, "promoted")], "--wait", "--timeout=5s");
    expect(waits.code).toBe(1);
    expect(waits.stderr).toMatch(/InProgress|deadline|not ready/i);
    expect(story.status("own").phase).toBe("Paused");
    expect(await upgrade("own", [own("shop/web:v5", paused, "serving")], ...WAIT)).toMatchObject({ code: 0 });
    expect(story.status("own").phase).toBe("Paused");
    await story.request("promote", "own");
    await story.phase("Healthy", "own");
  });

  test("fails with a release that goes back, and Git's version is not tried again by applying it again", async () => {
    const pending = upgrade(
      "own",
      [own("shop/web:v6", [{ weight: 50 }, { pause: { for: "60s" } }], "promoted")],
      "--wait",
      "--timeout=25s",
    );
    await story.until("own", ({ weights }) => (weights?.written ?? 0) > 0, "the first weight");
    await story.request("abort", "own");
    const failed = await pending;
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("own");
    await story.phase("Reverted", "own");
    const again = await upgrade("own", [own("shop/web:v6", [{ weight: 50 }, { pause: { for: "60s" } }], "promoted")]);
    expect(again).toMatchObject({ code: 0 });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const { phase, stable, weights } = story.status("own");
    expect({ phase, images: stable?.images, written: weights?.written }).toEqual({
      phase: "Reverted",
      images: ["shop/web:v5"],
      written: 0,
    });
  });
});

describe("helm upgrade of route, Service and Rollout, unforced", () => {
  let load: Load;
  afterAll(async () => await load?.stop());

  const STEPS = [{ weight: 20 }, { pause: { for: "10s" } }, { weight: 60 }, { pause: { for: "3s" } }];

  /** Everything that the team keeps; `mark` stands in each object, as a change to it. */
  function everything(image: string, mark: string): object[] {
    const marked = (object: object, spec: (spec: Record<string, never>) => object = (same) => same) => {
      const { metadata, spec: before, ...rest } = object as { metadata: object; spec: Record<string, never> };
      return { ...rest, metadata: { ...metadata, labels: { mark } }, spec: spec(before) };
    };
    const header = {
      type: "ResponseHeaderModifier",
      responseHeaderModifier: { set: [{ name: "x-mark", value: mark }] },
    };
    const { replicas: _left, ...workload } = (deployment({ image }) as unknown as { spec: { replicas: number } }).spec;
    return [
      marked({ ...deployment({ image }), spec: workload }),
      marked(service(), (spec) => ({ ...spec, publishNotReadyAddresses: mark === "c" })),
      marked(route(), (spec) => ({
        ...spec,
        rules: (spec as unknown as { rules: object[] }).rules.map((rule) => ({ ...rule, filters: [header] })),
      })),
      marked(
        rollout({
          strategy: { canary: { steps: STEPS, settle: "3s", drain: "4s", scaleDownDelay: "1s" } },
          analysis: { disabled: true },
          bake: mark === "a" ? "2s" : "3s",
        }),
      ),
    ];
  }

  async function liveRoute(): Promise<{ mark: string; backends: string[] }> {
    const { metadata, spec } = await story.read("httproute", "web");
    const [rule] = (spec as { rules: { filters: never; backendRefs: { name: string }[] }[] }).rules;
    const set = JSON.stringify(rule?.filters);
    expect(set).toContain(`"value":"${metadata.labels?.mark}"`);
    return { mark: metadata.labels?.mark ?? "", backends: rule?.backendRefs.map(({ name }) => name) ?? [] };
  }

  /** Until a route that was reset has its pair again. */
  async function repaired(): Promise<void> {
    for (const endMs = performance.now() + 10_000; performance.now() < endMs; ) {
      if ((await liveRoute()).backends.length === 2) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test("succeeds at rest", async () => {
    expect(await upgrade("web", everything("shop/web:v1", "a"))).toMatchObject({ code: 0, stderr: "" });
    await story.phase("Healthy");
    load = startLoad(playground.gateway.url, 100, { host: "web.example" });
    expect(await upgrade("web", everything("shop/web:v1", "b"))).toMatchObject({ code: 0, stderr: "" });
    await story.phase("Healthy");
    expect(await liveRoute()).toEqual({ mark: "b", backends: ["web"] });
  });

  test("succeeds in the middle of a release, which goes on and ends", async () => {
    expect(await upgrade("web", everything("shop/web:v2", "b"))).toMatchObject({ code: 0, stderr: "" });
    await story.until("web", ({ weights }) => weights?.effective === 20, "the first weight");
    expect(await upgrade("web", everything("shop/web:v2", "c"))).toMatchObject({ code: 0, stderr: "" });
    await repaired();
    expect(await liveRoute()).toEqual({ mark: "c", backends: ["web", "web-canary"] });
    await story.until("web", ({ weights }) => (weights?.effective ?? 0) >= 60, "the next weight");
    const { stable } = await story.phase("Healthy");
    expect(stable?.images).toEqual(["shop/web:v2"]);
    expect(await liveRoute()).toEqual({ mark: "c", backends: ["web"] });
    expect(await upgrade("web", everything("shop/web:v2", "a"))).toMatchObject({ code: 0, stderr: "" });
    expect(await liveRoute()).toEqual({ mark: "a", backends: ["web"] });
    const failed = Object.entries(load.tallies).filter(([, tally]) => tally.failed > 0);
    expect({ failed, faults: load.faults }).toEqual({ failed: [], faults: [] });
  });
});
