import type { KubeObject, PodTemplate } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { subjectNamed } from "../../controllers/rollout/subject.ts";
import { evaluateGates } from "../../core/gates/evaluate.ts";
import { imagesOf } from "../../core/rollout/objects.ts";
import { problemOf } from "../../core/rollout/problems.ts";
import { conditionOf, observe } from "../../core/rollout/world.ts";
import { systemClock } from "../../kube/clock.ts";
import { isKind } from "../../kube/errors.ts";
import { defineResource } from "../../kube/resource.ts";
import { PrometheusClient } from "../../metrics/prometheus.ts";
import { renderQuery } from "../../metrics/template.ts";
import { routers } from "../../traffic/routers.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { findOperator } from "../cluster/operator.ts";
import type { Seen } from "../cluster/snapshot.ts";
import {
  type Check,
  configurationCheck,
  environmentCheck,
  type Finding,
  gateCheck,
  type Surroundings,
} from "./checks.ts";
import { type Reference, referencesOf } from "./references.ts";

const TYPES = {
  ConfigMap: defineResource("v1", "ConfigMap", "configmaps"),
  Secret: defineResource("v1", "Secret", "secrets"),
  PersistentVolumeClaim: defineResource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
  ServiceAccount: defineResource("v1", "ServiceAccount", "serviceaccounts"),
};

/** Reasons of a Rollout's condition by which the operator says that it cannot judge. */
const CANNOT_JUDGE = ["NoPrometheus", "MetricsUnavailable", "SourceCannotSeparate", "QueryVariable", "QueryRefused"];

/** The five checks, from the seat of the person who asks. */
export async function preflight(cluster: Cluster, seen: Seen, prometheusUrl: string | undefined): Promise<Check[]> {
  const world = observe(seen.snapshot, routers);
  const template = world.wanted?.template ?? { spec: {} };
  const answers = evaluateGates(
    world.settings.gates.filter(({ kind }) => kind === "tests" || kind === "coverage" || kind === "flags"),
    seen.snapshot.gates ?? { rollouts: new Map(), flags: [], kills: [], metrics: new Map() },
    {
      namespace: world.namespace,
      name: world.name,
      images: imagesOf(template),
      approved: false,
      nowMs: seen.snapshot.nowMs,
    },
  );
  const { status = {} } = seen.snapshot.rollout;
  const told = conditionOf(status, "Ready")?.reason === "GateClosed" ? (status.gates ?? []) : [];
  return [
    gateCheck("tests", answers, told),
    gateCheck("coverage", answers, told),
    gateCheck("flags", answers),
    await configuration(cluster, template),
    environmentCheck(await surroundings(cluster, seen, prometheusUrl)),
  ];
}

async function configuration(cluster: Cluster, template: PodTemplate): Promise<Check> {
  const references = referencesOf(template);
  const findings = new Map<string, Finding>();
  for (const reference of references) {
    const key = `${reference.kind}/${reference.name}`;
    if (!findings.has(key)) findings.set(key, await look(cluster, reference));
  }
  return configurationCheck(references, ({ kind, name }) => findings.get(`${kind}/${name}`) ?? { kind: "missing" });
}

interface WithData extends KubeObject {
  readonly data?: Readonly<Record<string, unknown>>;
  readonly binaryData?: Readonly<Record<string, unknown>>;
}

/** Of Secrets too the keys alone are kept. */
async function look(cluster: Cluster, { kind, name }: Reference): Promise<Finding> {
  const { namespace } = cluster;
  try {
    const { data, binaryData } = await cluster.resources.get<WithData>({ ...TYPES[kind], namespace, name });
    const hasKeys = kind === "ConfigMap" || kind === "Secret";
    return { kind: "there", ...(hasKeys ? { keys: Object.keys({ ...data, ...binaryData }) } : {}) };
  } catch (error) {
    if (isKind(error, "notFound")) return { kind: "missing" };
    if (isKind(error, "forbidden")) return { kind: "forbidden" };
    throw error;
  }
}

async function surroundings(cluster: Cluster, seen: Seen, prometheusUrl: string | undefined): Promise<Surroundings> {
  const { snapshot } = seen;
  const { rollout } = snapshot;
  const world = observe(snapshot, routers);
  const [presence, missing, metrics] = await Promise.all([
    findOperator(cluster),
    missingRights(cluster, rollout),
    prometheusUrl === undefined ? Promise.resolve(judging(rollout)) : askPrometheus(prometheusUrl, seen),
  ]);
  const { effect } = world.routes;
  const problem = problemOf(world);
  const problems = [
    ...(presence.kind === "running" ? [] : [`${presence.message}; start it, or look with more rights`]),
    ...(problem === undefined ? [] : [problem.message]),
    ...(effect.kind === "effective" ? [] : [effect.message]),
    ...seen.unread.map((plural) => `you may not read ${plural}, so that not everything was seen`),
    ...missing.map((right) => `you may not ${right}; ask for the right`),
    ...metrics.problems,
  ];
  const routes = snapshot.routes.length === 0 ? [] : [`${snapshot.routes.length} of its routes accepted`];
  const operator = presence.kind === "running" ? [`operator ${presence.holder} in ${presence.namespace}`] : [];
  return { problems, seen: ["definitions installed", ...operator, ...routes, "your rights suffice", ...metrics.seen] };
}

/** What a person needs for steering a release, and does not have. */
async function missingRights(cluster: Cluster, rollout: Rollout): Promise<string[]> {
  const wanted = [
    { verb: "patch", group: "zenith.sh", resource: "rollouts", name: rollout.metadata.name },
    ...(rollout.spec.workloadRef === undefined
      ? []
      : [{ verb: "patch", group: "apps", resource: "deployments", name: rollout.spec.workloadRef.name }]),
  ];
  const answers = await Promise.all(
    wanted.map(async (attributes) => {
      const body = {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: { ...attributes, namespace: cluster.namespace } },
      };
      const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
      const { status } = await cluster.client.request<{ status: { allowed: boolean } }>({ method: "POST", path, body });
      return status.allowed;
    }),
  );
  return wanted
    .filter((_, i) => answers[i] !== true)
    .map(({ verb, resource, name }) => `${verb} ${resource} "${name}"`);
}

/** Whether the operator can judge, as it last said itself. */
function judging({ status, spec }: Rollout): Surroundings {
  if (spec.analysis?.disabled === true) return { problems: [], seen: ["analysis is off"] };
  const reason = conditionOf(status ?? {}, "Ready")?.reason ?? "";
  if (CANNOT_JUDGE.includes(reason)) return { problems: [status?.message ?? reason], seen: [] };
  return { problems: [], seen: ["the operator says nothing against its metrics"] };
}

/** The very queries of the spec, asked from here. */
async function askPrometheus(url: string, { snapshot }: Seen): Promise<Surroundings> {
  const { settings } = observe(snapshot, routers);
  const sides = { canary: snapshot.rollout.status?.stable?.revision ?? "", weightBp: 0 };
  const subject = subjectNamed(snapshot.rollout, settings, sides, []);
  const client = new PrometheusClient({ url, nowMs: () => systemClock.monotonicMs() });
  const queries = [
    { name: "up", promql: "vector(1)" },
    ...(settings.analysis?.metrics ?? []).flatMap((spec) => (spec.kind === "query" ? [spec] : [])),
    ...settings.gates.flatMap((gate) => (gate.kind === "metric" ? [gate] : [])),
  ];
  try {
    const problems: string[] = [];
    for (const { name, promql } of queries) {
      const rendered = renderQuery(promql, subject, "canary", 60_000);
      if (rendered.kind === "refused") problems.push(`query "${name}": ${rendered.message}`);
      else {
        const answer = await client.query(rendered.promql, snapshot.nowMs);
        if (answer.kind === "refused" || answer.kind === "unavailable")
          problems.push(`${name === "up" ? "" : `query "${name}": `}${answer.message}`);
      }
    }
    return { problems, seen: problems.length === 0 ? [`Prometheus answers ${queries.length - 1} queries`] : [] };
  } finally {
    await client.close();
  }
}
