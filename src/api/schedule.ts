import * as z from "zod";
import { cel, unlessSaid } from "./crd.ts";
import { moment, timeOfDay, weekday } from "./times.ts";

/** When a ramp may advance. It never stops a way back. */
const window = z
  .object({
    days: z
      .array(weekday)
      .max(7)
      .meta({
        description: "Days of the week.",
        "x-kubernetes-list-type": "set",
        ...cel({ rule: "self.size() > 0", message: "must have at least one day; leave days out for all" }),
      })
      .meta(unlessSaid("every day"))
      .optional(),
    from: timeOfDay("The first minute."),
    to: timeOfDay("The first minute that is outside again; 24:00 is the end of the day."),
    timeZone: z
      .string()
      .min(1)
      .max(64)
      .meta({
        description: "Whose clock: a name of the time zone database, such as Europe/Berlin.",
        ...unlessSaid("UTC"),
        // The API server knows the zones, and says `unknown time zone` itself.
        ...cel({
          rule: "timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
          message: `'must be a time zone such as "Europe/Berlin" (got "' + self + '")'`,
        }),
      })
      .optional(),
  })
  .meta({
    description: "A part of the week in which a ramp may advance; it moves with daylight saving time.",
    ...cel({
      rule: "self.from < self.to",
      message: "to must be later than from; for a night write two windows, up to 24:00 and from 00:00",
    }),
  });

const freeze = z
  .object({
    from: moment("From here on."),
    to: moment("Up to here."),
    reason: z.string().max(256).meta({ description: "What status says meanwhile." }).optional(),
  })
  .meta({
    description: "A time in which no ramp advances.",
    ...cel({ rule: "self.from < self.to", message: "to must be later than from" }),
  });

export const schedule = z.object({
  notBefore: moment("Nothing advances earlier.").optional(),
  windows: z
    .array(window)
    .max(20)
    .meta({ description: "When a ramp may advance.", "x-kubernetes-list-type": "atomic", ...unlessSaid("always") })
    .optional(),
  freezes: z
    .array(freeze)
    .max(50)
    .meta({ description: "When it may not, whatever windows say.", "x-kubernetes-list-type": "atomic" })
    .optional(),
});
