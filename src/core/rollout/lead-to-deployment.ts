import { heldMs, remainingMs, type Stage } from "./target.ts";
import type { World } from "./world.ts";

/** One stretch of the way on which the Deployment's pods take over from ours. */
export interface Lead {
  readonly mark: "both" | "theirs" | "handedOver" | "emptied";
  readonly selects?: string;
  readonly sizes: Readonly<Record<string, number>>;
  readonly waitMs?: number;
}

/**
 * Leads the Service from our pods to those of the referenced Deployment, and lets ours go:
 *
 *     both serve ─▶ the slices tell what its pods are called ─▶ only they serve ─▶ drain ─▶ ours to 0
 *
 * @param ready pods of the Deployment that must be behind the Service before ours leave it
 * @returns undefined once no pod of ours is left
 */
export function leadToDeployment(world: World, stage: Stage, ready: number): Lead | undefined {
  const { revisions, settings, snapshot, selects, serviceEndpoints, deploymentPods: theirs } = world;
  const ours = [...revisions.values()].filter(({ size, pods }) => size > 0 || pods > 0);
  if (ours.length === 0) return undefined;
  const none = Object.fromEntries(ours.map(({ hash }) => [hash, 0]));
  if (settings.service === undefined || snapshot.service === undefined || ready === 0)
    return { mark: "emptied", sizes: none };
  if (selects !== theirs && (theirs === undefined || serviceEndpoints.foreign < ready))
    return { mark: "both", selects: "author", sizes: {} };
  const only = theirs === undefined ? {} : { selects: theirs };
  if (selects !== theirs || serviceEndpoints.byRevision.size > 0) return { mark: "theirs", ...only, sizes: {} };
  const gone = heldMs(world, stage, "emptied") > 0;
  const waitMs = gone ? 0 : remainingMs(world, stage, "handedOver", settings.drainMs);
  return waitMs > 0 ? { mark: "handedOver", ...only, sizes: {}, waitMs } : { mark: "emptied", ...only, sizes: none };
}
