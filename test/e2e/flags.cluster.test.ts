import { existsSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FlagServer, startFlagServer } from "../cluster/flag-server.ts";
import { type Load, startLoad } from "../cluster/load.ts";
import { type Operator, Playground } from "../cluster/playground.ts";
import { FlagStory, flagShop } from "./flag-story.ts";

/*
 * A flag on a real control plane: a flag server, programs that ask it by an unmodified SDK and count what their users meet, a
 * real Prometheus. Each test goes on where the one before ended.
 */

let playground: Playground;
let server: FlagServer;
let operator: Operator;
let story: FlagStory;
let load: Load;
let harmFile: string;

const INTERVAL_MS = 3_000;
/** The judge asks for three bad windows, so that one bad moment takes nobody's feature away. */
const BAD_WINDOWS = 3;

const flag = (more = "", owner = "team-checkout", rules = "") => `
apiVersion: zenith.sh/v1alpha1
kind: FeatureFlag
metadata: {name: new-checkout, namespace: default, labels: {app: web}}
spec:
  lifecycle: {owner: ${owner}}
  ${rules}
  strategy:
    canary:
      variant: "on"
      steps: [{weight: 25}, {pause: {}}, {weight: 50}, {pause: {for: 3s}}]
      analysis: {interval: ${INTERVAL_MS / 1_000}s, metrics: [{errorRate: {max: 1%}}]}
      bake: 3s
  ${more}
`;

beforeAll(async () => {
  playground = await Playground.start();
  const { cluster } = playground;
  harmFile = cluster.path("harm");
  server = await startFlagServer(cluster);
  await cluster.apply(flagShop(server, harmFile, { HARM: "0.2" })); // So that no bad window looks like a good one.
  story = await FlagStory.begin(playground);
  operator = await playground.startOperator();
  await story.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // Until the gateway serves.
  load = startLoad(playground.gateway.url, 200, { host: "web.example" });
}, 1_200_000);

afterAll(async () => {
  await load?.stop();
  await story?.end();
  await server?.running.stop();
  await playground?.stop();
});

function harm(on: boolean): void {
  const file = `${harmFile}.new-checkout`;
  if (on) writeFileSync(file, "");
  else if (existsSync(file)) rmSync(file);
}

const SAMPLE = 200;

/** The share of the next requests that meet the variant. */
async function treatedShare(): Promise<number> {
  load.lap();
  let [on, off] = [0, 0];
  for (const endMs = performance.now() + 30_000; on + off < SAMPLE && performance.now() < endMs; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const seen = load.lap();
    on += seen.on?.requests ?? 0;
    off += seen.off?.requests ?? 0;
  }
  expect(on + off).toBeGreaterThanOrEqual(SAMPLE);
  return on / (on + off);
}

/** Until so many of the users meet the variant: what is served reaches programs a moment after it is told. */
async function treated(atLeast: number, atMost: number): Promise<void> {
  let share = await treatedShare();
  for (let i = 0; i < 5 && !(share >= atLeast && share <= atMost); i++) share = await treatedShare();
  expect(share).toBeGreaterThanOrEqual(atLeast);
  expect(share).toBeLessThanOrEqual(atMost);
}

/** Until no request meets the variant any more.
 * @returns since when, on the monotonic clock */
async function everyoneSafe(): Promise<number> {
  for (const endMs = performance.now() + 30_000; performance.now() < endMs; ) {
    load.lap();
    const sinceMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const seen = load.lap();
    if ((seen.off?.requests ?? 0) > 10 && seen.on === undefined) return sinceMs;
  }
  throw new Error("Some users still get the variant");
}

/** Rows of a table as kubectl prints it, each cell under its head. */
function rowOf(text: string): Record<string, string> {
  const [head = "", line = ""] = text.split("\n");
  const starts = [...head.matchAll(/\S+\s*/g)].map(({ 0: title, index }) => ({ title: title.trim(), index }));
  return Object.fromEntries(
    starts.map(({ title, index }, i) => [title, line.slice(index, starts[i + 1]?.index ?? line.length).trim()]),
  );
}

describe("a flag that ramps", () => {
  test("reaches a quarter of the users, and waits for a person", async () => {
    await story.apply(flag());
    await story.phase("Paused", "new-checkout");
    await treated(0.15, 0.35); // Of 200 requests; five standard deviations are 15 %.
  });

  test("reads well", async () => {
    expect(rowOf(await story.kubectl("get", "featureflags"))).toMatchObject({
      NAME: "new-checkout",
      SERVES: "on 25%, off 75%",
      STRATEGY: "canary",
      STEP: "2/5",
      STATUS: "Paused",
    });
    const wide = rowOf(await story.kubectl("get", "zff", "-o", "wide"));
    expect(wide).toMatchObject({ OWNER: "team-checkout", MESSAGE: "waiting for approval at 25 %; promote to go on" });
    const told = await story.kubectl("describe", "featureflag", "new-checkout");
    const events = told.slice(told.indexOf("Events:"));
    expect(events).toMatch(/Normal +Started +.*"on" is on its way to its users/);
    expect(events).toMatch(/Normal +WeightRaised +.*25 % of the users get "on"/);
    expect(await story.kubectl("get", "zenith")).toContain("featureflag.zenith.sh/new-checkout");
  });

  test("is judged on what its users meet, against the others", async () => {
    const { analysis } = await story.until(
      "new-checkout",
      (status) => ["Pass", "Continue"].includes(status.analysis?.metrics?.[0]?.verdict ?? ""),
      "a verdict",
    );
    expect(analysis?.compare).toBe("variants");
    expect(analysis?.metrics?.[0]?.message).toMatch(/^error-rate 0 % \(0\/\d+\), control 0 %/);
  });
});

describe("a flag that harms its users", () => {
  test("is back at safe within one interval and two seconds of the third bad window", async () => {
    harm(true);
    const sinceMs = performance.now();
    const { override } = await story.until("new-checkout", (status) => status.override !== undefined, "the way back");
    const decidedMs = performance.now();
    const safeMs = await everyoneSafe();
    harm(false);
    expect(override).toMatchObject({ kind: "revert", reason: "AnalysisFailed" });
    expect(override?.message).toMatch(
      /^error-rate (1\d|2[0-6])(\.\d)? % \(\d+\/\d+\), control 0 %: evidence [\d,]+:1, revert at 100:1$/,
    );
    // What was left of the window in which it began, too short perhaps to say anything, and three bad ones.
    const thirdMs = (1 + BAD_WINDOWS) * INTERVAL_MS;
    expect(safeMs - sinceMs).toBeLessThan(thirdMs + INTERVAL_MS + 2_000);
    expect(safeMs - decidedMs).toBeLessThan(2_000);
  });

  test("says so", async () => {
    const { phase, message, conditions } = await story.phase("Reverted", "new-checkout");
    expect(phase).toBe("Reverted");
    expect(message).toMatch(/^"off" is served: error-rate/);
    expect(conditions?.find(({ type }) => type === "Stalled")?.status).toBe("True");
    expect(rowOf(await story.kubectl("get", "zff"))).toMatchObject({ SERVES: "off (reverted)", STATUS: "Reverted" });
    const told = await story.kubectl("describe", "zff", "new-checkout");
    expect(told.slice(told.indexOf("Events:"))).toMatch(/Warning +Reverted +.*error-rate/);
  });

  test.each([
    ["the same manifest, client-side", () => story.apply(flag())],
    ["the same manifest, server-side", () => story.apply(flag(), "--server-side", "--force-conflicts")],
    ["another owner", () => story.apply(flag("", "team-b"), "--server-side")],
    ["another description", () => story.apply(flag("description: better", "team-b"), "--server-side")],
  ])("does not come back by applying %s", async (_, apply) => {
    await apply();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await treatedShare()).toBe(0);
    expect(story.status("new-checkout").phase).toBe("Reverted");
  });

  test("comes back, from nobody and judged anew, once what it serves is changed", async () => {
    const rules = `rules: [{when: [{attribute: plan, in: [pro]}], serve: "on"}]`;
    await story.apply(flag("description: better", "team-b", rules), "--server-side");
    await story.until("new-checkout", (status) => status.serving?.weightBp === 0, "a new ramp");
    await story.phase("Paused", "new-checkout");
    expect(story.status("new-checkout").override).toBeUndefined();
    await treated(0.15, 0.35);
  });
});

describe("people", () => {
  test("let it go on with promote, all the way", async () => {
    const hash = story.status("new-checkout").servedHash;
    await story.kubectl("annotate", "zff", "new-checkout", "--overwrite", `zenith.sh/request=promote@${hash}#1`);
    await story.phase("Healthy", "new-checkout");
    await treated(1, 1);
    expect(await story.kubectl("wait", "--for=condition=Promoted", "zff/new-checkout", "--timeout=5s")).toContain(
      "condition met",
    );
  });

  test("stop it with one KillSwitch, though the operator is away, which tells of it once it is back", async () => {
    const kill = `
apiVersion: zenith.sh/v1alpha1
kind: KillSwitch
metadata: {name: stop-web, namespace: default}
spec: {selector: {matchLabels: {app: web}}, flags: safe, reason: checkout is down}
`;
    await operator.running.stop();
    await story.apply(kill);
    await everyoneSafe();
    expect(story.status("new-checkout").phase).toBe("Healthy");
    operator = await playground.startOperator();
    await story.until("new-checkout", ({ phase }) => phase === "Killed", "the kill to be told");
    expect(rowOf(await story.kubectl("get", "zff"))).toMatchObject({ SERVES: "off (killed)", STATUS: "Killed" });
    await story.kubectl("wait", "--for=jsonpath={.status.flags}=1", "killswitch/stop-web", "--timeout=10s");
    expect(rowOf(await story.kubectl("get", "zks"))).toMatchObject({
      NAME: "stop-web",
      STATUS: "Active",
      FLAGS: "1",
      REASON: "checkout is down",
    });
    await story.kubectl("delete", "killswitch", "stop-web");
    await story.phase("Healthy", "new-checkout");
    await treated(1, 1);
  });

  test("take it back with abort", async () => {
    const hash = story.status("new-checkout").servedHash;
    await story.kubectl("annotate", "zff", "new-checkout", "--overwrite", `zenith.sh/request=abort@${hash}#2`);
    await everyoneSafe();
    const { override, history } = await story.phase("Reverted", "new-checkout");
    expect(override?.reason).toBe("Aborted");
    expect(history?.map(({ what, by }) => [what, by])).toContainEqual(["Requested", "kubectl-annotate"]);
    expect(history?.at(-1)).toMatchObject({ what: "Created", by: "kubectl-client-side-apply" });
  });
});
