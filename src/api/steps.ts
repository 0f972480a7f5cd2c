import * as z from "zod";
import { type CelRule, cel, unlessSaid } from "./crd.ts";
import { choice, duration, durationOrZero, later, oneOf, weight } from "./fields.ts";

/** The steps in which a weight rises, of traffic or of users. */

/** One step of a walk. */
export const step = z
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

/** A walk of one's own, or one that others have thought of; `stepRules` go with it. */
export const stepFields = {
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
};

export const stepRules: readonly CelRule[] = [
  { rule: "!(has(self.steps) && has(self.preset))", message: "steps and preset exclude each other; remove one" },
  {
    rule: "!has(self.over) || (has(self.preset) && self.preset != 'instant')",
    message: "over belongs to preset safe or fast; name one, or remove over",
  },
];
