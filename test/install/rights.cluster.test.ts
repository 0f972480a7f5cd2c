import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { defineResource } from "../../src/kube/resource.ts";
import { templateOf } from "../bench/lab.ts";
import type { AuditEvent } from "../cluster/cluster.ts";
import { CHART, helm } from "../cluster/helm.ts";
import { type Operator, startOperator } from "../cluster/playground.ts";
import { type Running, start } from "../cluster/processes.ts";
import { type PassingRequest, RequestProxy } from "../cluster/request-proxy.ts";
import { askedBy, type RightsGiven, refusalsIn, rightsIn, rightsOf } from "../cluster/rights.ts";
import { TYPES } from "../cluster/watch.ts";
import { deployment, route, service } from "../demo/shop.ts";
import { QuietLab, sleep } from "../e2e/quiet-lab.ts";

/*
 * The rights that the chart grants, compared with those that are used, both ways: every request of whole lives of Rollouts is in
 * the audit log of a real API server. None may be refused, and each right must have been used at least once.
 */

let lab: QuietLab;
let proxy: RequestProxy | undefined;
let operator: Operator | undefined;
let flagServer: Running | undefined;

const NAMESPACE = "zenith-system";
type Workload = "operator" | "flags";
const DEPLOYMENTS = defineResource("apps/v1", "Deployment", "deployments");
const GRPC = defineResource("gateway.networking.k8s.io/v1", "GRPCRoute", "grpcroutes");
/** Of the Rollout whose first revision cannot come back: that revision, and when its complaint may be told once more. */
let first = "";
let minute: Promise<void> | undefined;
const CANARY = { settle: "1s", drain: "1s", scaleDownDelay: "1s" };
const STRATEGY = { canary: { ...CANARY, steps: [{ weight: 50 }] } };

beforeAll(async () => {
  lab = await QuietLab.open({
    apiServer: [
      "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
      "--feature-gates=WatchList=false", // As before Kubernetes 1.32: caches are filled by lists, not by watches.
    ],
  });
  const { cluster } = lab;
  await lab.installGateway();
  const install = ["install", "zenith", CHART, "-n", NAMESPACE, "--create-namespace", "--set", "crds.install=false"];
  expect(await helm([...install, "--set", "operator.gates=true"], { cluster })).toMatchObject({ code: 0, stderr: "" });
  // The chart's own pods are kwok's here: no process is behind them.
  proxy = new RequestProxy(cluster.server, { ca: readFileSync(cluster.caPath, "utf8"), before: writeInBetween });
  await proxy.start();
  const account = await kubeconfigOf("operator", proxy.url);
  const flagServers = `--flag-servers=${NAMESPACE}/zenith-flags-metrics`;
  const own = [account, "--gates", `--leader-election-namespace=${NAMESPACE}`, flagServers];
  // Pods of kwok's have addresses, and nobody is there: what the operator asks for in the cluster is the same.
  operator = await startOperator(cluster, own, { podAddresses: "http://127.0.0.1:1/" });
  const nowhere = ["ofrep", "evaluation", "sync", "management"].map((port) => `--${port}-bind-address=0`);
  const serve = ["src/main.ts", "flags", await kubeconfigOf("flags"), ...nowhere];
  flagServer = await start(process.execPath, serve, { logFile: cluster.path("flags.log") });
  await lab.until("the operator leads", () => operator?.log().some(({ msg }) => msg === "leading") === true);
}, 1_200_000);

/** As the account of a workload of the chart. */
async function kubeconfigOf(workload: Workload, server = lab.cluster.server): Promise<string> {
  const path = lab.cluster.path(`account-${workload}.yaml`);
  lab.cluster.writeKubeconfig(path, await kubectl("-n", NAMESPACE, "create", "token", `zenith-${workload}`), server);
  return `--kubeconfig=${path}`;
}

afterAll(async () => {
  await flagServer?.stop();
  await operator?.running.stop();
  await proxy?.stop();
  await lab?.close();
});

/** What the operator patches beside its author, and where nobody has come between two of its patches as yet. */
const undisturbed = new Set([DEPLOYMENTS, TYPES.services, TYPES.httpRoutes, GRPC]);

/** Someone writes right before the operator leaves the managedFields of an object, which it has to read anew then; once for each kind. */
async function writeInBetween({ method, path, body }: PassingRequest): Promise<void> {
  const [, namespace = "", plural = "", name = ""] = /\/namespaces\/([^/]+)\/([^/]+)\/([^/?]+)/.exec(path) ?? [];
  const type = [...undisturbed].find((one) => one.plural === plural);
  if (method !== "PATCH" || type === undefined || !body.includes("/metadata/managedFields")) return;
  undisturbed.delete(type);
  const { apiVersion, kind } = type;
  const note = { metadata: { annotations: { "written-by": "someone" } } };
  await lab.access.resources.mergePatch({ apiVersion, kind, namespace, name }, note);
}

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await lab.cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

/** As a GitOps tool does it. */
async function applyFromGit(objects: readonly object[]): Promise<void> {
  const input = objects.map((object) => stringify(object)).join("---\n");
  const apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-"];
  const { code, stderr } = await lab.cluster.kubectl(apply, { input });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}

function grpcRoute(name: string): KubeObject {
  const { spec, metadata } = route({ name }) as KubeObject & { spec: object };
  return { apiVersion: GRPC.apiVersion, kind: GRPC.kind, metadata, spec } as KubeObject;
}

/** What CI writes of tests that all passed. */
function testResults(name: string): object {
  const metadata = { name, namespace: "default", labels: { "zenith.sh/gate": "true" } };
  const data = { "summary.json": JSON.stringify({ passed: 100, failed: 0 }) };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}

/** The stand-in gateway takes HTTPRoutes in; this says the same of every GRPCRoute. */
async function acceptGrpcRoutes(): Promise<void> {
  const routes = await lab.access.watch<KubeObject>(GRPC);
  const accept = (route: KubeObject): void => {
    const { generation = 0, namespace = "", name } = route.metadata;
    const { parents = [] } =
      (route as { status?: { parents?: { conditions: { observedGeneration: number }[] }[] } }).status ?? {};
    if (parents[0]?.conditions[0]?.observedGeneration === generation) return;
    const condition = (type: string) => ({
      type,
      status: "True",
      reason: type,
      message: "",
      lastTransitionTime: new Date().toISOString(),
      observedGeneration: generation,
    });
    const parent = {
      parentRef: { name: "public" },
      controllerName: "zenith.sh/stand-in-gateway",
      conditions: [condition("Accepted"), condition("ResolvedRefs")],
    };
    const ref = { apiVersion: GRPC.apiVersion, kind: GRPC.kind, namespace, name };
    void lab.access.resources
      .mergePatch(ref, { status: { parents: [parent] } }, { subresource: "status" })
      .catch(() => undefined);
  };
  routes.subscribe((type, route) => type !== "deleted" && accept(route));
  for (const route of routes.list()) accept(route);
}

async function removed(kind: string, name: string): Promise<void> {
  await kubectl("delete", kind, name, "--timeout=60s");
}

describe("whole lives of Rollouts", () => {
  test("a name that was promoted once is waited for, and that is told", async () => {
    await lab.make("own", { strategy: STRATEGY, revisionHistoryLimit: 1 }, false);
    await lab.until("the first revision", () => lab.status("own").phase === "Healthy");
    first = lab.status("own").stable?.revision ?? "";
    await lab.release("own", "2");
    await lab.until("the second", () => lab.isPromoted("own"));
    await kubectl("wait", "--for=delete", `replicaset/own-${first}`, "--timeout=30s");
    await lab.cluster.apply(stranger(`own-${first}`));
    await lab.release("own", "1");
    const told = () => kubectl("get", "events", "--field-selector=reason=NameTaken", "-o", "name");
    for (let i = 0; i < 100 && (await told()) === ""; i++) await sleep(200);
    expect(await told()).not.toBe("");
    minute = sleep(65_000);
  });

  test("a Deployment behind two routes, which Git applies, and which someone else keeps resetting", async () => {
    await acceptGrpcRoutes();
    const git = [deployment({ replicas: 2 }), service(), route(), grpcRoute("web")];
    await applyFromGit(git);
    await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    const steps = [{ weight: 20 }, { pause: {} }];
    const traffic = { service: "web", routes: [{ httpRoute: { name: "web" } }, { grpcRoute: { name: "web" } }] };
    const spec = {
      workloadRef: { kind: "Deployment", name: "web" },
      strategy: { canary: { ...CANARY, steps } },
      traffic,
      analysis: { disabled: true },
      gates: [{ tests: { configMap: { name: "ci" } } }],
      bake: "1s",
    };
    await lab.access.resources.create({
      apiVersion: "zenith.sh/v1alpha1",
      kind: "Rollout",
      metadata: { name: "web", namespace: "default" },
      spec,
    } as KubeObject);
    await lab.until("it is adopted", () => lab.status("web").phase === "Healthy");
    await kubectl("set", "image", "deployment/web", "web=shop/web:v2");
    await lab.until("the gate", () => lab.status("web").message?.includes('ConfigMap "ci"') === true);
    await lab.cluster.apply(testResults("ci"));
    await lab.until("the pause", () => lab.status("web").phase === "Paused");
    for (let i = 0; i < 15; i++) await applyFromGit(git.slice(1));
    await lab.until("the culprit is told", () => JSON.stringify(lab.status("web")).includes("gitops"), 20_000);
    await kubectl(
      "annotate",
      "rollout.zenith.sh/web",
      `zenith.sh/request=abort@${lab.status("web").canary?.revision}#1`,
    );
    await lab.until("it is back", () => lab.status("web").phase === "Reverted");
    await removed("rollout.zenith.sh", "web");
    await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  });

  test("a name that was never promoted is given up for another", async () => {
    await lab.make("taken", { strategy: STRATEGY }, false);
    await lab.until("its first revision", () => lab.status("taken").phase === "Healthy");
    const names = await kubectl(
      "get",
      "replicaset",
      "-l",
      "zenith.sh/rollout=taken",
      "-o",
      "jsonpath={.items[*].metadata.name}",
    );
    await removed("rollout.zenith.sh", "taken");
    await kubectl("wait", "--for=delete", `replicaset/${names}`, "--timeout=30s");
    await lab.cluster.apply(stranger(names));
    await lab.make("taken", { strategy: STRATEGY }, false);
    await lab.until(
      "another name",
      () => (lab.status("taken").collisionCount ?? 0) > 0 && lab.status("taken").phase === "Healthy",
    );
  });
});

describe("whole lives of flags", () => {
  test("one that is served, by a segment, and killed", async () => {
    const object = (kind: string, name: string, spec: object) => ({
      apiVersion: "zenith.sh/v1alpha1",
      kind,
      metadata: { name, namespace: "default", labels: { app: "shop" } },
      spec,
    });
    const when = [{ attribute: "plan", in: ["pro"] }];
    await lab.cluster.apply([
      object("FlagSegment", "paying", { when }),
      object("FeatureFlag", "new-checkout", {
        rules: [{ name: "paying", when: [{ segment: "paying" }], serve: "on" }],
        strategy: { allAtOnce: { variant: "on" } },
      }),
    ]);
    const phase = () => kubectl("get", "featureflag.zenith.sh", "new-checkout", "-o", "jsonpath={.status.phase}");
    for (let i = 0; i < 100 && (await phase()) === ""; i++) await sleep(200);
    await lab.cluster.apply(
      object("KillSwitch", "stop", { selector: { matchLabels: { app: "shop" } }, flags: "safe", reason: "a test" }),
    );
    for (let i = 0; i < 100 && (await phase()) !== "Killed"; i++) await sleep(200);
    expect(await phase()).toBe("Killed");
    const silent = `--for=jsonpath={.status.conditions[?(@.type=="Delivered")].reason}=ServerSilent`;
    await kubectl("wait", silent, "featureflag.zenith.sh/new-checkout", "--timeout=60s");
    await removed("killswitch.zenith.sh", "stop");
    await removed("featureflag.zenith.sh", "new-checkout");
    await removed("flagsegment.zenith.sh", "paying");
  });
});

describe("a while later", () => {
  test("what repeats is told again, and revisions are forgotten", async () => {
    await minute; // What repeats is told once a minute.
    await kubectl("annotate", "rollout.zenith.sh", "own", "looked-at=again");
    await lab.until("the series", () => eventsPatched() > 0, 60_000);
    await removed("replicaset", `own-${first}`);
    await kubectl("annotate", "rollout.zenith.sh", "own", "looked-at=at-last", "--overwrite"); // Its next try may be a minute away.
    await lab.until("the first again", () => lab.status("own").stable?.revision === first && lab.isPromoted("own"));
    for (const version of ["3", "4"]) {
      await lab.release("own", version);
      await lab.until(`version ${version}`, () => lab.status("own").stable?.images[0] === `web:${version}`);
      await lab.until("its rest", () => lab.status("own").phase === "Healthy");
    }
    await removed("rollout.zenith.sh", "own");
  }, 300_000);
});

/** A ReplicaSet of nobody's, without pods. */
function stranger(name: string): object {
  const labels = { app: "stranger" };
  const spec = {
    replicas: 0,
    selector: { matchLabels: labels },
    template: { ...(templateOf("stranger", "1") as object) },
  };
  return { apiVersion: "apps/v1", kind: "ReplicaSet", metadata: { name, namespace: "default" }, spec };
}

function requestsOf(workload: Workload): AuditEvent[] {
  return askedBy(`${NAMESPACE}:zenith-${workload}`, lab.cluster.auditEvents());
}

const eventsPatched = (): number =>
  requestsOf("operator").filter(({ verb, objectRef }) => verb === "patch" && objectRef?.resource === "events").length;

/** Each right that the account has, in the cluster and in its own namespace. */
async function granted(workload: Workload): Promise<string[]> {
  const by = ["-A", "-l", `app.kubernetes.io/component=${workload}`, "-o", "json"];
  const { items } = JSON.parse(await kubectl("get", "clusterrole,role", ...by)) as { items: RightsGiven[] };
  return rightsIn(items);
}

async function setRules(rules: RightsGiven["rules"]): Promise<void> {
  await kubectl("patch", "clusterrole", "zenith-operator", "--type=merge", "-p", JSON.stringify({ rules }));
}

/** The API server's authorizer learns of a changed role a moment later. */
async function mayAgain(verb: string, resource: string, subresource: string): Promise<void> {
  const account = `system:serviceaccount:${NAMESPACE}:zenith-operator`;
  const ask = ["auth", "can-i", verb, resource, `--subresource=${subresource}`, "--as", account];
  for (let i = 0; i < 100 && (await lab.cluster.kubectl(ask)).code !== 0; i++) await sleep(100);
}

/** Asked for by admission alone, for a ReplicaSet whose owner reference holds a foreground delete up. */
const BY_ADMISSION = "update zenith.sh/rollouts/finalizers";

describe("the rights of the operator", () => {
  test("lack nothing", () => {
    expect(refusalsIn(requestsOf("operator"))).toEqual([]);
  });

  test("include one that only admission asks for", async () => {
    const all = await granted("operator");
    const role = await kubectl("get", "clusterrole", "zenith-operator", "-o", "json");
    const { rules } = JSON.parse(role) as RightsGiven;
    expect(all).toContain(BY_ADMISSION);
    await setRules(rules.filter(({ resources }) => !resources.includes("rollouts/finalizers")));
    await lab.make("refused", {}, false);
    await lab.until("a refusal", () => refusalsIn(requestsOf("operator")).length > 0, 30_000);
    expect(new Set(refusalsIn(requestsOf("operator")))).toEqual(new Set(["create apps/replicasets"]));
    await setRules(rules);
    await mayAgain("update", "rollouts.zenith.sh", "finalizers");
    await lab.release("refused", "2"); // One that was refused is tried again only after a minute.
    await lab.until("its first revision", () => lab.status("refused").phase === "Healthy");
  });

  test("have nothing that is not used", async () => {
    await operator?.running.stop(); // A watch stands in the audit log once it has ended.
    const [all, used] = [await granted("operator"), rightsOf(requestsOf("operator"))];
    expect(all.length).toBeGreaterThan(30);
    expect([...used, BY_ADMISSION].sort()).toEqual(all);
  });
});

describe("the rights of the flag server", () => {
  test("lack nothing, and have nothing that is not used", async () => {
    await flagServer?.stop();
    expect(refusalsIn(requestsOf("flags"))).toEqual([]);
    const all = await granted("flags");
    expect(all.length).toBeGreaterThan(0);
    // Of the keys of ServiceAccounts' tokens every account may read: a right of Kubernetes' own.
    const used = rightsOf(requestsOf("flags")).filter((right) => right !== "get /");
    expect(used).toEqual(all);
  });
});
