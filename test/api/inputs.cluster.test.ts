import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { type Cluster, type CommandResult, startCluster } from "../cluster/cluster.ts";
import { startOperator } from "../cluster/operator.ts";
import type { Running } from "../cluster/processes.ts";
import { changed, eventually, Live, type Status, told } from "./live.ts";
import { GOOD, REFUSED } from "./refused.ts";
import { TAKEN } from "./taken.ts";
import { all, route, SERVICE, TOLD, type Told } from "./told.ts";

/**
 * The ninety inputs that must be got right, as far as they are Rollouts, on a real API server: refused at apply, told of
 * within five seconds, or taken. 87, a weight that someone sets by hand in a release, is in test/e2e/gitops.cluster.test.ts.
 */
let cluster: Cluster;
let live: Live;

beforeAll(async () => {
  cluster = await startCluster();
  live = new Live(cluster);
  // A CRD of another version knew none of our rules.
  await cluster.apply(withoutRules(await crd()));
  await cluster.untilCrdsServe();
  await live.create("impossible", 'spec: {bake: "5"}');
  await cluster.apply(await crd());
  await eventually(
    () => dryRun(changed('spec: {bake: "5"}')),
    ({ code }) => code !== 0,
    10_000,
  );
});

afterAll(async () => await cluster?.stop());

async function crd(): Promise<string> {
  const { stdout } = await cluster.kubectl(["kustomize", "crds"]);
  return stdout;
}

function withoutRules(text: string): string {
  const stripped = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(stripped);
    if (typeof value !== "object" || value === null) return value;
    const kept = Object.entries(value).filter(([key]) => key !== "x-kubernetes-validations");
    return Object.fromEntries(kept.map(([key, v]) => [key, stripped(v)]));
  };
  return parseAllDocuments(text)
    .map((document) => stringify(stripped(document.toJS())))
    .join("---\n");
}

function dryRun(input: string): Promise<CommandResult> {
  return cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { input });
}

/** A Rollout that exists, and what must not be changed about it. */
const LIVE: readonly { number: number; what: string; patch: string; path: string; says: string }[] = [
  {
    number: 15,
    what: "another selector",
    patch: "spec: {selector: {matchLabels: {tier: web}}, template: {metadata: {labels: {tier: web}}}}",
    path: "spec.selector",
    says: "is immutable, as in a Deployment; delete the Rollout with onDelete keep and make it anew",
  },
  {
    number: 49,
    what: "a template instead of a Deployment",
    patch: "spec: {selector: null, template: null, workloadRef: {kind: Deployment, name: web}}",
    path: "spec",
    says: "cannot change between workloadRef and template",
  },
];

describe("admission", () => {
  test("takes the Rollout that all others differ from", async () => {
    expect(await dryRun(GOOD)).toMatchObject({ code: 0, stderr: "" });
  });

  test.each(TAKEN)("takes $number: $what", async ({ patch }) => {
    expect(await dryRun(changed(patch))).toMatchObject({ code: 0, stderr: "" });
  });

  test.each(REFUSED)("refuses $number: $what", async ({ patch, path, says }) => {
    const { code, stderr } = await dryRun(changed(patch));
    expect(code, `kubectl took it: ${stderr}`).not.toBe(0);
    expect(stderr).toContain(path);
    if (typeof says === "string") expect(stderr).toContain(says);
    else expect(stderr).toMatch(says);
  });

  describe("of changes", () => {
    const referencing = (name: string) =>
      changed(`spec: {selector: null, template: null, workloadRef: {kind: Deployment, name: ${name}}}`, {
        name: "referencing",
      });
    beforeAll(async () => {
      await cluster.apply(changed("{}", { name: "live" }));
      await cluster.apply(referencing("old"));
    });

    test.each(LIVE)("refuses $number: $what", async ({ patch, path, says }) => {
      const { stderr } = await dryRun(changed(patch, { name: "live" }));
      expect(stderr).toContain(`${path}: Invalid value`);
      expect(stderr).toContain(says);
    });

    test("refuses 49: another Deployment", async () => {
      const { stderr } = await dryRun(referencing("new"));
      expect(stderr).toContain("spec.workloadRef: Invalid value");
      expect(stderr).toContain("the name is immutable; delete the Rollout, which hands the Deployment back");
    });
  });
});

const OFF = "spec: {analysis: {disabled: true}, strategy: {canary: {steps: null, preset: instant}}}";
const RULES = "[{backendRefs: [{name: web, port: 80}]}]";
const ROUTES = [{ httpRoute: { name: "web" } }];

describe("with an operator", () => {
  let operator: Running | undefined;
  beforeAll(async () => {
    const { url } = await cluster.startPrometheus(); // It knows how to count, and nothing else.
    operator = await startOperator(cluster, [`--prometheus-url=${url}`]);
  });
  afterAll(async () => await operator?.stop());

  test("90: a route whose CRD is not installed yet is told of, and found once it is", async () => {
    await live.create("later", "spec: {traffic: {routes: [{httpRoute: {name: web}}]}}");
    expect(told(await live.until("later", "Failed", 5_000))).toMatchObject({ reason: "RouteMissing" });
    await cluster.applyGatewayApi();
    await cluster.apply(route(RULES), "-n", "later");
    expect(told(await live.until("later", "Healthy", 60_000))).toMatchObject({ phase: "Healthy" });
  });

  test("56: a spec that an older CRD let in is Failed, with where and what, and can be deleted", async () => {
    expect(told(await live.until("impossible", "Failed", 5_000))).toEqual({
      phase: "Failed",
      reason: "SpecImpossible",
      message: 'spec.bake must be one integer and s, m, h or d, such as "10m" (got "5")',
      stalled: "True",
    });
    await live.kubectl("impossible", "delete", "zr", "web", "--timeout=10s");
  });

  const rows = TOLD.map((row, i): Told & { namespace: string } => ({ ...row, namespace: `told-${row.number}-${i}` }));
  test.each(rows)(
    "tells of $number: $what",
    async ({ namespace, objects, before = [], patch = "{}", reason, says }) => {
      await live.kubectl("default", "create", "namespace", namespace);
      if (objects !== undefined) await cluster.apply(objects, "-n", namespace);
      for (const args of before) await live.kubectl(namespace, ...args.map((text) => inside(text, namespace)));
      await cluster.apply(changed(patch, { namespace }));
      const words = inside(says, namespace);
      const isTold = ({ phase, message = "" }: Status) => phase === "Failed" && message.includes(words);
      expect(told(await live.until(namespace, isTold, 5_000))).toEqual({
        phase: "Failed",
        reason,
        message: expect.stringContaining(words),
        stalled: "True",
      });
    },
  );

  test("28: a query that Prometheus cannot read is mended by an edit", async () => {
    const query = (promql: string) =>
      `spec: {analysis: {metrics: [{query: {name: load, max: 1, promql: '${promql}'}}]}}`;
    await live.create("mended", query("up{"));
    expect(told(await live.until("mended", "Failed", 5_000))).toMatchObject({ reason: "QueryRefused" });
    await cluster.apply(changed(query("up"), { namespace: "mended" }));
    await live.healthy("mended");
  });

  test("29: a query that answers with two series is no number, and holds", async () => {
    const two = `vector(1) or label_replace(vector(2), "side", "b", "", "")`;
    const analysis = `analysis: {interval: 1s, metrics: [{query: {name: two, max: 9, promql: '${two}'}}]}`;
    await live.create("two-series", `spec: {${analysis}, strategy: {canary: {steps: [{weight: 50}]}}}`);
    await live.healthy("two-series");
    await live.deploy("two-series", "web:2");
    const holds = (reason: string | undefined) => reason === "MetricsUnavailable";
    const seen = await live.until("two-series", ({ conditions }) => holds(conditions?.[0]?.reason), 10_000);
    expect(told(seen)).toMatchObject({
      phase: "Progressing",
      message: expect.stringContaining("the query answers with 2 series, and one is needed: aggregate it"),
    });
  });

  test("36: a template that is refused in a release leaves the canary where it is", async () => {
    await live.create(
      "third",
      "spec: {analysis: {disabled: true}, strategy: {canary: {steps: [{weight: 50}, {pause: {}}]}}}",
    );
    await live.healthy("third");
    await live.deploy("third", "web:2");
    await live.until("third", "Paused", 10_000);
    await live.deploy("third", "");
    const seen = await live.until("third", "Failed", 5_000);
    expect(told(seen)).toMatchObject({ reason: "TemplateRefused" });
    expect(seen).toMatchObject({ canary: { images: ["web:2"], ready: 1 } });
    await live.deploy("third", "web:2");
    expect(told(await live.until("third", "Paused", 5_000))).toMatchObject({ reason: "WaitingForApproval" });
  });

  const WAITING = { name: "web", image: "web:1", imageID: "", ready: false, restartCount: 0 };
  const waits = (reason: string, message: string) => [{ ...WAITING, state: { waiting: { reason, message } } }];
  test.each([
    ["an image that is not there", { containerStatuses: waits("ImagePullBackOff", "no such image") }],
    ["a container that crashes", { containerStatuses: waits("CrashLoopBackOff", "back-off 10s") }],
    [
      "a container that crashes before the others start",
      {
        initContainerStatuses: waits("CrashLoopBackOff", "back-off 10s"),
        containerStatuses: waits("PodInitializing", ""),
      },
    ],
  ])("54: %s is told of", async (what, containers) => {
    const [own = []] = Object.values(containers);
    const namespace = `waiting-${what.split(" ").length}`;
    // No kubelet and no kwok there; so the test plays the one that tries.
    await live.create(namespace, "spec: {replicas: 1, progressDeadline: 2s, template: {spec: {nodeName: nowhere}}}");
    const pod = await eventually(
      () => live.kubectl(namespace, "get", "pods", "-l", "zenith.sh/rollout=web", "-o", "name"),
      (name) => name !== "",
      5_000,
    );
    const patch = JSON.stringify({ status: containers });
    await live.kubectl(namespace, "patch", pod, "--subresource=status", "--type=merge", "-p", patch);
    const { reason, message } = own[0]?.state.waiting ?? {};
    const says = `${reason} ${message}`;
    const seen = await live.until(
      namespace,
      (is) => is.phase === "Failed" && is.message?.includes(says) === true,
      5_000,
    );
    expect(told(seen)).toEqual({
      phase: "Failed",
      reason: "ProgressDeadlineExceeded",
      message: expect.stringContaining(`pod ${pod.replace("pod/", "")}: ${says}`),
      stalled: "True",
    });
  });

  test("58: the first revision waits for no step and no metric, as there is nothing to go back to", async () => {
    await live.create("first", "spec: {strategy: {canary: {steps: [{weight: 5}, {pause: {}}]}}}");
    const seen = await live.healthy("first");
    expect(seen).toMatchObject({ stable: { images: ["web:1"] }, display: { weight: "100%" } });
    expect(seen).not.toHaveProperty("canary");
  });

  test("57: an autoscaler on a ReplicaSet of ours is told of", async () => {
    await live.create("beneath", OFF);
    await live.healthy("beneath");
    const set = await live.kubectl("beneath", "get", "rs", "-o", "jsonpath={.items[0].metadata.name}");
    await live.kubectl("beneath", "autoscale", "rs", set, "--min=1", "--max=3");
    const seen = await live.until("beneath", "Failed", 5_000);
    expect(told(seen)).toMatchObject({ reason: "AutoscalerTargetsReplicaSet" });
  });

  test("88: a route that no Gateway has taken in holds the release, and stable serves", async () => {
    await live.create("ungated", "spec: {analysis: {disabled: true}}");
    await cluster.apply(route(RULES), "-n", "ungated");
    const operations = [{ op: "add", path: "/spec/traffic/routes", value: ROUTES }];
    await live.kubectl("ungated", "patch", "zr", "web", "--type=json", "-p", JSON.stringify(operations));
    await live.healthy("ungated");
    await live.deploy("ungated", "web:2");
    expect(told(await live.until("ungated", "Progressing", 5_000))).toMatchObject({
      reason: "RoutePending",
      message: `waiting for the routes before the first step: no Gateway has taken HTTPRoute "ungated/web" in yet`,
    });
  });

  test("10: replicas 0 is obeyed", async () => {
    await live.create("zero", "spec: {replicas: 0, analysis: {disabled: true}}");
    expect(await live.healthy("zero")).toMatchObject({ replicas: 0 });
  });

  test("12: 1 % of one replica is a pod", async () => {
    const steps = "strategy: {canary: {steps: [{weight: 1}, {pause: {}}]}}";
    await live.create("one", `spec: {replicas: 1, analysis: {disabled: true}, ${steps}}`);
    await live.healthy("one");
    await live.deploy("one", "web:2");
    expect(await live.until("one", "Paused", 10_000)).toMatchObject({
      phase: "Paused",
      canary: { replicas: 1, ready: 1 },
    });
  });

  test.each([
    [38, "of 253 characters", "w".repeat(253)],
    [39, "that is cut behind a dot", `${"a".repeat(51)}.${"b".repeat(30)}`],
    [39, "with dots", "web.v1.example"],
  ])("%i: a name %s", async (number, _what, name) => {
    const namespace = `name-${number}-${name.length}`;
    await live.create(namespace, OFF, name);
    await live.healthy(namespace, name);
  });

  test("41: an annotation of the Rollout is no revision", async () => {
    await live.create("annotated", OFF);
    const before = await live.healthy("annotated");
    await live.kubectl("annotated", "annotate", "zr", "web", "note=new");
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await live.status("annotated")).toMatchObject({ stable: before.stable, phase: "Healthy" });
  });

  describe("in the middle of a release", () => {
    const HALF =
      "spec: {analysis: {disabled: true}, strategy: {canary: {steps: [{weight: 50}, {pause: {}}], settle: 1s, drain: 1s}}}";
    const halfWay = async (namespace: string) => {
      await live.create(namespace, HALF);
      await live.healthy(namespace);
      await live.deploy(namespace, "web:2");
      return await live.until(namespace, "Paused", 15_000);
    };
    const serves = (image: string) => (status: Status) =>
      status.phase === "Healthy" && status.stable?.images[0] === image && status.canary === undefined;

    test("42: another template begins again at the first step", async () => {
      await halfWay("superseded");
      await live.deploy("superseded", "web:3");
      const isThird = ({ phase, canary }: Status) => phase === "Paused" && canary?.images[0] === "web:3";
      expect(await live.until("superseded", isThird, 20_000)).toMatchObject({
        phase: "Paused",
        canary: { images: ["web:3"] },
        stable: { images: ["web:1"] },
      });
    });

    test("43: the template of stable leads back at once, and nothing is held against the canary", async () => {
      await halfWay("undone");
      await live.deploy("undone", "web:1");
      const back = await live.until("undone", serves("web:1"), 20_000);
      expect(back).toMatchObject({ phase: "Healthy", stable: { images: ["web:1"] } });
      expect(back).not.toHaveProperty("rejected");
    });

    test("44: a revision that was aborted comes again when a person says so, and not before", async () => {
      const { canary } = await halfWay("aborted");
      const request = (verb: string, nonce: number) =>
        live.kubectl(
          "aborted",
          "annotate",
          "--overwrite",
          "zr",
          "web",
          `zenith.sh/request=${verb}@${canary?.revision}#${nonce}`,
        );
      await request("abort", 1);
      await live.until("aborted", "Reverted", 10_000);
      await live.deploy("aborted", "web:1");
      await live.until("aborted", serves("web:1"), 20_000);
      await live.deploy("aborted", "web:2");
      expect(told(await live.until("aborted", "Reverted", 10_000))).toMatchObject({ reason: "Aborted" });
      await request("retry", 2);
      expect(await live.until("aborted", "Paused", 15_000)).toMatchObject({ phase: "Paused", canary });
    });
  });

  test("89: a revision whose name is another's gets one of its own", async () => {
    await live.create("named-a", OFF);
    await live.healthy("named-a");
    const name = await live.kubectl("named-a", "get", "rs", "-o", "jsonpath={.items[0].metadata.name}");
    await live.kubectl("default", "create", "namespace", "named-b");
    const labels = "{app: other}";
    const pods = `{metadata: {labels: ${labels}}, spec: {containers: [{name: other, image: other}]}}`;
    const spec = `{replicas: 0, selector: {matchLabels: ${labels}}, template: ${pods}}`;
    await cluster.apply(
      `{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: ${name}, namespace: named-b}, spec: ${spec}}`,
    );
    await cluster.apply(SERVICE, "-n", "named-b");
    await cluster.apply(changed(OFF, { namespace: "named-b" }));
    expect(await live.healthy("named-b")).toMatchObject({ collisionCount: 1 });
    const sets = await live.kubectl("named-b", "get", "rs", "-o", "jsonpath={.items[*].spec.replicas}");
    expect(sets.split(" ").sort()).toEqual(["0", "2"]);
  });

  test("86: of a hundred Rollouts on one route the oldest has it, and each other one says so", async () => {
    await live.kubectl("default", "create", "namespace", "crowd");
    await cluster.apply(all(SERVICE, route(RULES)), "-n", "crowd");
    const member = (i: number) =>
      changed(`spec: {replicas: 1, analysis: {disabled: true}, traffic: {routes: [{httpRoute: {name: web}}]}}`, {
        namespace: "crowd",
        name: `r${String(i).padStart(3, "0")}`,
      });
    await cluster.apply(Array.from({ length: 100 }, (_, i) => member(i)).join("---\n"));
    const told = async () => {
      const text = await live.kubectl("crowd", "get", "zr", "-o", "json");
      const { items } = JSON.parse(text) as { items: { metadata: { name: string }; status?: Status }[] };
      return items.map(({ metadata, status }) => `${metadata.name} ${status?.phase}: ${status?.message}`);
    };
    const claimed = (line: string) => line.includes('is managed by the older Rollout "r000"');
    const lines = await eventually(told, (seen) => seen.filter(claimed).length === 99, 10_000);
    expect(lines.filter(claimed)).toHaveLength(99);
    expect(lines.filter((line) => !claimed(line))).toEqual([expect.stringMatching(/^r000 /)]);
  });

  test("45: paused from its creation, the first revision serves", async () => {
    await live.create("paused", "spec: {paused: true, analysis: {disabled: true}}");
    await live.healthy("paused");
  });

  test.each([
    ["46", "two requests at once", "abort,promote@x#1", /^refused: must read verb\[:argument\]@revision#nonce/],
    ["47", "a request for another revision", "promote@bbbbbbbbbb#1", /^refused: meant for revision bbbbbbbbbb, /],
    ["59", "a request with control characters", "a\u0007\u202e\n@x#1", /^refused: must read [\x20-\x7e]+$/],
  ])("%s: %s is answered", async (number, _what, value, result) => {
    const namespace = `request-${number}`;
    await live.create(namespace, OFF);
    await live.healthy(namespace);
    await live.kubectl(namespace, "annotate", "zr", "web", `zenith.sh/request=${value}`);
    const seen = await live.until(namespace, ({ lastRequest }) => lastRequest !== undefined, 5_000);
    expect(seen).toMatchObject({ phase: "Healthy", lastRequest: { result: expect.stringMatching(result) } });
  });

  test("50: a status that someone edits is derived again", async () => {
    await live.create("edited", OFF);
    const { stable } = await live.healthy("edited");
    const status = { phase: "Reverted", message: "no", weights: null, stable: null, conditions: [], replicas: 99 };
    const patch = ["patch", "zr", "web", "--subresource=status", "--type=merge", "-p", JSON.stringify({ status })];
    await live.kubectl("edited", ...patch);
    const seen = await live.until("edited", (is) => is.phase === "Healthy" && is.stable !== undefined, 5_000);
    expect(seen).toMatchObject({ phase: "Healthy", stable, replicas: 2 });
  });

  test("52: a finalizer and owner references that someone strips come back", async () => {
    await live.create("stripped", OFF);
    await live.healthy("stripped");
    const set = await live.kubectl("stripped", "get", "rs", "-o", "name");
    for (const [what, field] of [
      ["zr/web", "finalizers"],
      [set, "ownerReferences"],
    ] as const) {
      const operations = [{ op: "remove", path: `/metadata/${field}` }];
      await live.kubectl("stripped", "patch", what, "--type=json", "-p", JSON.stringify(operations));
    }
    const back = await eventually(
      async () => [
        await live.kubectl("stripped", "get", "zr", "web", "-o", "jsonpath={.metadata.finalizers[0]}"),
        await live.kubectl("stripped", "get", set, "-o", "jsonpath={.metadata.ownerReferences[0].kind}"),
      ],
      ([finalizer, owner]) => finalizer !== "" && owner !== "",
      5_000,
    );
    expect(back).toEqual(["zenith.sh/put-back", "Rollout"]);
  });

  test("55: a namespace that terminates is not held up", async () => {
    await live.create("ending", OFF);
    await live.healthy("ending");
    await live.kubectl("default", "delete", "namespace", "ending", "--timeout=100s");
  });

  test("60: of fifty edits in a moment the last one counts", async () => {
    await live.create("busy", `spec: {replicas: 1, bake: 0s, ${OFF.slice("spec: {".length)}`);
    await live.healthy("busy");
    for (let i = 0; i < 50; i++) await live.deploy("busy", `web:${i + 2}`);
    const seen = await live.until(
      "busy",
      ({ phase, stable }) => phase === "Healthy" && stable?.images[0] === "web:51",
      60_000,
    );
    expect(seen).toMatchObject({ phase: "Healthy", stable: { images: ["web:51"] } });
  });
});

function inside(text: string, namespace: string): string {
  return text.replaceAll("NAMESPACE", namespace);
}
