import type { Rejection } from "./target.ts";
import type { Revision, World } from "./world.ts";

/** Why the wanted revision must not come by itself: status knows, or its record, or an object that a breach was written to
 * before status was lost. */
export function rejectionOf({ status, unrecordedRejection: note }: World, wanted: Revision): Rejection | undefined {
  const { rejected } = status;
  if (rejected?.revision === wanted.hash) return rejected;
  if (note?.revision === wanted.hash) return note;
  if (wanted.mark?.kind !== "rejected") return undefined;
  return { revision: wanted.hash, reason: "Rejected", message: wanted.mark.reason };
}
