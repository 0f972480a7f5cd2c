import * as z from "zod";
import { cel } from "./crd.ts";
import { choice } from "./fields.ts";
import type { KubeObject } from "./kubernetes.ts";
import { conditions } from "./status.ts";
import { moment } from "./times.ts";

/** The emergency stop for all that a label selector matches in its namespace; deleting it releases. */

const expression = z
  .object({
    key: z.string().max(317).meta({ description: "The label." }),
    operator: choice(["In", "NotIn", "Exists", "DoesNotExist"], "How it is compared."),
    values: z
      .array(z.string().max(63))
      .max(100)
      .meta({ description: "For In and NotIn.", "x-kubernetes-list-type": "atomic" })
      .optional(),
  })
  .meta({
    ...cel({
      rule: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
      message: "values belong to In and NotIn, and both need them",
    }),
  });

export const selector = z
  .object({
    matchLabels: z
      .record(z.string(), z.string().max(63))
      .meta({ description: "Labels, with their values.", maxProperties: 32 })
      .optional(),
    matchExpressions: z
      .array(expression)
      .max(32)
      .meta({ description: "All must hold.", "x-kubernetes-list-type": "atomic" })
      .optional(),
  })
  .meta({ description: "Labels of the FeatureFlags and Rollouts that are meant; {} means all of the namespace." });

export const killSwitchSpec = z
  .object({
    selector,
    flags: choice(["safe"], "safe: their safeVariant for everyone, whatever else they say.").optional(),
    rollouts: choice(["hold", "abort"], "hold: no weight rises; abort: what is on its way is taken back.").optional(),
    reason: z
      .string()
      .max(512)
      .meta({
        description: "Why; it is shown wherever the switch has effect.",
        ...cel({ rule: "self.trim().size() > 0", message: "must say why" }),
      }),
    until: moment("When it stops by itself; left out: when it is deleted.").optional(),
  })
  .meta({
    description: "What is stopped.",
    ...cel({ rule: "has(self.flags) || has(self.rollouts)", message: "must have flags, rollouts or both" }),
  });

export const killSwitchStatus = z.object({
  observedGeneration: z.int().optional(),
  phase: z.string().max(32).optional(),
  message: z.string().max(2048).optional(),
  flags: z.int().optional().meta({ description: "How many FeatureFlags it makes safe." }),
  rollouts: z.int().optional().meta({ description: "How many Rollouts it stops." }),
  flagNames: z.array(z.string().max(253)).max(20).optional().meta({ description: "The first twenty of them." }),
  rolloutNames: z.array(z.string().max(253)).max(20).optional().meta({ description: "The first twenty of them." }),
  since: z.string().max(40).optional(),
  conditions,
});

export type KillSwitchSpec = z.input<typeof killSwitchSpec>;
export type KillSwitchStatus = z.input<typeof killSwitchStatus>;
export type LabelSelector = z.input<typeof selector>;

export interface KillSwitch extends KubeObject {
  readonly spec: KillSwitchSpec;
  readonly status?: KillSwitchStatus;
}

export const killSwitchCrd = {
  kind: "KillSwitch",
  plural: "killswitches",
  shortName: "zks",
  description: "Makes every FeatureFlag and Rollout safe that its selector matches, until it is deleted.",
  columns: [
    { name: "Status", type: "string", jsonPath: ".status.phase", description: "Whether it has effect." },
    { name: "Flags", type: "integer", jsonPath: ".status.flags", description: "FeatureFlags that it makes safe." },
    { name: "Rollouts", type: "integer", jsonPath: ".status.rollouts", description: "Rollouts that it stops." },
    { name: "Reason", type: "string", jsonPath: ".spec.reason", description: "Why." },
    { name: "Until", type: "string", jsonPath: ".spec.until", description: "When it stops by itself." },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Since it was made." },
  ],
} as const;
