/**
 * Inputs that admission refuses, by their number in the list of ninety: a merge patch of `GOOD` as YAML, the path that the
 * refusal names, and the sentence in which it says what is accepted and what was found.
 */
export interface Refused {
  readonly number: number;
  readonly what: string;
  readonly patch: string;
  readonly path: string;
  readonly says: string | RegExp;
}

/** A Rollout that is accepted. */
export const GOOD = `
apiVersion: zenith.sh/v1alpha1
kind: Rollout
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
  strategy: {canary: {steps: [{weight: 5}, {pause: {for: 10m}}, {weight: 50}]}}
  traffic: {service: web}
`;

const steps = (...list: readonly string[]) => `spec: {strategy: {canary: {steps: [${list.join(", ")}]}}}`;
const metrics = (...list: readonly string[]) => `spec: {analysis: {metrics: [${list.join(", ")}]}}`;
const query = (rest: string) => metrics(`{query: {name: load, ${rest}}}`);
const referenced = (rest: string) => `spec: {selector: null, template: null, workloadRef: ${rest}}`;
const STEPS = "spec.strategy.canary.steps";
const METRICS = "spec.analysis.metrics";

export const REFUSED: readonly Refused[] = [
  {
    number: 1,
    what: "no step",
    patch: steps(),
    path: STEPS,
    says: "must have at least one step; leave steps out for a preset",
  },
  {
    number: 2,
    what: "51 steps",
    patch: steps(...Array(51).fill("{weight: 5}")),
    path: STEPS,
    says: "must have at most 50 items",
  },
  {
    number: 3,
    what: "weight −1",
    patch: steps("{weight: -1}"),
    path: `${STEPS}[0].weight`,
    says: `must be a percentage from 0 to 100, as a number or as text such as "0.5%" (got -1)`,
  },
  {
    number: 3,
    what: "weight 101",
    patch: steps("{weight: 101}"),
    path: `${STEPS}[0].weight`,
    says: 'from 0 to 100, as a number or as text such as "0.5%" (got 101)',
  },
  {
    number: 3,
    what: "weight 33.3",
    patch: steps("{weight: 33.3}"),
    path: `${STEPS}[0].weight`,
    says: /must be of type integer,string/,
  },
  {
    number: 3,
    what: 'weight "120%"',
    patch: steps('{weight: "120%"}'),
    path: `${STEPS}[0].weight`,
    says: "(got 120%)",
  },
  { number: 3, what: 'weight "5"', patch: steps('{weight: "5"}'), path: `${STEPS}[0].weight`, says: "(got 5)" },
  {
    number: 3,
    what: 'weight "0.123%"',
    patch: steps('{weight: "0.123%"}'),
    path: `${STEPS}[0].weight`,
    says: "(got 0.123%)",
  },
  {
    number: 3,
    what: "weight null",
    patch: steps("{weight: null}"),
    path: `${STEPS}[0]`,
    says: "a step must have exactly one of weight, pause, analysis",
  },
  {
    number: 5,
    what: "a step with two members",
    patch: steps("{weight: 5, pause: {}}"),
    path: `${STEPS}[0]`,
    says: "a step must have exactly one of weight, pause, analysis (got more than one)",
  },
  {
    number: 5,
    what: "a step with none",
    patch: steps("{weight: 5}", "{}"),
    path: `${STEPS}[1]`,
    says: "a step must have exactly one of weight, pause, analysis (got none)",
  },
  ...["0s", "-5s", "5", "1e9h", "5 minutes", "1h30m", "", "99999999d", "366d", "8761h"].map((text) => ({
    number: 8,
    what: `a pause of ${JSON.stringify(text)}`,
    patch: steps(`{pause: {for: ${JSON.stringify(text)}}}`),
    path: `${STEPS}[0].pause.for`,
    says: `(got "${text}")`,
  })),
  {
    number: 8,
    what: "a pause as a number",
    patch: steps("{pause: {for: 300}}"),
    path: `${STEPS}[0].pause.for`,
    says: /must be of type string: "integer"/,
  },
  {
    number: 11,
    what: "replicas −1",
    patch: "spec: {replicas: -1}",
    path: "spec.replicas",
    says: "-1: must be from 0 to 100000",
  },
  {
    number: 11,
    what: "replicas 2^31",
    patch: "spec: {replicas: 2147483648}",
    path: "spec.replicas",
    says: "2147483648: must be from 0 to 100000",
  },
  {
    number: 13,
    what: "neither surge nor unavailable",
    patch: "spec: {strategy: {canary: {maxSurge: 0, maxUnavailable: 0%}}}",
    path: "spec.strategy.canary",
    says: "maxSurge and maxUnavailable must not both be 0: no pod could ever be replaced",
  },
  {
    number: 13,
    what: "maxSurge −1",
    patch: "spec: {strategy: {canary: {maxSurge: -1}}}",
    path: "spec.strategy.canary.maxSurge",
    says: `must be a number of pods or a percentage such as "25%" (got -1)`,
  },
  {
    number: 14,
    what: "a selector that the template lacks",
    patch: "spec: {selector: {matchLabels: {app: other}}}",
    path: "spec",
    says: "selector must match the labels of template",
  },
  {
    number: 14,
    what: "a selector without labels",
    patch: "spec: {selector: {matchLabels: null}}",
    path: "spec.selector",
    says: "must have matchLabels",
  },
  {
    number: 17,
    what: "one Service for both sides",
    patch: "spec: {traffic: {canaryService: web}}",
    path: "spec.traffic",
    says: `canaryService must differ from service (both are "web")`,
  },
  {
    number: 25,
    what: "another kind",
    patch: referenced("{kind: StatefulSet, name: web}"),
    path: "spec.workloadRef.kind",
    says: `must be Deployment (got "StatefulSet")`,
  },
  {
    number: 25,
    what: "another group",
    patch: referenced("{apiVersion: extensions/v1beta1, kind: Deployment, name: web}"),
    path: "spec.workloadRef.apiVersion",
    says: `must be apps/v1, or left out (got "extensions/v1beta1")`,
  },
  {
    number: 25,
    what: "a name that is none",
    patch: referenced("{kind: Deployment, name: ../web}"),
    path: "spec.workloadRef.name",
    says: `must be the name of an object in the same namespace: lower case letters, digits, - and . (got "../web")`,
  },
  {
    number: 25,
    what: "both workloadRef and template",
    patch: "spec: {workloadRef: {kind: Deployment, name: web}}",
    path: "spec",
    says: "must have exactly one of workloadRef, template (got more than one)",
  },
  {
    number: 25,
    what: "neither workloadRef nor template",
    patch: "spec: {selector: null, template: null}",
    path: "spec",
    says: "must have exactly one of workloadRef, template (got none)",
  },
  {
    number: 27,
    what: "an empty query",
    patch: query('promql: " ", max: 1'),
    path: `${METRICS}[0].query.promql`,
    says: "must not be empty",
  },
  {
    number: 27,
    what: "a query of 5 KiB",
    patch: query(`promql: "${"x".repeat(5000)}", max: 1`),
    path: `${METRICS}[0].query.promql`,
    says: /may not be more than 4096 (bytes|characters)/,
  },
  {
    number: 30,
    what: "min above max",
    patch: query("promql: up, min: 2, max: 1"),
    path: `${METRICS}[0].query`,
    says: "min must be below max",
  },
  {
    number: 30,
    what: "neither min nor max",
    patch: query("promql: up"),
    path: `${METRICS}[0].query`,
    says: "a query needs max, min or both: without a limit nothing could fail",
  },
  {
    number: 31,
    what: "limits that leave no value to pass",
    patch: query("promql: up, min: 1, max: 1"),
    path: `${METRICS}[0].query`,
    says: "min must be below max",
  },
  {
    number: 31,
    what: "limits of a gate that leave no value to open it",
    patch: "spec: {gates: [{metric: {name: load, promql: up, min: 2, max: 1}}]}",
    path: "spec.gates[0].metric",
    says: "min must not be above max: no value could open it",
  },
  { number: 30, what: "max NaN", patch: query("promql: up, max: .nan"), path: "", says: /NaN|unsupported/ },
  {
    number: 30,
    what: "max as text",
    patch: query('promql: up, max: "1"'),
    path: `${METRICS}[0].query.max`,
    says: /must be of type number: "string"/,
  },
  {
    number: 30,
    what: "an error rate of 101 %",
    patch: metrics("{errorRate: {max: 101%}}"),
    path: `${METRICS}[0].errorRate.max`,
    says: `must be a percentage such as "0.5%", at most 100% (got "101%")`,
  },
  {
    number: 30,
    what: "an error rate without its sign",
    patch: metrics('{errorRate: {max: "1"}}'),
    path: `${METRICS}[0].errorRate.max`,
    says: `(got "1")`,
  },
  {
    number: 30,
    what: "a latency without its unit",
    patch: metrics('{latency: {max: "500"}}'),
    path: `${METRICS}[0].latency.max`,
    says: `must be a time such as "500ms" or "2s" (got "500")`,
  },
  {
    number: 30,
    what: "a quantile of 0.95",
    patch: metrics("{latency: {quantile: 0.95, max: 500ms}}"),
    path: `${METRICS}[0].latency.quantile`,
    says: "0.95: must be from 50 to below 100, such as 95 for P95",
  },
  {
    number: 32,
    what: "interval 0",
    patch: "spec: {analysis: {interval: 0s}}",
    path: "spec.analysis.interval",
    says: `must be longer than zero (got "0s")`,
  },
  {
    number: 33,
    what: "consecutive 0",
    patch: query("promql: up, max: 1, consecutive: 0"),
    path: `${METRICS}[0].query.consecutive`,
    says: "0: must be from 1 to 1000",
  },
  {
    number: 33,
    what: "consecutive −1",
    patch: query("promql: up, max: 1, consecutive: -1"),
    path: `${METRICS}[0].query.consecutive`,
    says: "-1: must be from 1 to 1000",
  },
  {
    number: 35,
    what: "an address of metrics",
    patch: 'spec: {analysis: {address: "http://169.254.169.254/"}}',
    path: "spec.analysis.address",
    says: "unknown field",
  },
  {
    number: 36,
    what: "setweight",
    patch: steps("{setweight: 5}"),
    path: `${STEPS}[0].setweight`,
    says: "unknown field",
  },
  {
    number: 36,
    what: "a misspelt label",
    patch: "spec: {analysis: {label: {pod: p}}}",
    path: "spec.analysis.label",
    says: "unknown field",
  },
  {
    number: 37,
    what: "two metrics of a name",
    patch: metrics("{errorRate: {max: 1%}}", "{errorRate: {max: 2%}}"),
    path: METRICS,
    says: "names of metrics must differ: error-rate, latency and the names of queries",
  },
  {
    number: 37,
    what: "a query called as a built-in metric",
    patch: metrics("{errorRate: {max: 1%}}", "{query: {name: error-rate, promql: up, max: 1}}"),
    path: METRICS,
    says: "names of metrics must differ",
  },
  {
    number: 48,
    what: "a deadline within minReadySeconds",
    patch: "spec: {progressDeadline: 30s, minReadySeconds: 30}",
    path: "spec",
    says: "progressDeadline (10m unless said) must be longer than minReadySeconds",
  },
  {
    number: 48,
    what: "minReadySeconds above the default deadline",
    patch: "spec: {minReadySeconds: 700}",
    path: "spec",
    says: "progressDeadline (10m unless said) must be longer than minReadySeconds",
  },
  ...["onNoData: {then: abort}", "onUnsure: {then: abort}", "source: statsd"].map((text) => ({
    number: 30,
    what: `a choice that there is not, ${text}`,
    patch: `spec: {analysis: {${text}}}`,
    path: `spec.analysis.${text.split(":")[0]}`,
    says: /must be one of \w+(, \w+)+ \(got "(abort|statsd)"\)/,
  })),
  {
    number: 34,
    what: "a label that would end its quotes",
    patch: `spec: {analysis: {labels: {pod: 'pod="x"} or up{a'}}}`,
    path: "spec.analysis.labels.pod",
    says: "must be the name of a label: letters, digits and _",
  },
  {
    number: 21,
    what: "one route twice",
    patch: "spec: {traffic: {routes: [{httpRoute: {name: a}}, {httpRoute: {name: a}}]}}",
    path: "spec.traffic.routes",
    says: "routes must differ; take the second one out",
  },
  {
    number: 21,
    what: "a route without a kind",
    patch: "spec: {traffic: {routes: [{}]}}",
    path: "spec.traffic.routes[0]",
    says: "a route must have exactly one of httpRoute, grpcRoute (got none)",
  },
  {
    number: 20,
    what: "a route of another namespace",
    patch: "spec: {traffic: {routes: [{httpRoute: {name: a, namespace: other}}]}}",
    path: "spec.traffic.routes[0].httpRoute.namespace",
    says: "unknown field",
  },
  {
    number: 20,
    what: "a route of a kind that we do not know",
    patch: "spec: {traffic: {routes: [{tcpRoute: {name: a}}]}}",
    path: "spec.traffic.routes[0].tcpRoute",
    says: "unknown field",
  },
  {
    number: 17,
    what: "a Service name that leaves no room",
    patch: `spec: {traffic: {service: ${"s".repeat(60)}, routes: [{httpRoute: {name: a}}]}}`,
    path: "spec.traffic",
    says: "service is too long for <service>-canary (63 characters); name a canaryService",
  },
  {
    number: 86,
    what: "17 routes",
    patch: `spec: {traffic: {routes: [${Array.from({ length: 17 }, (_, i) => `{httpRoute: {name: r${i}}}`).join(", ")}]}}`,
    path: "spec.traffic.routes",
    says: "must have at most 16 items",
  },
  {
    number: 5,
    what: "a header route",
    patch: steps("{setHeaderRoute: {name: a}}"),
    path: `${STEPS}[0]`,
    says: "header routes and mirroring come in a later version; take the step out",
  },
  {
    number: 5,
    what: "a mirror",
    patch: steps("{setMirrorRoute: {name: a}}"),
    path: `${STEPS}[0]`,
    says: "header routes and mirroring come in a later version; take the step out",
  },
  {
    number: 5,
    what: "steps beside a preset",
    patch: "spec: {strategy: {canary: {preset: safe}}}",
    path: "spec.strategy.canary",
    says: "steps and preset exclude each other; remove one",
  },
  {
    number: 5,
    what: "a preset that there is not",
    patch: "spec: {strategy: {canary: {steps: null, preset: slow}}}",
    path: "spec.strategy.canary.preset",
    says: `must be one of safe, fast, instant (got "slow")`,
  },
  {
    number: 5,
    what: "a length for what takes none",
    patch: "spec: {strategy: {canary: {steps: null, preset: instant, over: 1h}}}",
    path: "spec.strategy.canary",
    says: "over belongs to preset safe or fast; name one, or remove over",
  },
  {
    number: 5,
    what: "blue-green",
    patch: "spec: {strategy: {canary: null, blueGreen: {}}}",
    path: "spec.strategy",
    says: "blueGreen comes in a later version; use canary with preset instant",
  },
  {
    number: 36,
    what: "a gate with two members",
    patch: "spec: {gates: [{approval: {}, flags: {selector: {}}}]}",
    path: "spec.gates[0]",
    says: "a gate must have exactly one of tests, coverage, metric, rollout, flags, window, approval (got more than one)",
  },
  {
    number: 36,
    what: "a gate with none",
    patch: "spec: {gates: [{}]}",
    path: "spec.gates[0]",
    says: "a gate must have exactly one of tests, coverage, metric, rollout, flags, window, approval (got none)",
  },
  {
    number: 36,
    what: "a gate of tests whose rate is no percentage",
    patch: 'spec: {gates: [{tests: {configMap: {name: ci}, passRate: "0.95"}}]}',
    path: "spec.gates[0].tests.passRate",
    says: 'must be a percentage such as "0.5%", at most 100% (got "0.95")',
  },
  {
    number: 36,
    what: "a gate of a metric without a limit",
    patch: "spec: {gates: [{metric: {name: load, promql: up}}]}",
    path: "spec.gates[0].metric",
    says: "a metric needs max, min or both",
  },
  {
    number: 36,
    what: "a gate of a window that is none",
    patch: "spec: {gates: [{window: {}}]}",
    path: "spec.gates[0].window",
    says: "needs windows, freezes or both",
  },
  {
    number: 25,
    what: "handing back what was never taken",
    patch: "spec: {onDelete: handBack}",
    path: "spec",
    says: "onDelete handBack needs a workloadRef to hand back to",
  },
  {
    number: 30,
    what: "an objective without its unit",
    patch: 'spec: {objectives: {p95: "200"}}',
    path: "spec.objectives.p95",
    says: `must be a time such as "500ms" or "2s" (got "200")`,
  },
  {
    number: 51,
    what: "annotations of 300 KiB",
    patch: `metadata: {annotations: {note: "${"x".repeat(300_000)}"}}`,
    path: "metadata.annotations",
    says: "Too long",
  },
];
