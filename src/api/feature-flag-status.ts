import * as z from "zod";
import { analysisStatus, conditions, lastRequest, text } from "./status.ts";

/** What Zenith answers in the status of a FeatureFlag. Written by the operator alone; flag servers read `serving` and
 * `override`. Bounded, but never so tight that we would refuse our own words. */

export const featureFlagStatus = z.object({
  observedGeneration: z.int().optional(),
  phase: text(32).optional(),
  message: text(2048).optional(),
  serving: z
    .object({
      rampHash: text(32).meta({ description: "The ramp that it belongs to; of another one it does not count." }),
      weightBp: z.int().meta({ description: "How many users the ramp treats, in basis points." }),
      step: z.int().optional(),
      since: text(40).optional(),
    })
    .optional()
    .meta({ description: "How far the ramp is." }),
  override: z
    .object({
      kind: z.enum(["revert", "gracefulRevert"]),
      servedHash: text(32).meta({ description: "What it takes back; once something else is wanted it is gone." }),
      reason: text(64),
      message: text(2048),
      at: text(40),
      pivot: z
        .object({
          weightBp: z.int().meta({ description: "How many users the ramp treated when the way back began." }),
          at: text(40),
          until: text(40).meta({ description: "When the last one has left." }),
        })
        .optional(),
    })
    .optional()
    .meta({ description: "What stands above the spec." }),
  step: z.object({ index: z.int(), total: z.int(), startedAt: text(40).optional() }).optional(),
  progress: z
    .object({
      rampHash: text(32).optional(),
      startedAt: text(40).optional(),
      promoteThrough: z.int().optional(),
      paused: z.boolean().optional(),
      full: z.boolean().optional(),
      steps: text(4096).optional(),
      bakeUntil: text(40).optional(),
      promoted: z.boolean().optional(),
    })
    .optional()
    .meta({ description: "Where Zenith stands; for its own use." }),
  servedHash: text(32).optional().meta({ description: "Names what is wanted: requests of people must name it." }),
  analysis: analysisStatus
    .extend({
      compare: text(16).optional().meta({ description: "variants, or beforeAfter." }),
      before: z
        .record(z.string(), z.number())
        .meta({ description: "Rates before the ramp began, by metric.", maxProperties: 20 })
        .optional(),
      sampleRatio: z
        .object({ wanted: z.number(), seen: z.number(), requests: z.number(), evidence: z.number() })
        .optional()
        .meta({ description: "The variant's share of both variants' requests, as it should be and as it is." }),
    })
    .optional(),
  delivery: z
    .object({
      version: text(32).optional(),
      servers: z.int(),
      clients: z.int(),
      acked: z.int(),
      p99Ms: z.int().optional(),
    })
    .optional()
    .meta({ description: "How far the newest version has come." }),
  kills: z.array(text(253)).max(16).optional().meta({ description: "KillSwitches that make it safe." }),
  lastRequest: lastRequest.optional(),
  history: z
    .array(z.object({ at: text(40), what: text(64), by: text(253).optional(), message: text(1024) }))
    .max(20)
    .optional(),
  conditions,
  display: z
    .object({ serves: text(128), strategy: text(32), step: text(16), delivered: text(32) })
    .optional()
    .meta({ description: "What the columns of kubectl get show." }),
});

export type FeatureFlagStatus = z.input<typeof featureFlagStatus>;
