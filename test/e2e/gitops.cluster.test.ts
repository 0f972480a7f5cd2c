import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import type { Route } from "../../src/api/kubernetes.ts";
import { Playground } from "../cluster/playground.ts";
import { Access, TYPES } from "../cluster/watch.ts";
import { deployment, rollout, shop } from "../demo/shop.ts";
import { Story } from "./story.ts";

/*
 * A GitOps tool that re-applies what Git holds, server-side and without force, all the time: Deployment, Service, route and
 * Rollout, through a whole release. It must never meet a conflict, a weight that it resets is back at once, and in the end
 * the route is what Git says. An entry of ours in managedFields goes by a write of its own, some 20 ms after the one that made
 * it: an apply that comes between both is refused, and no longer is at its next try.
 */

let playground: Playground;
let story: Story;

beforeAll(async () => {
  playground = await Playground.start({ gatewayLagMs: 200 });
  await playground.startOperator();
  story = await Story.begin(playground);
}, 1_200_000);

afterAll(async () => {
  await story?.end();
  await playground?.stop();
});

const EVERY_MS = 5_000;
/** How long a weight may be off after a re-apply. Seen: some 50 ms. */
const REPAIRED_WITHIN_MS = 1_000;

const WALK = [{ weight: 20 }, { pause: { for: "5s" } }, { weight: 60 }, { pause: { for: "5s" } }];

function git(image: string, steps: object[] = WALK): string {
  const own = rollout({
    strategy: { canary: { steps, settle: "1s", drain: "2s" } },
    analysis: { disabled: true },
    bake: "5s",
  });
  const [, ...others] = shop();
  return [deployment({ replicas: 3, image }), ...others, own].map((object) => stringify(object)).join("---\n");
}

const FROM_GIT = ["apply", "--server-side", "--field-manager=gitops", "-f", "-"];

test("re-applying everything every five seconds disturbs no release, and is not disturbed by it", async () => {
  const { cluster } = playground;
  const applyGit = (image: string) => cluster.kubectl(FROM_GIT, { input: git(image) });
  expect(await applyGit("shop/web:v1")).toMatchObject({ code: 0 });
  await story.phase("Healthy");

  const access = new Access(cluster.kubeconfig, "watcher");
  const weights = watchWeights(await access.watch<Route>(TYPES.httpRoutes), () => story.status().weights?.written ?? 0);
  const failures: string[] = [];
  let [applies, between] = [0, 0];
  let over = false;
  const tool = (async () => {
    while (!over) {
      const { code, stderr } = await applyGit("shop/web:v2");
      applies++;
      if (code !== 0) {
        const again = await applyGit("shop/web:v2");
        if (!isOurConflict(stderr) || again.code !== 0) failures.push(stderr, again.stderr);
        else between++;
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  await story.phase("Progressing");
  await story.phase("Baking");
  await story.phase("Healthy");
  over = true;
  await tool;
  await access.close();

  expect(failures).toEqual([]);
  expect(between).toBeLessThanOrEqual(1);
  expect(applies).toBeGreaterThan(3);
  expect(weights.resets).toBeGreaterThan(0); // Else the tool has met no release, and nothing was shown.
  expect(weights.longestOffMs).toBeLessThan(REPAIRED_WITHIN_MS);
  expect(story.status().stable?.images).toEqual(["shop/web:v2"]);
  const [, , route = {}] = shop();
  const diff = await cluster.kubectl(["diff", "--server-side", "--field-manager=gitops", "-f", "-"], {
    input: stringify(route),
  });
  expect(diff).toMatchObject({ code: 0, stdout: "" });
});

test("who resets a route without end is named and not fought, and no traffic rises meanwhile", async () => {
  const { cluster } = playground;
  await cluster.kubectl(FROM_GIT, { input: git("shop/web:v2", [{ weight: 20 }, { pause: {} }]) });
  await story.phase("Healthy");
  await story.release("shop/web:v3");
  await story.phase("Paused");
  const fighter = new Access(cluster.kubeconfig, "fighter");
  const routes = await fighter.watch<Route>(TYPES.httpRoutes);
  const { apiVersion, kind } = TYPES.httpRoutes;
  const ref = { apiVersion, kind, namespace: "default", name: "web" };
  const [, , route] = shop();
  let resets = 0;
  const fight = ({ spec }: Route) => {
    if (spec.rules?.[0]?.backendRefs?.some(({ name }) => name === "web-canary") !== true) return;
    resets++;
    fighter.resources.mergePatch(ref, { spec: { rules: (route as Route).spec.rules } }).catch(() => undefined);
  };
  const stop = routes.subscribe((_type, changed) => fight(changed));
  routes.list().forEach(fight);
  await story.until("web", ({ conditions }) => reasonOf(conditions) === "Contested", "the quarrel to be told");
  expect(story.status().message).toContain('field manager "fighter" resets HTTPRoute "web" again and again');
  await story.request("promote:full");
  const before = resets;
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  expect(resets - before).toBeLessThanOrEqual(1);
  stop();
  await fighter.close();
  await story.phase("Healthy");
  expect(story.status().stable?.images).toEqual(["shop/web:v3"]);
});

function isOurConflict(stderr: string): boolean {
  const conflicts = stderr.match(/conflicts? with "[^"]+"/g) ?? [];
  return conflicts.length > 0 && conflicts.every((text) => text.endsWith(' with "zenith"'));
}

function reasonOf(conditions: readonly { type: string; reason: string }[] = []): string | undefined {
  return conditions.find(({ type }) => type === "Ready")?.reason;
}

/** Times for which the route says less than it last did while the release goes on. */
function watchWeights(
  routes: { subscribe(listener: (type: string, route: Route) => void): void },
  wanted: () => number,
): { resets: number; longestOffMs: number } {
  const seen = { resets: 0, longestOffMs: 0 };
  let offSince: number | undefined;
  routes.subscribe((_type, route) => {
    const refs = route.spec.rules?.[0]?.backendRefs ?? [];
    const paired = refs.some((ref) => ref.name === "web-canary");
    const now = performance.now();
    if (!paired && wanted() > 0 && offSince === undefined) {
      seen.resets++;
      offSince = now;
    }
    if (paired && offSince !== undefined) {
      seen.longestOffMs = Math.max(seen.longestOffMs, now - offSince);
      offSince = undefined;
    }
  });
  return seen;
}
