import * as z from "zod";
import { analysisFields, type metric } from "./analysis.ts";
import { cel, unlessSaid } from "./crd.ts";
import {
  between,
  choice,
  duration,
  durationOrZero,
  intOrString,
  latencyText,
  later,
  nameOf,
  oneOf,
  percentText,
  secondsOf,
} from "./fields.ts";
import { gates } from "./gates.ts";
import type { KubeObject } from "./kubernetes.ts";
import type { RolloutStatus } from "./rollout-status.ts";
import { type step, stepFields, stepRules } from "./steps.ts";

export type { RolloutStatus };

/**
 * What a user may say in a Rollout. The only source, with rollout-status.ts: the CRD, the reference and the
 * types come from here.
 */

const surge = (description: string) =>
  intOrString(description, {
    rule: `type(self) == int ? self >= 0 && self <= 100000 : string(self).matches('^(100|[0-9]{1,2})%$')`,
    message: `'must be a number of pods or a percentage such as "25%" (got ' + string(self) + ')'`,
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

const canary = z
  .object({
    ...stepFields,
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
    ...cel(...stepRules, {
      rule: "!(has(self.maxSurge) && has(self.maxUnavailable) && string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
      message: "maxSurge and maxUnavailable must not both be 0: no pod could ever be replaced",
    }),
  });

const nameOfRoute = "(has(r.httpRoute) ? 'h/' + r.httpRoute.name : has(r.grpcRoute) ? 'g/' + r.grpcRoute.name : '')";
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
    analysis: z
      .object(analysisFields)
      .meta({ description: "How the canary is judged, from its first weight to the end of the bake." })
      .optional(),
    gates: gates.optional(),
    bake: durationOrZero(
      "How long the new revision is still judged after 100 %, and reverted on a breach. One under way keeps its end.",
    )
      .meta(unlessSaid("10m"))
      .optional(),
    objectives: z
      .object({
        errorRate: percentText("Share of failed requests, in the bake.").meta(unlessSaid("0.1%")).optional(),
        p95: latencyText("The slowest that 95 % of requests may be, in the bake.").meta(unlessSaid("200ms")).optional(),
      })
      .optional()
      .meta({ description: "What the report at the end is measured by; never a reason to revert." }),
    minReadySeconds: z
      .int()
      .optional()
      .meta({
        format: "int32",
        description:
          "How long a pod must have been ready before it counts. Lowered, for all pods; raised, for those of later revisions.",
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
  unseenStatus: { observedGeneration: -1 },
  scale: {
    specReplicasPath: ".spec.replicas",
    statusReplicasPath: ".status.replicas",
    labelSelectorPath: ".status.selector",
  },
} as const;
