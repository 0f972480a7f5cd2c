import type { Rollout } from "../../api/rollout.ts";
import { isBlameless } from "../../core/rollout/return.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import type { Sources } from "./sources.ts";

/** The Rollout of the same namespace that was promoted last of those which are being rolled back, where that was later than
 * this one, which bakes. */
export function rollingBackLater(sources: Sources, { metadata, status }: Rollout): Snapshot["rollingBackLater"] {
  if (status?.bake === undefined || status.progress?.previous === undefined) return undefined;
  const later = sources.rollouts
    .byIndex("rollingBack", metadata.namespace ?? "")
    .filter((other) => isBlamed(other) && promotedMs(other.status) > promotedMs(status))
    .toSorted((a, b) => promotedMs(b.status) - promotedMs(a.status))[0];
  if (later === undefined) return undefined;
  return { rollout: later.metadata.name, sinceMs: Date.parse(later.status?.progress?.markSince ?? "") };
}

function isBlamed({ status }: Rollout): boolean {
  const because = status?.progress?.because;
  return because !== undefined && !isBlameless(because);
}

function promotedMs(status: Rollout["status"]): number {
  return Date.parse(status?.bake?.startedAt ?? "");
}
