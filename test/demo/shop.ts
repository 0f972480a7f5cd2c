/** The objects of a small shop, as a team would keep them in Git: a Deployment, its Service and its route. */

export interface ShopOptions {
  readonly name?: string;
  readonly namespace?: string;
  readonly replicas?: number;
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function shop(options: ShopOptions = {}): object[] {
  const { name = "web", namespace = "default" } = options;
  const metadata = { name, namespace };
  return [
    deployment(options),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
    },
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata,
      spec: {
        parentRefs: [{ name: "public" }],
        hostnames: [`${name}.example`],
        rules: [{ backendRefs: [{ name, port: 80 }] }],
      },
    },
  ];
}

export function deployment({
  name = "web",
  namespace = "default",
  replicas = 4,
  image,
  env,
}: ShopOptions = {}): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(image, env) },
    },
  };
}

export function podSpec(image = "shop/web:v1", env: Readonly<Record<string, string>> = {}): object {
  return {
    terminationGracePeriodSeconds: 10,
    containers: [
      {
        name: "web",
        image,
        command: ["node", "test/cluster/sample-app.mjs"],
        ports: [{ name: "http", containerPort: 8080 }],
        readinessProbe: { httpGet: { path: "/ready", port: "http" }, periodSeconds: 1 },
        env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
      },
    ],
  };
}

/** A Rollout that takes the shop's Deployment in, with times short enough to watch. */
export function rollout(spec: Record<string, unknown> = {}, name = "web", namespace = "default"): object {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name, namespace },
    spec: {
      workloadRef: { kind: "Deployment", name },
      strategy: {
        canary: {
          steps: [
            { weight: 10 },
            { analysis: { for: "5s" } },
            { weight: 25 },
            { analysis: { for: "5s" } },
            { weight: 50 },
            { pause: { for: "3s" } },
          ],
          settle: "1s",
          drain: "3s",
          scaleDownDelay: "5s",
        },
      },
      traffic: { service: name, routes: [{ httpRoute: { name } }] },
      analysis: { interval: "1s" },
      bake: "10s",
      ...spec,
    },
  };
}
