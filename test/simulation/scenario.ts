import type { Deployment, HorizontalPodAutoscaler, PodTemplate, Route, Service } from "../../src/api/kubernetes.ts";
import type { Rollout, RolloutMetric, RolloutSpec, RolloutStep } from "../../src/api/rollout.ts";
import type { Health } from "./cluster/pods.ts";
import type { Rng } from "./rng.ts";

/** How traffic is divided: by routes, by the sizes of what a Service selects, or by sizes alone. */
export type Division = "routes" | "service" | "sizes";

/** The world of one seed before anything happens: what "Git" holds, and how each version behaves. */
export interface Scenario {
  readonly division: Division;
  readonly adopts: boolean;
  readonly rollout: Rollout;
  readonly deployment?: Deployment;
  readonly service?: Service;
  readonly routes: readonly Route[];
  readonly autoscaler?: HorizontalPodAutoscaler;
  /** By image; versions are numbered from 1, which is good. */
  readonly health: Readonly<Record<string, Health>>;
  readonly perSecond: number; // requests
}

const GOOD: Health = { comesUp: "soon", errorRate: 0.001 };
export const VERSIONS = 5;

/** @param leaves the Rollout will be deleted: what takes longest to put back is likelier */
export function scenarioOf(rng: Rng, leaves: boolean): Scenario {
  const division = rng.pick<Division>(["routes", "routes", "routes", "routes", "service", leaves ? "routes" : "sizes"]);
  const adopts = rng.chance(leaves ? 0.8 : 0.35);
  const autoscaled = rng.chance(0.2);
  const replicas = rng.int(1, 6);
  const routes = division === "routes" ? routesOf(rng) : [];
  return {
    division,
    adopts,
    rollout: rolloutOf(rng, { division, adopts, autoscaled, replicas, routes }),
    ...(adopts ? { deployment: deploymentOf(replicas) } : {}),
    ...(division === "sizes" ? {} : { service: SERVICE }),
    routes,
    ...(autoscaled ? { autoscaler: autoscalerOf() } : {}),
    health: healthOf(rng),
    perSecond: rng.pick([20, 60, 200]),
  };
}

function healthOf(rng: Rng): Record<string, Health> {
  const one = (): Health =>
    rng.pick<Health>([
      GOOD,
      GOOD,
      GOOD,
      { comesUp: "slowly", errorRate: 0.001 },
      { comesUp: "soon", errorRate: 0.25 },
      { comesUp: "soon", errorRate: 0.25 },
      { comesUp: "never", errorRate: 0 },
      { comesUp: "half", errorRate: 0.001 },
    ]);
  return Object.fromEntries(
    Array.from({ length: VERSIONS }, (_, i) => [image(i + 1), i === 0 ? GOOD : one()] as const),
  );
}

export function image(version: number): string {
  return `web:${version}`;
}

export function templateOf(version: number): PodTemplate {
  return { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: image(version) }] } };
}

interface Shape {
  readonly division: Division;
  readonly adopts: boolean;
  readonly autoscaled: boolean;
  readonly replicas: number;
  readonly routes: readonly Route[];
}

function rolloutOf(rng: Rng, { division, adopts, autoscaled, replicas, routes }: Shape): Rollout {
  const spec: RolloutSpec = {
    ...(autoscaled && rng.chance(0.7) ? {} : { replicas }),
    ...(adopts
      ? { workloadRef: { kind: "Deployment" as const, name: "web" } }
      : { selector: { matchLabels: { app: "web" } }, template: templateOf(1) as NonNullable<RolloutSpec["template"]> }),
    strategy: { canary: { steps: stepsOf(rng), ...(rng.chance(0.3) ? { maxSurge: 1, maxUnavailable: 0 } : {}) } },
    ...(division === "sizes" ? {} : { traffic: trafficOf(routes) }),
    analysis: analysisOf(rng),
    bake: rng.pick(["0s", "40s", "2m"]),
    progressDeadline: "2m",
    ...(rng.chance(0.2)
      ? { onDelete: rng.pick(adopts ? (["keep", "delete", "handBack"] as const) : (["keep", "delete"] as const)) }
      : {}),
  };
  return { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", metadata: { name: "web", namespace: "shop" }, spec };
}

export function stepsOf(rng: Rng): RolloutStep[] {
  return rng.pick<RolloutStep[]>([
    [{ weight: 20 }, { pause: { for: "30s" } }, { weight: 50 }, { analysis: { for: "40s" } }],
    [{ weight: 10 }, { analysis: { for: "20s" } }, { weight: 40 }, { pause: {} }],
    [{ weight: 5 }, { pause: { for: "1m" } }, { weight: 25 }, { weight: 75 }],
    [
      { pause: { for: "10s" } },
      { weight: 50 },
      { pause: { for: "20s" } },
      { weight: 30 },
      { analysis: { for: "20s" } },
    ],
    [{ weight: 100 }],
    [{ weight: 33 }, { analysis: { for: "1m" } }],
  ]);
}

function analysisOf(rng: Rng): NonNullable<RolloutSpec["analysis"]> {
  if (rng.chance(0.1)) return { disabled: true };
  const errorRate: RolloutMetric = { errorRate: { max: "1%" } };
  const query: RolloutMetric = { query: { name: "failures", promql: "x", max: 0.05, consecutive: 2 } };
  return {
    metrics: rng.pick([[errorRate], [errorRate, query], [query]]),
    ...(rng.chance(0.3) ? { onNoData: { after: "1m", then: rng.pick(["hold", "revert"] as const) } } : {}),
    onUnsure: { after: "3m", then: rng.pick(["pause", "promote", "revert"] as const) },
  };
}

function trafficOf(routes: readonly Route[]): NonNullable<RolloutSpec["traffic"]> {
  return {
    service: "web",
    ...(routes.length === 0
      ? {}
      : {
          routes: routes.map(({ kind, metadata: { name } }) =>
            kind === "HTTPRoute" ? { httpRoute: { name } } : { grpcRoute: { name } },
          ),
        }),
  };
}

/** One route or two; with siblings and weights of their author's own. */
function routesOf(rng: Rng): Route[] {
  const kinds = rng.chance(0.3) ? ["HTTPRoute", "GRPCRoute"] : ["HTTPRoute"];
  return kinds.map((kind): Route => {
    const backendRefs = rng.pick([
      [{ name: "web", port: 80 }],
      [
        { name: "web", port: 80, weight: 3 },
        { name: "other", port: 80, weight: 1 },
      ],
      [
        { name: "other", port: 80 },
        { name: "web", port: 80 },
      ],
    ]);
    const foreign = { backendRefs: [{ name: "elsewhere", port: 80, weight: 7 }] };
    return {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind,
      metadata: { name: "web", namespace: "shop" },
      spec: {
        parentRefs: [{ name: "gateway" }],
        rules: rng.chance(0.3) ? [foreign, { backendRefs }] : [{ backendRefs }],
      },
    };
  });
}

const SERVICE: Service = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "shop" },
  spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
};

function deploymentOf(replicas: number): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "shop" },
    spec: { replicas, selector: { matchLabels: { app: "web" } }, template: templateOf(1) },
  };
}

function autoscalerOf(): HorizontalPodAutoscaler {
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "web", namespace: "shop" },
    spec: {
      scaleTargetRef: { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", name: "web" },
      minReplicas: 1,
      maxReplicas: 8,
    },
  };
}
