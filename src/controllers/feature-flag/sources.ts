import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import type { KubeObject } from "../../api/kubernetes.ts";
import { FlagInvalid } from "../../core/flags/invalid.ts";
import { segmentsNamed } from "../../core/flags/segment-status.ts";
import { keyOf as flagKeyOf, flagSetOf } from "../../core/flags/settings.ts";
import type { Sources } from "../rollout/sources.ts";

/** The caches that decisions about flags rest on. */
export type FlagSources = Pick<Sources, "flags" | "segments" | "kills" | "rollouts">;

/** What flags are found by. */
export const FLAG_INDEXES = {
  /** Where it wants to be served; nowhere, where it may not be. */
  place: (flag: FeatureFlag): string[] => {
    try {
      return [placeOf(flagSetOf(flag), flagKeyOf(flag))];
    } catch (error) {
      if (error instanceof FlagInvalid) return [];
      throw error;
    }
  },
  rollout: (flag: FeatureFlag): string[] =>
    flag.spec.rolloutRef === undefined ? [] : [`${flag.metadata.namespace ?? ""}/${flag.spec.rolloutRef.name}`],
  segment: (object: FeatureFlag | FlagSegment): string[] =>
    segmentsNamed(object).map((name) => `${object.metadata.namespace ?? ""}/${name}`),
  namespace: byNamespace,
} as const;

export function placeOf(flagSet: string, key: string): string {
  return `${flagSet} ${key}`; // Neither has a space.
}

export function byNamespace({ metadata }: KubeObject): string[] {
  return [metadata.namespace ?? ""];
}
