import type { KubeObject } from "../../src/api/kubernetes.ts";

/** The objects of a small shop, as a team would keep them in Git: a Deployment, its Service and its route. */

export interface ShopOptions {
  readonly name?: string;
  readonly namespace?: string;
  readonly replicas?: number;
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly gateway?: { readonly name: string; readonly namespace?: string };
}

export function shop(options: ShopOptions = {}): KubeObject[] {
  return [deployment(options), service(options), route(options)];
}

export function service({ name = "web", namespace = "default" }: ShopOptions = {}): KubeObject {
  const spec = { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: "http" }] };
  return object("v1", "Service", { name, namespace }, spec);
}

/** A route to the stand-in gateway unless said otherwise, for the host `NAME.example`. */
export function route({
  name = "web",
  namespace = "default",
  gateway = { name: "public" },
}: ShopOptions = {}): KubeObject {
  const rules = [{ backendRefs: [{ name, port: 80 }] }];
  const spec = { parentRefs: [gateway], hostnames: [`${name}.example`], rules };
  return object("gateway.networking.k8s.io/v1", "HTTPRoute", { name, namespace }, spec);
}

function object(apiVersion: string, kind: string, metadata: KubeObject["metadata"], spec: object): KubeObject {
  return { apiVersion, kind, metadata, spec } as KubeObject;
}

export function deployment({
  name = "web",
  namespace = "default",
  replicas = 4,
  image,
  env,
}: ShopOptions = {}): KubeObject {
  const labels = { app: name };
  const spec = {
    replicas,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: podSpec(image, env) },
  };
  return object("apps/v1", "Deployment", { name, namespace }, spec);
}

export function podSpec(image = "shop/web:v1", env: Readonly<Record<string, string>> = {}): object {
  return {
    terminationGracePeriodSeconds: 10,
    // As a namespace asks for that enforces the standard "restricted".
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: "web",
        image,
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
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
