import * as z from "zod";

/** Parts of a status that more than one kind has. */

export const text = (most: number) => z.string().max(most);

const condition = z.object({
  type: text(64),
  status: z.enum(["True", "False", "Unknown"]),
  reason: text(128),
  message: text(2048),
  lastTransitionTime: z.iso.datetime().meta({ format: "date-time" }),
  observedGeneration: z.int().optional(),
});
export const conditions = z
  .array(condition)
  .max(16)
  .optional()
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] });

export const lastRequest = z.object({ value: text(512), result: text(512), at: text(40) });

export const analysisStatus = z.object({
  metrics: z
    .array(
      z.object({
        name: text(63),
        verdict: text(16),
        value: z.number().optional(),
        limit: z.number(),
        stableValue: z.number().optional(),
        evidence: z.number().optional(),
        requests: z.number().optional(),
        message: text(1024),
      }),
    )
    .max(20)
    .optional(),
  checkpoint: text(40_000).optional(),
  checkpointAt: text(40).optional(),
});

export type AnalysisStatus = z.input<typeof analysisStatus>;
export type Conditions = z.input<typeof conditions>;
