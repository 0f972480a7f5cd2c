import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { MetricsView } from "../../core/analysis/memory.ts";
import { olderFirst } from "../../core/flags/age.ts";
import type { FlagSnapshot } from "../../core/flags/control/snapshot.ts";
import { optional } from "../../core/optional.ts";
import type { Key } from "../key.ts";
import { FLAG_INDEXES, type FlagSources, placeOf } from "./sources.ts";

/** Reads everything that a decision about one flag may rest on, from caches alone. Undefined where it is gone. */
export function gather(
  sources: FlagSources,
  key: Key,
  nowMs: number,
  metrics: MetricsView,
  delivery: FlagSnapshot["delivery"],
): FlagSnapshot | undefined {
  const [namespace = "", name = ""] = key.split("/");
  const flag = sources.flags.get(namespace, name);
  if (flag === undefined) return undefined;
  const [place] = FLAG_INDEXES.place(flag);
  const flagSet = flag.spec.flagSet ?? namespace;
  const { rolloutRef } = flag.spec;
  const rollout = rolloutRef === undefined ? undefined : sources.rollouts.get(namespace, rolloutRef.name);
  return {
    nowMs,
    flag,
    segments: { get: (segment) => sources.segments.get(namespace, segment) },
    others: { get: (other) => ownerOf(sources, placeOf(flagSet, other)) },
    kills: sources.kills.byIndex("namespace", namespace),
    ...optional("claimedBy", olderClaim(sources, flag, place)),
    ...optional("rollout", rollout),
    ...optional("delivery", delivery),
    metrics,
  };
}

/** Of several flags for one key in one flag set the oldest is served. */
function ownerOf(sources: FlagSources, place: string): FeatureFlag | undefined {
  return sources.flags.byIndex("place", place).sort(olderFirst)[0];
}

function olderClaim(sources: FlagSources, { metadata }: FeatureFlag, place: string | undefined): string | undefined {
  const owner = place === undefined ? undefined : ownerOf(sources, place);
  return owner === undefined || owner.metadata.name === metadata.name ? undefined : owner.metadata.name;
}
