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

/** What the spec asks for beside stable and nobody has rejected: where nothing is on its way, the release that waits. */
export function unrejected(world: World): Revision | undefined {
  const { stable, wanted } = world;
  if (stable === undefined || wanted === undefined || wanted.hash === stable.hash) return undefined;
  return rejectionOf(world, wanted) === undefined ? wanted : undefined;
}

/** A person's no to a release that is held before its first step, whatever holds it. */
export function abortedBefore(world: World, orders: { readonly abort: boolean } | undefined): Rejection | undefined {
  const waiting = unrejected(world);
  if (orders?.abort !== true || waiting === undefined || world.status.progress?.stage !== "Resting") return undefined;
  return { revision: waiting.hash, reason: "Aborted", message: "aborted by request before its first step" };
}
