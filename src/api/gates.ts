import { z } from "zod";
import { cel, unlessSaid } from "./crd.ts";
import { duration, nameOf, oneOf, percentText } from "./fields.ts";
import { selector } from "./kill-switch.ts";
import { schedule } from "./schedule.ts";

/** What must hold before the first step of a release. */

const configMap = z
  .object({
    name: nameOf("One in the same namespace, with the label zenith.sh/gate; CI writes it."),
    key: z
      .string()
      .min(1)
      .max(253)
      .meta({ description: "Which of its entries.", ...unlessSaid("its only one") })
      .optional(),
  })
  .meta({ description: "Where the results stand." });

const tests = z
  .object({
    configMap,
    passRate: percentText("How many of the tests that ran must have passed.").meta(unlessSaid("95%")).optional(),
  })
  .meta({ description: "Results of tests: JUnit XML, or a JSON summary." });

const coverage = z
  .object({
    configMap,
    min: percentText("How much must be covered.").meta(unlessSaid("80%")).optional(),
  })
  .meta({ description: "Code coverage: Cobertura or JaCoCo XML, LCOV, or a JSON summary." });

const metric = z
  .object({
    name: z
      .string()
      .min(1)
      .max(63)
      .meta({
        description: "What it is called in status.",
        ...cel({
          rule: "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
          message: `'must be lower case letters, digits and - (got "' + self + '")'`,
        }),
      }),
    promql: z
      .string()
      .max(4096)
      .meta({
        description: "What Prometheus is asked; may name {{namespace}}, {{rollout}}, {{service}} and {{window}}.",
        ...cel({ rule: "self.trim().size() > 0", message: "must not be empty" }),
      }),
    max: z.number().meta({ description: "Closed by a value above." }).optional(),
    min: z.number().meta({ description: "Closed by a value below." }).optional(),
  })
  .meta({
    description: "A value of Prometheus.",
    ...cel(
      { rule: "has(self.max) || has(self.min)", message: "a metric needs max, min or both" },
      {
        rule: "!has(self.max) || !has(self.min) || self.min <= self.max",
        message: "min must not be above max: no value could open it",
      },
    ),
  });

const rollout = z
  .object({
    name: nameOf("The other Rollout."),
    namespace: nameOf(
      "Where it is; of another namespace it must name this one in its annotation zenith.sh/promotes-to: NAMESPACE/NAME.",
    )
      .meta(unlessSaid("the same"))
      .optional(),
    for: duration("For how long these images must have served there.").meta(unlessSaid("30m")).optional(),
  })
  .meta({ description: "The same images, promoted and healthy elsewhere: staging before production." });

const flags = z
  .object({ selector: selector.meta({ description: "Which FeatureFlags; {} means all of the namespace." }) })
  .meta({ description: "Feature flags: all valid, none killed, none taken back." });

const window = z.object({ windows: schedule.shape.windows, freezes: schedule.shape.freezes }).meta({
  description: "When a release may begin.",
  ...cel({ rule: "has(self.windows) || has(self.freezes)", message: "needs windows, freezes or both" }),
});

const approval = z
  .object({})
  .meta({ description: "A person says promote, about this very revision, before anything of it starts." });

const KINDS = ["tests", "coverage", "metric", "rollout", "flags", "window", "approval"] as const;

const gate = z
  .object({
    tests: tests.optional(),
    coverage: coverage.optional(),
    metric: metric.optional(),
    rollout: rollout.optional(),
    flags: flags.optional(),
    window: window.optional(),
    approval: approval.optional(),
  })
  .meta({ description: "One gate; it has exactly one member.", ...cel(...oneOf(KINDS, "a gate")) });

export const gates = z.array(gate).max(16).meta({
  description: "What must hold before the first step. The first revision of all does not ask.",
  "x-kubernetes-list-type": "atomic",
});

export type RolloutGate = z.input<typeof gate>;
