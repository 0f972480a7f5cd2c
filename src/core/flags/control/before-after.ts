import type { PodCounter, Reading, SideCounters } from "../../analysis/model.ts";

/** Requests below which the time before the ramp says nothing. */
const LEAST_REQUESTS = 100;

/** All requests together, divided by time: those since the ramp began are judged, and what was before is a rate beside them.
 * @param reading counters of one side, from before the ramp began
 * @returns the rate of bad requests before (fraction); undefined where too few came to tell */
export function rateBefore(reading: Reading, begunMs: number): number | undefined {
  if (reading.kind !== "counters") return undefined;
  const [total, bad] = [risenBefore(reading.canary.total, begunMs), risenBefore(reading.canary.bad, begunMs)];
  return total < LEAST_REQUESTS ? undefined : Math.min(1, bad / total);
}

/** What counters rose until the ramp began. A fall is a restart: it began at 0 again. */
function risenBefore(counters: SideCounters["total"], begunMs: number): number {
  const risen = ({ samples }: PodCounter) =>
    samples
      .filter(([at]) => at <= begunMs)
      .reduce((sum, [, value], i, all) => {
        const last = all[i - 1]?.[1];
        return last === undefined ? sum : sum + (value < last ? value : value - last);
      }, 0);
  return counters.reduce((sum, counter) => sum + risen(counter), 0);
}
