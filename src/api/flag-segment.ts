import * as z from "zod";
import { cel } from "./crd.ts";
import type { KubeObject } from "./kubernetes.ts";
import { conditions } from "./status.ts";
import { keys, when } from "./targeting.ts";

/** A group of users that several FeatureFlags name. */
export const flagSegmentSpec = z
  .object({
    description: z.string().max(1024).meta({ description: "Who they are." }).optional(),
    included: keys("Targeting keys that belong to it, whatever else is said.", 5000).optional(),
    excluded: keys("Targeting keys that do not, though the conditions hold.", 5000).optional(),
    when: when("Everyone for whom all of these hold belongs to it.").optional(),
  })
  .meta({
    description: "Who belongs to it.",
    ...cel({
      rule: "(has(self.included) && self.included.size() > 0) || (has(self.when) && self.when.size() > 0)",
      message: "a segment needs included or when: nobody would belong to it",
    }),
  });

export const flagSegmentStatus = z.object({
  observedGeneration: z.int().optional(),
  flags: z.int().optional().meta({ description: "How many FeatureFlags name it." }),
  conditions,
});

export type FlagSegmentSpec = z.input<typeof flagSegmentSpec>;
export type FlagSegmentStatus = z.input<typeof flagSegmentStatus>;

export interface FlagSegment extends KubeObject {
  readonly spec: FlagSegmentSpec;
  readonly status?: FlagSegmentStatus;
}

export const flagSegmentCrd = {
  kind: "FlagSegment",
  plural: "flagsegments",
  shortName: "zfs",
  description: "A group of users that FeatureFlags of its namespace name in their rules.",
  rules: [
    {
      rule: "!has(self.spec.when) || self.spec.when.all(c, !(has(c.segment) && c.segment == self.metadata.name) && !(has(c.notSegment) && c.notSegment == self.metadata.name))",
      message: "a segment must not name itself",
      field: ".spec.when",
    },
  ],
  columns: [
    { name: "Flags", type: "integer", jsonPath: ".status.flags", description: "FeatureFlags that name it." },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Since it was made." },
    { name: "Description", type: "string", jsonPath: ".spec.description", description: "Who they are.", priority: 1 },
  ],
} as const;
