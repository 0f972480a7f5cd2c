import * as z from "zod";
import { cel } from "./crd.ts";
import { choice } from "./fields.ts";

/** Points in time, as people write them. */

/** RFC 3339. A failing format hides every other message, and says itself what is needed. */
export const moment = (description: string) => z.string().meta({ description, format: "date-time" });

/** 09:30; 24:00 is the end of the day. */
export const timeOfDay = (description: string) =>
  z
    .string()
    .max(5)
    .meta({
      description,
      ...cel({
        rule: "self.matches('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$')",
        message: `'must be a time of day such as "09:30" (got "' + self + '")'`,
      }),
    });

export const weekday = choice(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "A day of the week.");
