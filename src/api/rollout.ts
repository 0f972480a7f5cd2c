import { z } from "zod";
import { type CelRule, cel, unlessSaid } from "./crd.ts";
import type { KubeObject } from "./kubernetes.ts";
import type { RolloutStatus } from "./rollout-status.ts";

export type { RolloutStatus };

/**
 * What a user may say in a Rollout. The only source, with rollout-status.ts: the CRD, the reference and the
 * types come from here. Ranges and choices that deserve a hint are CEL rules, as a failing `enum` or `maximum` hides every
 * other message.
 */

const DURATION = "^[0-9]{1,9}(s|m|h|d)$";
const durationRules = (zero: boolean) => {
  const unit = (u: string, most: number) =>
    `(!self.endsWith('${u}') || int(self.substring(0, self.size() - 1)) <= ${most})`;
  return [
    {
      rule: `self.matches('${DURATION}')`,
      message: `'must be one integer and s, m, h or d, such as "10m" (got "' + self + '")'`,
    },
    {
      rule: `!self.matches('${DURATION}') || (${unit("d", 365)} && ${unit("h", 8760)} && ${unit("m", 525600)} && ${unit("s", 31536000)})`,
      message: `'must be at most 365d (got "' + self + '")'`,
    },
    ...(zero
      ? []
      : [{ rule: `!self.matches('^0+(s|m|h|d)$')`, message: `'must be longer than zero (got "' + self + '")'` }]),
  ];
};
/** CEL for the seconds of a duration; of one that its own rules refuse, any number. */
const secondsOf = (path: string) =>
  `(!${path}.matches('${DURATION}') ? 31536000 : int(${path}.substring(0, ${path}.size() - 1)) * (${path}.endsWith('s') ? 1 : ${path}.endsWith('m') ? 60 : ${path}.endsWith('h') ? 3600 : 86400))`;
const duration = (description: string) =>
  z
    .string()
    .max(16)
    .meta({ description, ...cel(...durationRules(false)) });
const durationOrZero = (description: string) =>
  z
    .string()
    .max(16)
    .meta({ description, ...cel(...durationRules(true)) });

const PERCENT = "^(100(\\\\.0{1,4})?|[0-9]{1,2}(\\\\.[0-9]{1,4})?)%$";
const percentText = (description: string) =>
  z
    .string()
    .max(10)
    .meta({
      description,
      ...cel({
        rule: `self.matches('${PERCENT}')`,
        message: `'must be a percentage such as "0.5%", at most 100% (got "' + self + '")'`,
      }),
    });

const latencyText = (description: string) =>
  z
    .string()
    .max(16)
    .meta({
      description,
      ...cel({
        rule: "self.matches('^[0-9]{1,9}(ms|s|m)$') && !self.matches('^0+(ms|s|m)$')",
        message: `'must be a time such as "500ms" or "2s" (got "' + self + '")'`,
      }),
    });

const intOrString = (description: string, ...rules: readonly CelRule[]) =>
  z.union([z.int(), z.string()]).meta({
    description,
    "x-kubernetes-int-or-string": true,
    maxLength: 10,
    ...(rules.length === 0 ? {} : cel(...rules)),
  });

const WEIGHT_TEXT = "^(100(\\\\.0{1,2})?|[0-9]{1,2}(\\\\.[0-9]{1,2})?)%$";
const weight = intOrString('Percent of traffic for the canary: 5, or "0.5%".', {
  rule: `type(self) == int ? self >= 0 && self <= 100 : string(self).matches('${WEIGHT_TEXT}')`,
  message: `'must be a percentage from 0 to 100, as a number or as text such as "0.5%" (got ' + string(self) + ')'`,
});
const surge = (description: string) =>
  intOrString(description, {
    rule: `type(self) == int ? self >= 0 && self <= 100000 : string(self).matches('^(100|[0-9]{1,2})%$')`,
    message: `'must be a number of pods or a percentage such as "25%" (got ' + string(self) + ')'`,
  });

/** DNS labels as Kubernetes names Services, and subdomains as it names other objects. */
const nameOf = (description: string) =>
  z
    .string()
    .min(1)
    .max(253)
    .meta({
      description,
      ...cel({
        rule: `self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')`,
        message: `'must be the name of an object in the same namespace: lower case letters, digits, - and . (got "' + self + '")'`,
      }),
    });
const serviceName = (description: string) =>
  z
    .string()
    .min(1)
    .max(63)
    .meta({
      description,
      ...cel({
        rule: `self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')`,
        message: `'must be the name of a Service in the same namespace (got "' + self + '")'`,
      }),
    });

/** Exactly one of these members. Two rules, as a message that lists what it found would cost more than CEL allows.
 * @param unless CEL; where it holds, another rule has said what is wrong */
const oneOf = (names: readonly string[], what: string, unless = "false"): readonly CelRule[] => {
  const count = names.map((name) => `(has(self.${name}) ? 1 : 0)`).join(" + ");
  const message = `${what} must have exactly one of ${names.join(", ")}`;
  return [
    { rule: `${unless} || ${count} > 0`, message: `${message} (got none)` },
    { rule: `${unless} || ${count} < 2`, message: `${message} (got more than one)` },
  ];
};
/** A whole number within bounds; CEL and not `minimum`, which has no hint and hides every other message. The API server
 * says itself what it got: text made of a number costs more than CEL allows. */
const between = (least: number, most: number) =>
  cel({ rule: `self >= ${least} && self <= ${most}`, message: `must be from ${least} to ${most}` });
const choice = <const Names extends readonly string[]>(names: Names, description: string) => {
  const rule = {
    rule: `self in [${names.map((n) => `'${n}'`).join(", ")}]`,
    message: `'must be one of ${names.join(", ")} (got "' + self + '")'`,
  };
  return z
    .string()
    .max(32)
    .meta({ description, ...cel(rule) }) as unknown as z.ZodType<Names[number], Names[number]>;
};

/** A field that people may bring from elsewhere: known, so that its refusal has a sentence. */
const later = (description: string) =>
  z
    .object({})
    .meta({ description: `${description} Comes in a later version.`, "x-kubernetes-preserve-unknown-fields": true })
    .optional();

const step = z
  .object({
    weight: weight.optional(),
    pause: z
      .object({ for: duration("How long; left out: until a person promotes.").optional() })
      .meta({ description: "Waits." })
      .optional(),
    analysis: z
      .object({ for: durationOrZero("At least this long.").meta(unlessSaid("0s")).optional() })
      .meta({ description: "Waits at least this long, and until judged." })
      .optional(),
    setHeaderRoute: later("Header routes."),
    setMirrorRoute: later("Mirroring."),
  })
  .meta({
    description: "One step; it has exactly one member.",
    ...cel(
      {
        rule: "!has(self.setHeaderRoute) && !has(self.setMirrorRoute)",
        message: "header routes and mirroring come in a later version; take the step out",
      },
      ...oneOf(["weight", "pause", "analysis"], "a step", "has(self.setHeaderRoute) || has(self.setMirrorRoute)"),
    ),
  });

const canary = z
  .object({
    steps: z
      .array(step)
      .max(50)
      .meta({
        description: "Steps of your own; the last weight, 100, is implied.",
        "x-kubernetes-list-type": "atomic",
        ...cel({ rule: "self.size() > 0", message: "must have at least one step; leave steps out for a preset" }),
      })
      .optional(),
    preset: choice(
      ["safe", "fast", "instant"],
      "Steps that others have thought of: safe (5, 10, 25, 50, 75 %), fast (25, 50 %), instant.",
    )
      .meta(unlessSaid("safe"))
      .optional(),
    over: duration("How long a preset takes in all.").meta(unlessSaid("7d for safe, 30m for fast")).optional(),
    maxSurge: surge("Pods above `replicas` that a replica-only canary may have.").meta(unlessSaid("25%")).optional(),
    maxUnavailable: surge("Pods below `replicas` that a replica-only canary may lack.")
      .meta(unlessSaid("25%"))
      .optional(),
    scaleDownDelay: durationOrZero("How long the old side stays full after a hand-over.")
      .meta(unlessSaid("30s"))
      .optional(),
    settle: durationOrZero("How long a weight must have been effective before it counts.")
      .meta(unlessSaid("3s"))
      .optional(),
    drain: durationOrZero("How long pods without traffic are kept for what is under way.")
      .meta(unlessSaid("10s"))
      .optional(),
  })
  .meta({
    description: "Traffic moves to a new revision in steps.",
    ...cel(
      { rule: "!(has(self.steps) && has(self.preset))", message: "steps and preset exclude each other; remove one" },
      {
        rule: "!has(self.over) || (has(self.preset) && self.preset != 'instant')",
        message: "over belongs to preset safe or fast; name one, or remove over",
      },
      {
        rule: "!(has(self.maxSurge) && has(self.maxUnavailable) && string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
        message: "maxSurge and maxUnavailable must not both be 0: no pod could ever be replaced",
      },
    ),
  });

const metric = z
  .object({
    errorRate: z
      .object({ max: percentText("The highest share of requests that may fail.") })
      .meta({ description: "The share of failed requests." })
      .optional(),
    latency: z
      .object({
        quantile: z
          .number()
          .optional()
          .meta({
            description: "95 for P95.",
            ...unlessSaid("95"),
            ...cel({
              rule: "self >= 50.0 && self < 100.0",
              message: "must be from 50 to below 100, such as 95 for P95",
            }),
          }),
        max: latencyText("The slowest that this quantile may be: 500ms or 2s."),
      })
      .meta({ description: "A quantile of response times." })
      .optional(),
    query: z
      .object({
        name: z
          .string()
          .min(1)
          .max(63)
          .meta({
            description: "What it is called in status and messages.",
            ...cel({
              rule: "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
              message: `'must be lower case letters, digits and - (got "' + self + '")'`,
            }),
          }),
        promql: z
          .string()
          .max(4096)
          .meta({
            description: "What Prometheus is asked; may name {{variables}}.",
            ...cel({ rule: "self.trim().size() > 0", message: "must not be empty" }),
          }),
        max: z.number().optional().meta({ description: "Breached by a value above." }),
        min: z.number().optional().meta({ description: "Breached by a value below." }),
        consecutive: z
          .int()
          .optional()
          .meta({ description: "Breaches in a row that fail it.", ...unlessSaid("3"), ...between(1, 1000) }),
        both: z
          .boolean()
          .optional()
          .meta({ description: "Ask for stable too, and show both.", ...unlessSaid("false") }),
      })
      .meta({
        description: "A query of your own, judged against a threshold.",
        ...cel(
          {
            rule: "has(self.max) || has(self.min)",
            message: "a query needs max, min or both: without a limit nothing could fail",
          },
          {
            rule: "!has(self.max) || !has(self.min) || self.min < self.max",
            message: "min must be below max",
          },
        ),
      })
      .optional(),
  })
  .meta({ ...cel(...oneOf(["errorRate", "latency", "query"], "a metric")) });

/** A label's name goes into queries unquoted: it must be one. */
const labelName = (description: string) =>
  z
    .string()
    .max(128)
    .meta({
      description,
      ...cel({
        rule: "self.matches('^[a-zA-Z_][a-zA-Z0-9_]*$')",
        message: `'must be the name of a label: letters, digits and _, such as "pod" (got "' + self + '")'`,
      }),
    });
const nameOfRoute = "(has(r.httpRoute) ? 'h/' + r.httpRoute.name : has(r.grpcRoute) ? 'g/' + r.grpcRoute.name : '')";
const nameOfMetric = "(has(m.query) ? m.query.name : (has(m.errorRate) ? 'error-rate' : 'latency'))";
const analysis = z
  .object({
    disabled: z
      .boolean()
      .optional()
      .meta({ description: "Turns judging off.", ...unlessSaid("false") }),
    interval: duration("How often Prometheus is asked; should be its scrape interval.")
      .meta(unlessSaid("15s"))
      .optional(),
    source: choice(
      ["http", "otel", "istio", "envoy", "nginx", "traefik", "linkerd"],
      "Where requests are counted; docs/reference/sources.md.",
    )
      .meta(unlessSaid("http"))
      .optional(),
    labels: z
      .object({
        namespace: labelName("Label with the namespace.").optional(),
        pod: labelName("Label with the pod's name.").optional(),
        status: labelName("Label with the status code.").optional(),
      })
      .optional()
      .meta({ description: "Names of labels, where yours differ from the source's." }),
    metrics: z
      .array(metric)
      .max(20)
      .optional()
      .meta({
        description: "What is judged.",
        ...unlessSaid("error rate up to 1 %, P95 up to 500 ms"),
        "x-kubernetes-list-type": "atomic",
        ...cel(
          {
            rule: "self.size() > 0",
            message: "must have at least one metric; leave metrics out for the defaults, or set disabled",
          },
          {
            rule: `self.all(m, self.exists_one(n, ${nameOfMetric} == ${nameOfMetric.replaceAll("m.", "n.")}))`,
            message: "names of metrics must differ: error-rate, latency and the names of queries",
          },
        ),
      }),
    onNoData: z
      .object({
        after: duration("How long no data is waited for.").meta(unlessSaid("5m")).optional(),
        then: choice(["hold", "revert", "ignore"], "What to do then.").meta(unlessSaid("hold")).optional(),
      })
      .optional()
      .meta({ description: "When Prometheus has no series of a side." }),
    onUnsure: z
      .object({
        after: duration("How long a step may lack requests to judge by.").meta(unlessSaid("30m")).optional(),
        then: choice(["pause", "promote", "revert"], "What to do then.").meta(unlessSaid("pause")).optional(),
      })
      .optional()
      .meta({ description: "When there are too few requests to tell." }),
  })
  .meta({ description: "How the canary is judged, from its first weight to the end of the bake." });

const routeRef = (kind: string) =>
  z
    .object({ name: nameOf("One in the same namespace.") })
    .meta({ description: `A ${kind} whose rules name the Service.` });
const traffic = z
  .object({
    service: serviceName("What clients call and routes name; its selector is pinned."),
    canaryService: serviceName("Leads to the canary's pods. Made and owned by Zenith, unless you name one that exists.")
      .meta(unlessSaid("<service>-canary"))
      .optional(),
    routes: z
      .array(
        z
          .object({ httpRoute: routeRef("HTTPRoute").optional(), grpcRoute: routeRef("GRPCRoute").optional() })
          .meta({ ...cel(...oneOf(["httpRoute", "grpcRoute"], "a route")) }),
      )
      .max(16)
      .optional()
      .meta({
        description: "Routes that divide traffic. Without any, the share of replicas is the share of traffic.",
        "x-kubernetes-list-type": "atomic",
        ...cel({
          rule: `self.all(r, self.exists_one(s, ${nameOfRoute} == ${nameOfRoute.replaceAll("r.", "s.")}))`,
          message: "routes must differ; take the second one out",
        }),
      }),
    allowDoubleSplit: z
      .boolean()
      .optional()
      .meta({
        description: "Takes a Gateway's route and a mesh's for one Service: what a client gets is split twice.",
        ...unlessSaid("false"),
      }),
  })
  .meta({
    description: "How requests reach the pods. Without it, nothing but sizes is moved.",
    ...cel(
      {
        rule: "!has(self.canaryService) || self.canaryService != self.service",
        message: `'canaryService must differ from service (both are "' + self.service + '")'`,
      },
      {
        rule: "has(self.canaryService) || !has(self.routes) || self.routes.size() == 0 || self.service.size() <= 56",
        message: "service is too long for <service>-canary (63 characters); name a canaryService",
      },
    ),
  });

const labels = z.record(z.string().max(317), z.string().max(63)).meta({ maxProperties: 64 });
const selector = z.object({ matchLabels: labels.optional().meta({ description: "Labels of the pods." }) }).meta({
  description: "As in a Deployment; matchLabels only.",
  ...cel(
    { rule: "has(self.matchLabels) && self.matchLabels.size() > 0", message: "must have matchLabels" },
    {
      rule: "self == oldSelf",
      message: "is immutable, as in a Deployment; delete the Rollout with onDelete keep and make it anew",
    },
  ),
});
const template = z
  .object({
    metadata: z
      .object({
        labels: labels.optional().meta({ description: "Labels of the pods." }),
        annotations: z
          .record(z.string().max(317), z.string().max(16_384))
          .meta({ description: "Annotations of the pods.", maxProperties: 128 })
          .optional(),
      })
      .optional()
      .meta({ description: "Labels and annotations of the pods." }),
    spec: z
      .record(z.string(), z.unknown())
      .meta({ description: "The pods' own spec.", "x-kubernetes-preserve-unknown-fields": true }),
  })
  .meta({ description: "The pods, as in a Deployment; checked by the API server itself." });

export const rolloutSpec = z
  .object({
    replicas: z
      .int()
      .optional()
      .meta({
        format: "int32",
        description: "Pods in all; an autoscaler and kubectl scale set it.",
        ...unlessSaid("the last size, else the Deployment's, else 1"),
        ...between(0, 100_000),
      }),
    workloadRef: z
      .object({
        apiVersion: z
          .string()
          .max(64)
          .optional()
          .meta({
            description: "Where the kind is served.",
            ...unlessSaid("apps/v1"),
            ...cel({ rule: "self == 'apps/v1'", message: `'must be apps/v1, or left out (got "' + self + '")'` }),
          }),
        kind: z
          .string()
          .max(63)
          .meta({
            description: "Deployment.",
            ...cel({
              rule: "self == 'Deployment'",
              message: `'must be Deployment (got "' + self + '"); other kinds come later'`,
            }),
          }),
        name: nameOf("A Deployment in the same namespace."),
      })
      .optional()
      .meta({
        description: "A Deployment that is taken over without a gap.",
        ...cel({
          rule: "self.name == oldSelf.name",
          message:
            "the name is immutable; delete the Rollout, which hands the Deployment back, and make one for the other",
        }),
      }),
    selector: selector.optional(),
    template: template.optional(),
    strategy: z
      .object({
        canary: canary.optional(),
        blueGreen: later("All traffic at once, after a preview."),
      })
      .optional()
      .meta({
        description: "How a new revision takes over.",
        ...cel({
          rule: "!has(self.blueGreen)",
          message: "blueGreen comes in a later version; use canary with preset instant",
        }),
      }),
    traffic: traffic.optional(),
    analysis: analysis.optional(),
    gates: z
      .array(z.object({}).meta({ "x-kubernetes-preserve-unknown-fields": true }))
      .max(16)
      .optional()
      .meta({
        description: "What must hold before the first step. Comes in a later version.",
        "x-kubernetes-list-type": "atomic",
        ...cel({ rule: "self.size() == 0", message: "gates come in a later version; remove them" }),
      }),
    bake: durationOrZero("How long the new revision is still judged after 100 %, and reverted on a breach.")
      .meta(unlessSaid("10m"))
      .optional(),
    objectives: z
      .object({
        errorRate: percentText("Share of failed requests.").optional(),
        p95: latencyText("The slowest that 95 % of requests may be.").optional(),
      })
      .optional()
      .meta({ description: "What the report at the end is measured by; never a reason to revert." }),
    minReadySeconds: z
      .int()
      .optional()
      .meta({
        format: "int32",
        description: "How long a pod must have been ready before it counts.",
        ...unlessSaid("0"),
        ...between(0, 86_400),
      }),
    progressDeadline: duration("How long a step's pods may take to be ready.").meta(unlessSaid("10m")).optional(),
    revisionHistoryLimit: z
      .int()
      .optional()
      .meta({
        format: "int32",
        description: "Earlier revisions that are kept, to go back to.",
        ...unlessSaid("10"),
        ...between(0, 100),
      }),
    onDelete: choice(["handBack", "delete", "keep"], "What becomes of the pods when the Rollout is deleted.")
      .meta(unlessSaid("handBack with workloadRef, else delete"))
      .optional(),
    waitFor: choice(["serving", "promoted"], "What Helm and Flux wait for.").meta(unlessSaid("serving")).optional(),
    paused: z
      .boolean()
      .optional()
      .meta({ description: "Nothing is raised while true.", ...unlessSaid("false") }),
  })
  .meta({
    description: "What is wanted.",
    ...cel(
      ...oneOf(["workloadRef", "template"], "a Rollout"),
      {
        rule: `!has(self.minReadySeconds) || (has(self.progressDeadline) ? ${secondsOf("self.progressDeadline")} : 600) > self.minReadySeconds`,
        message:
          "progressDeadline (10m unless said) must be longer than minReadySeconds, or no pod could ever be ready in time",
      },
      { rule: "has(self.selector) == has(self.template)", message: "selector and template belong together" },
      {
        rule: "!has(self.selector) || !has(self.template) || !has(self.selector.matchLabels) || self.selector.matchLabels.all(k, has(self.template.metadata) && has(self.template.metadata.labels) && k in self.template.metadata.labels && self.template.metadata.labels[k] == self.selector.matchLabels[k])",
        message: "selector must match the labels of template",
      },
      {
        rule: "!has(self.onDelete) || self.onDelete != 'handBack' || has(self.workloadRef)",
        message: "onDelete handBack needs a workloadRef to hand back to",
      },
      {
        rule: "has(self.workloadRef) == has(oldSelf.workloadRef)",
        message: "cannot change between workloadRef and template",
      },
    ),
  });

export type RolloutStep = z.input<typeof step>;
export type RolloutMetric = z.input<typeof metric>;
export type RolloutSpec = z.input<typeof rolloutSpec>;

export interface Rollout extends KubeObject {
  readonly spec: RolloutSpec;
  readonly status?: RolloutStatus;
}

export const rolloutCrd = {
  kind: "Rollout",
  plural: "rollouts",
  shortName: "zr",
  description:
    "A workload whose new versions take traffic in steps, judged against Prometheus, and taken back when they hurt.",
  columns: [
    { name: "Status", type: "string", jsonPath: ".status.phase", description: "Where the Rollout stands." },
    { name: "Step", type: "string", jsonPath: ".status.display.step", description: "The step it is at." },
    {
      name: "Weight",
      type: "string",
      jsonPath: ".status.display.weight",
      description: "Traffic of the newest revision.",
    },
    { name: "Ready", type: "string", jsonPath: ".status.display.ready", description: "Ready pods of those asked for." },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Since it was made." },
    {
      name: "Canary",
      type: "string",
      jsonPath: ".status.canary.revision",
      description: "The revision on its way.",
      priority: 1,
    },
    {
      name: "Stable",
      type: "string",
      jsonPath: ".status.stable.revision",
      description: "The revision that serves.",
      priority: 1,
    },
    {
      name: "Analysis",
      type: "string",
      jsonPath: ".status.analysis.metrics[*].verdict",
      description: "Verdicts, in the order of the metrics.",
      priority: 1,
    },
    { name: "Message", type: "string", jsonPath: ".status.message", description: "One sentence.", priority: 1 },
  ],
  scale: {
    specReplicasPath: ".spec.replicas",
    statusReplicasPath: ".status.replicas",
    labelSelectorPath: ".status.selector",
  },
} as const;
