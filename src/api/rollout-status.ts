import * as z from "zod";
import { analysisStatus, conditions, lastRequest, text } from "./status.ts";

/** What Zenith answers in the status of a Rollout. Bounded, but never so tight that we would refuse our own words. */

const side = z.object({ revision: text(63), images: z.array(text(1024)).max(16), replicas: z.int(), ready: z.int() });

export const rolloutStatus = z.object({
  observedGeneration: z.int().optional(),
  workload: z.object({ observedGeneration: z.int() }).optional(),
  replicas: z.int().optional(),
  readyReplicas: z.int().optional(),
  replicasWanted: z.int().optional(),
  selector: text(256).optional(),
  phase: text(32).optional(),
  message: text(2048).optional(),
  step: z.object({ index: z.int(), total: z.int(), startedAt: text(40).optional() }).optional(),
  weights: z
    .object({
      desired: z.number(),
      written: z.number(),
      effective: z.number(),
      writtenBp: z.int(),
      effectiveBp: z.int(),
    })
    .optional(),
  wanted: z
    .object({ revision: text(63), images: z.array(text(1024)).max(16) })
    .optional()
    .meta({ description: "What the spec asks for now; requests are made about this revision." }),
  stable: side.optional(),
  canary: side.optional(),
  progress: z
    .object({
      stage: text(32),
      mark: text(64),
      markSince: text(40).optional(),
      startedAt: text(40).optional(),
      canary: text(63).optional(),
      previous: text(63).optional(),
      first: text(63).optional(),
      stepReady: z.boolean().optional(),
      paused: z.boolean().optional(),
      full: z.boolean().optional(),
      promoteThrough: z.int().optional(),
      approved: text(63).optional(),
      steps: text(4096).optional(),
      letIn: text(40).optional(),
      because: z.object({ revision: text(63), reason: text(64), message: text(2048) }).optional(),
    })
    .optional()
    .meta({ description: "Where Zenith stands; for its own use." }),
  bake: z.object({ startedAt: text(40), until: text(40) }).optional(),
  peak: z.object({ size: z.int(), fellAt: text(40).optional() }).optional(),
  managed: z
    .object({
      service: text(63).optional(),
      canaryService: text(63).optional(),
      routes: z.array(text(320)).max(16),
    })
    .optional()
    .meta({ description: "Objects of others that are being changed." }),
  rejected: z.object({ revision: text(63), reason: text(64), message: text(2048), at: text(40) }).optional(),
  lastRequest: lastRequest.optional(),
  analysis: analysisStatus.optional(),
  gates: z
    .array(
      z.object({
        gate: text(320),
        kind: text(16),
        open: z.boolean(),
        value: text(320),
        wanted: text(320),
        message: text(512),
        at: text(40),
      }),
    )
    .max(16)
    .optional()
    .meta({ description: "How the gates of the last release stood before its first step." }),
  report: z
    .object({
      revision: text(63),
      images: z.array(text(1024)).max(16),
      result: text(32),
      startedAt: text(40).optional(),
      at: text(40),
      criteria: z
        .array(z.object({ name: text(32), wanted: text(320), measured: text(1024), outcome: text(16) }))
        .max(16),
    })
    .optional()
    .meta({ description: "The last release that was decided: what was wanted of it, and what was measured." }),
  history: z
    .array(
      z.object({
        revision: text(63),
        result: text(32),
        message: text(1024),
        at: text(40),
        images: z.array(text(1024)).max(16),
      }),
    )
    .max(10)
    .optional(),
  conditions,
  display: z
    .object({ step: text(16), weight: text(16), ready: text(32) })
    .optional()
    .meta({ description: "What the columns of kubectl get show." }),
  collisionCount: z.int().optional(),
});

export type RolloutStatus = z.input<typeof rolloutStatus>;
