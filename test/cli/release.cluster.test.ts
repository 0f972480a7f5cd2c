import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CommandResult } from "../cluster/cluster.ts";
import { Playground } from "../cluster/playground.ts";
import { rollout, shop } from "../demo/shop.ts";
import { Story } from "../e2e/story.ts";
import { KubectlZenith } from "./kubectl-zenith.ts";

/*
 * A release driven from `kubectl zenith` alone, by the real kubectl, against the real API server, with real pods. Each test
 * goes on where the one before ended.
 */

let playground: Playground;
let story: Story;
let zenith: KubectlZenith;

beforeAll(async () => {
  playground = await Playground.start();
  await playground.cluster.apply(shop({ replicas: 2 }));
  story = await Story.begin(playground);
  zenith = await KubectlZenith.install(playground.cluster);
  await playground.startOperator();
}, 1_200_000);

afterAll(async () => {
  zenith?.uninstall();
  await story?.end();
  await playground?.stop();
});

const canary = { settle: "1s", drain: "1s", scaleDownDelay: "1s" };
const STEPS = [{ weight: 25 }, { pause: {} }, { weight: 50 }, { pause: { for: "2s" } }];

function applied(spec: Record<string, unknown> = {}): Promise<string> {
  const walk = { strategy: { canary: { ...canary, steps: STEPS } }, analysis: { disabled: true }, bake: "5s" };
  return playground.cluster.apply(rollout({ ...walk, ...spec }));
}

async function released(tag: string): Promise<void> {
  await story.kubectl("set", "image", "deployment/web", `web=shop/web:${tag}`);
}

describe("kubectl zenith", () => {
  test("is a plugin that kubectl finds", async () => {
    const { stdout } = await playground.cluster.kubectl(["plugin", "list"]);
    expect(stdout).not.toContain("overshadowed");
    expect(await zenith.says("--help")).toContain("Usage: kubectl zenith");
  });

  test("get says that there is none, and where to look", async () => {
    expect(await zenith.run(["get"])).toEqual({
      code: 0,
      stdout: "",
      stderr: "There are no Rollouts in namespace default.\n",
    });
    expect(await zenith.run(["get", "web"])).toEqual({
      code: 1,
      stdout: "",
      stderr:
        'Error: There is no Rollout "web" in namespace default\n' +
        "Hint: there is none in this namespace; name another with -n, or see kubectl zenith get -A\n",
    });
  });

  test("status, started right after the apply, waits until the Deployment is taken over: 0", async () => {
    await applied();
    const said = await zenith.says("status", "web", "--timeout", "60s");
    expect(said).toMatch(/\nRollout "web" promoted: revision \S+ serves$/);
    expect(await zenith.says("get")).toMatch(
      /^NAME +STATUS +STEP +WEIGHT +READY +AGE\nweb +(Healthy|Baking) +5\/5 +100%/,
    );
  });

  test("status ends with 4 where a person is waited for, and get shows the tree", async () => {
    await released("v2");
    const { code, stdout } = await zenith.run(["status", "web", "--timeout", "60s"]);
    expect(stdout).toContain('Rollout "web" waits for a person: kubectl zenith promote web, or abort');
    expect(code).toBe(4);
    const tree = await zenith.says("get", "web");
    expect(tree).toContain(
      "Rollout default/web: Paused, step 2 of 5\nwaiting for approval at 25 %; promote to go on\n",
    );
    expect(tree).toContain("Weight   desired 25 %, written 25 %, effective 25 %\n");
    expect(tree).toContain("Steps    25 % · ● approval · 50 % · 2s · 100 %\n");
    expect(tree).toMatch(/\n├─ #2 \S+ +canary +Ready +1\/1 +25 % +\S+ +shop\/web:v2\n│ {2}└─ web-\S+ +Running +1\/1/);
    expect(tree).toMatch(/\n└─ #1 \S+ +stable +Ready +2\/2 +75 % +\S+ +shop\/web:v1\n {3}├─ web-\S+ +Running/);
  });

  test("abort takes it back, and status ends with 2", async () => {
    expect(await zenith.says("abort", "web")).toBe(
      "rollout.zenith.sh/web: abort accepted: all traffic goes back to stable, and the revision is rejected",
    );
    const { code, stdout } = await zenith.run(["status", "web", "--timeout", "60s"]);
    expect(stdout).toMatch(
      /Reverted .* was taken back: aborted by request\nRollout "web" reverted; kubectl zenith why web/,
    );
    expect(code).toBe(2);
    expect(await refused("abort", "web")).toBe("no release is on its way");
  });
});

/** The operator's reason for not doing what was asked. */
async function refused(...args: string[]): Promise<string> {
  const { code, stderr }: CommandResult = await zenith.run(args);
  expect(code).toBe(1);
  return /^Error: \S+ was refused: (.*)\n/.exec(stderr)?.[1] ?? `not refused: ${stderr}`;
}
