import * as z from "zod";
import { cel, unlessSaid } from "./crd.ts";
import { between, choice, duration, latencyText, oneOf, percentText } from "./fields.ts";

/** How a canary is judged, be it pods or users. */

/** One thing that is judged. */
export const metric = z
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
export const labelName = (description: string) =>
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
const nameOfMetric = "(has(m.query) ? m.query.name : (has(m.errorRate) ? 'error-rate' : 'latency'))";
export const seriesLabels = {
  namespace: labelName("Label with the namespace.").optional(),
  pod: labelName("Label with the pod's name.").optional(),
  status: labelName("Label with the status code.").optional(),
};

/** The members of `analysis`. */
export const analysisFields = {
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
    .object(seriesLabels)
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
};
