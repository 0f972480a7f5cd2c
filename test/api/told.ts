/**
 * Inputs that only the cluster can find wrong, by their number in the list of ninety: objects that are there first, a merge
 * patch of `GOOD`, and what status says within five seconds.
 */
export interface Told {
  readonly number: number;
  readonly what: string;
  /** YAML documents, applied before the Rollout. */
  readonly objects?: string;
  /** Commands of kubectl between both: what objects cannot say of themselves. */
  readonly before?: readonly (readonly string[])[];
  readonly patch?: string;
  readonly phase?: "Failed";
  readonly reason: string;
  readonly says: string;
}

export const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`;
export const all = (...documents: readonly string[]) => documents.join("\n---\n");
const service = (spec: string, name = "web") =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: ${spec}}`;
export const route = (rules: string, parents = "[{name: gateway}]", name = "web") =>
  `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: ${name}}, spec: {parentRefs: ${parents}, rules: ${rules}}}`;
const ROUTED = "spec: {traffic: {routes: [{httpRoute: {name: web}}]}}";
const RULES = "[{backendRefs: [{name: web, port: 80}]}]";
const deployment = (name: string, replicas = 1) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}
`;
/** By name it sorts before "web", so of two as old it is the older. */
const older = (spec: string) => `
apiVersion: zenith.sh/v1alpha1
kind: Rollout
metadata: {name: older}
spec: ${spec}
`;
const own = (labels: string) =>
  `selector: {matchLabels: {${labels}}}, template: {metadata: {labels: {${labels}}}, spec: {containers: [{name: web, image: "web:1"}]}}`;
const referencing = "spec: {selector: null, template: null, traffic: null, workloadRef: {kind: Deployment, name: web}}";
const container = (rest: string) => `spec: {template: {spec: {containers: [${rest}]}}}`;
const query = (promql: string) => `spec: {analysis: {metrics: [{query: {name: load, max: 1, promql: '${promql}'}}]}}`;
const accepted = (conditions: string) =>
  `{"status": {"parents": [{"parentRef": {"name": "gateway"}, "controllerName": "example.com/gateway", "conditions": [${conditions}]}]}}`;
const condition = (type: string, status: string, reason: string) =>
  `{"type": "${type}", "status": "${status}", "reason": "${reason}", "message": "as a test says", "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}`;
const routeStatus = (...conditions: readonly string[]) => [
  ["patch", "httproute", "web", "--subresource=status", "--type=merge", "-p", accepted(conditions.join(", "))],
];

export const TOLD: readonly Told[] = [
  {
    number: 16,
    what: "a Deployment with the same pods",
    objects: all(SERVICE, deployment("other")),
    reason: "SelectorOverlaps",
    says: `the selector of Deployment "other" matches the template's labels, so both would count the same pods; take it over with spec.workloadRef, scale it to 0, or use other labels`,
  },
  {
    number: 16,
    what: "an older Rollout with the same pods",
    objects: all(SERVICE, older(`{${own("app: web")}}`)),
    reason: "SelectorOverlaps",
    says: `the selector of Rollout "older" matches the template's labels, so both would count the same pods; use other labels`,
  },
  {
    number: 18,
    what: "no Service",
    reason: "ServiceMissing",
    says: `Service "web" does not exist; create it, or take spec.traffic out`,
  },
  {
    number: 18,
    what: "a Service that is a name elsewhere",
    objects: service("{type: ExternalName, externalName: example.com}"),
    reason: "ServiceUnusable",
    says: `Service "web" is of type ExternalName, which leads to no pods; use a ClusterIP Service`,
  },
  {
    number: 18,
    what: "a Service without a selector",
    objects: service("{ports: [{port: 80}]}"),
    reason: "ServiceUnusable",
    says: `Service "web" has no selector; give it one that matches the pods`,
  },
  {
    number: 18,
    what: "a Service for other pods",
    objects: service("{selector: {app: web, tier: front}, ports: [{port: 80}]}"),
    reason: "ServiceSelectsOthers",
    says: `Service "web" selects tier=front, which the template's labels do not say; make them agree`,
  },
  {
    number: 18,
    what: "a Service that leads to pods of others",
    objects: all(
      SERVICE,
      `{apiVersion: v1, kind: Pod, metadata: {name: lonely, labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}`,
    ),
    before: [
      ["wait", "pod/lonely", "--for=condition=Ready", "--timeout=30s"],
      [
        "wait",
        "endpointslice",
        "-l=kubernetes.io/service-name=web",
        "--for=jsonpath={.endpoints[0].conditions.ready}=true",
        "--timeout=30s",
      ],
    ],
    reason: "ServiceHasOtherPods",
    says: `Service "web" leads to pods of others (lonely), which would lose its traffic; take their Deployment over with spec.workloadRef, or use a Service of its own`,
  },
  {
    number: 19,
    what: "a port that no container names",
    objects: service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}"),
    patch: container("{name: web, image: 'web:1', ports: [{name: admin, containerPort: 9000}]}"),
    reason: "ServicePortMissing",
    says: `port 80 of Service "web" leads to a container port named "http", and there are admin; name one in the template, or use its number`,
  },
  {
    number: 19,
    what: "a port that the Service lacks",
    objects: all(SERVICE, route("[{backendRefs: [{name: web, port: 8080}]}]")),
    patch: ROUTED,
    reason: "RoutePortMissing",
    says: `HTTPRoute "web" sends to port 8080 of Service "web", which has 80; name one of these in its backendRef`,
  },
  {
    number: 20,
    what: "no route",
    objects: SERVICE,
    patch: ROUTED,
    reason: "RouteMissing",
    says: `HTTPRoute "web" does not exist; create it, or take it out of spec.traffic.routes`,
  },
  {
    number: 20,
    what: "a route of that name, and of another kind",
    objects: all(SERVICE, route(RULES).replace("kind: HTTPRoute", "kind: GRPCRoute")),
    patch: ROUTED,
    reason: "RouteMissing",
    says: `HTTPRoute "web" does not exist; create it, or take it out of spec.traffic.routes`,
  },
  {
    number: 20,
    what: "a route that its Gateway does not accept",
    objects: all(SERVICE, route(RULES)),
    before: routeStatus(condition("Accepted", "False", "NotAllowedByListeners")),
    patch: ROUTED,
    reason: "RouteNotAccepted",
    says: `parent "gateway" of HTTPRoute "NAMESPACE/web" says Accepted=False: NotAllowedByListeners, as a test says`,
  },
  {
    number: 20,
    what: "a route whose backends are not resolved",
    objects: all(SERVICE, route(RULES)),
    before: routeStatus(
      condition("Accepted", "True", "Accepted"),
      condition("ResolvedRefs", "False", "BackendNotFound"),
    ),
    patch: ROUTED,
    reason: "RouteNotAccepted",
    says: `parent "gateway" of HTTPRoute "NAMESPACE/web" says ResolvedRefs=False: BackendNotFound`,
  },
  {
    number: 21,
    what: "a route to others",
    objects: all(SERVICE, route("[{backendRefs: [{name: other, port: 80}]}]")),
    patch: ROUTED,
    reason: "RouteHasNoSuchBackend",
    says: `HTTPRoute "NAMESPACE/web" has no backendRef that names Service "web"`,
  },
  {
    number: 21,
    what: "a route to a Service of that name elsewhere",
    objects: all(SERVICE, route("[{backendRefs: [{name: web, namespace: other, port: 80}]}]")),
    patch: ROUTED,
    reason: "RouteHasNoSuchBackend",
    says: `HTTPRoute "NAMESPACE/web" has no backendRef that names Service "web"`,
  },
  {
    number: 21,
    what: "a rule that names the Service twice",
    objects: all(SERVICE, route("[{backendRefs: [{name: web, port: 80}, {name: web, port: 80, weight: 2}]}]")),
    patch: ROUTED,
    reason: "RouteRepeatsBackend",
    says: `rule 0 of HTTPRoute "NAMESPACE/web" names Service "web" twice`,
  },
  {
    number: 21,
    what: "a rule without room",
    objects: all(
      SERVICE,
      route(
        `[{backendRefs: [{name: web, port: 80}${Array.from({ length: 15 }, (_, i) => `, {name: s${i}, port: 80}`).join("")}]}]`,
      ),
    ),
    patch: ROUTED,
    reason: "RouteFull",
    says: `rule 0 of HTTPRoute "NAMESPACE/web" has 16 backendRefs, which leaves no room for the canary`,
  },
  {
    number: 22,
    what: "a canary that its author gives traffic at rest",
    objects: all(
      SERVICE,
      route("[{backendRefs: [{name: web, port: 80, weight: 90}, {name: web-canary, port: 80, weight: 10}]}]"),
    ),
    patch: ROUTED,
    reason: "RouteGivesCanaryTraffic",
    says: `rule 0 of HTTPRoute "NAMESPACE/web" gives Service "web-canary" weight 10 at rest; set it to 0`,
  },
  {
    number: 17,
    what: "a canary Service of someone else",
    objects: all(SERVICE, service("{selector: {app: other}, ports: [{port: 80}]}", "web-canary"), route(RULES)),
    patch: ROUTED,
    reason: "CanaryServiceTaken",
    says: `Service "web-canary" exists and is not this Rollout's; delete it, which lets Zenith make its own, or name one for these pods in spec.traffic.canaryService`,
  },
  {
    number: 17,
    what: "a canary Service for other pods, named",
    objects: all(SERVICE, service("{selector: {app: other}, ports: [{port: 80}]}", "mine"), route(RULES)),
    patch: "spec: {traffic: {canaryService: mine, routes: [{httpRoute: {name: web}}]}}",
    reason: "CanaryServiceTaken",
    says: `Service "mine" exists and is not this Rollout's; delete it, which lets Zenith make its own, or name another in spec.traffic.canaryService`,
  },
  {
    number: 21,
    what: "a Gateway's route and a mesh's for one Service",
    objects: all(SERVICE, route(RULES), route(RULES, `[{group: "", kind: Service, name: web, port: 80}]`, "mesh")),
    patch: "spec: {traffic: {routes: [{httpRoute: {name: web}}, {httpRoute: {name: mesh}}]}}",
    reason: "DoubleSplit",
    says: `the routes split traffic to Service "web" at a Gateway and again in the mesh; take one out of spec.traffic.routes, or set spec.traffic.allowDoubleSplit`,
  },
  {
    number: 23,
    what: "a Deployment that an older Rollout has",
    objects: all(deployment("web"), older("{workloadRef: {kind: Deployment, name: web}}")),
    patch: referencing,
    reason: "TargetClaimed",
    says: `Deployment "web" is managed by the older Rollout "older"; one of both has to go`,
  },
  {
    number: 23,
    what: "a Service that an older Rollout has",
    objects: all(SERVICE, older(`{${own("app: other")}, traffic: {service: web}}`)),
    reason: "TargetClaimed",
    says: `Service "web" is managed by the older Rollout "older"; one of both has to go`,
  },
  {
    number: 23,
    what: "a route that an older Rollout has",
    objects: all(
      SERVICE,
      route(RULES),
      older(`{${own("app: other")}, traffic: {service: other, routes: [{httpRoute: {name: web}}]}}`),
    ),
    patch: ROUTED,
    reason: "TargetClaimed",
    says: `HTTPRoute "web" is managed by the older Rollout "older"; one of both has to go`,
  },
  {
    number: 24,
    what: "a Deployment with an autoscaler",
    objects: all(
      deployment("web"),
      "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}",
    ),
    patch: referencing,
    reason: "AutoscalerTargetsDeployment",
    says: `HorizontalPodAutoscaler "web" scales Deployment "web"; let it scale this Rollout instead (apiVersion zenith.sh/v1alpha1, kind Rollout)`,
  },
  {
    number: 26,
    what: "no Deployment",
    patch: referencing,
    reason: "WorkloadMissing",
    says: `Deployment "web" does not exist; create it, or name another in spec.workloadRef`,
  },
  {
    number: 28,
    what: "a query that Prometheus cannot read",
    objects: SERVICE,
    patch: query('sum(rate(load{pod=~"{{canary.pods}}"}[1m])'),
    reason: "QueryRefused",
    says: 'query "load": Prometheus cannot read the query: 1:54: parse error: unclosed left parenthesis, near `z0-9]{5}"}[1m])`',
  },
  {
    number: 34,
    what: "a variable that there is not",
    objects: SERVICE,
    patch: query('load{pod=~"{{pods}}"}'),
    reason: "QueryVariable",
    says: `query "load": {{pods}} is unknown; there are namespace, rollout, service, window, weight, canary.hash`,
  },
  {
    number: 34,
    what: "a variable outside quotes",
    objects: SERVICE,
    patch: query("load_{{rollout}}"),
    reason: "QueryVariable",
    says: `query "load": {{rollout}} must stand inside quotes`,
  },
  {
    number: 34,
    what: "a variable that has no value here",
    objects: SERVICE,
    patch: query('load{service="{{canary.service}}"}'),
    reason: "QueryVariable",
    says: `query "load": {{canary.service}} has no value for this Rollout`,
  },
  {
    number: 35,
    what: "a source that counts both sides as one",
    objects: SERVICE,
    patch: "spec: {analysis: {source: traefik}}",
    reason: "SourceCannotSeparate",
    says: "analysis.source traefik cannot tell canary from stable: A proxy tells the sides apart by their Services, and without routes there is only one",
  },
  {
    number: 36,
    what: "a misspelt field of the pods",
    objects: SERVICE,
    patch: container("{name: web, image: 'web:1', comand: [serve]}"),
    reason: "TemplateRefused",
    says: `the API server refuses the template: unknown field "spec.template.spec.containers[0].comand"`,
  },
  {
    number: 40,
    what: "a container without an image",
    objects: SERVICE,
    patch: container("{name: web}"),
    reason: "TemplateRefused",
    says: "the API server refuses the template: spec.template.spec.containers[0].image: Required value",
  },
  {
    number: 40,
    what: "no container",
    objects: SERVICE,
    patch: "spec: {template: {spec: {containers: null, restartPolicy: Never}}}",
    reason: "TemplateRefused",
    says: "spec.template.spec.containers: Required value",
  },
  {
    number: 39,
    what: "a label of the pods that is none",
    objects: SERVICE,
    patch: `spec: {template: {metadata: {labels: {tier: "not ok!"}}}}`,
    reason: "TemplateRefused",
    says: `the API server refuses the template: spec.template.labels: Invalid value: "not ok!"`,
  },
  {
    number: 53,
    what: "a quota that has no room",
    objects: all(SERVICE, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: 0}}}"),
    // Pods are counted against the status, which a controller writes: one that comes before is let in.
    before: [["wait", "quota/none", "--for=jsonpath={.status.hard.pods}=0", "--timeout=30s"]],
    patch: "spec: {progressDeadline: 2s}",
    reason: "ProgressDeadlineExceeded",
    says: "exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0",
  },
  {
    number: 53,
    what: "a quota of ReplicaSets that the Deployment's own has used up",
    objects: all(
      "{apiVersion: v1, kind: ResourceQuota, metadata: {name: few}, spec: {hard: {count/replicasets.apps: 1}}}",
      deployment("web"),
    ),
    before: [["wait", "quota/few", "--for=jsonpath={.status.used.count/replicasets\\.apps}=1", "--timeout=30s"]],
    patch: referencing,
    reason: "TemplateRefused",
    says: "exceeded quota: few, requested: count/replicasets.apps=1, used: count/replicasets.apps=1, limited: count/replicasets.apps=1",
  },
  {
    number: 53,
    what: "pods that the namespace forbids",
    objects: SERVICE,
    before: [["label", "namespace", "NAMESPACE", "pod-security.kubernetes.io/enforce=restricted"]],
    patch: "spec: {progressDeadline: 2s}",
    reason: "ProgressDeadlineExceeded",
    says: `violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false`,
  },
  {
    number: 54,
    what: "pods that no node takes",
    objects: SERVICE,
    patch: "spec: {progressDeadline: 2s, template: {spec: {nodeSelector: {moon: dark}}}}",
    reason: "ProgressDeadlineExceeded",
    says: "Unschedulable 0/1 nodes are available",
  },
];
