import { canonicalJson, shortHash } from "../json.ts";
import type { FlagSettings } from "./settings.ts";

/**
 * What binds status to spec. An entry of status counts only while the hash that it carries is that of the spec: it goes by
 * itself once something else is wanted, and an edit of anything else leaves it alone.
 */

/** Of all that decides what is served: owner, description, labels, analysis, steps and schedule are no part of it; the times
 * of a progressive strategy are, as new times are how one asks for it anew.
 * `status.override` is bound to it, and requests of people name it. */
export function servedHash({ key, flagSet, namespace, class: _, visibility, ...decides }: FlagSettings): string {
  return shortHash(canonicalJson(decides));
}

/** Of what a ramp is about: which variant, against what, and how users are told apart. `status.serving` is bound to it: an
 * edit of a rule, of the steps or of the times moves nobody. */
export function rampHash({ variants, control, stickiness, strategy }: FlagSettings): string {
  const variant = "variant" in strategy ? strategy.variant : "";
  return shortHash(canonicalJson({ variants, control, stickiness, variant }));
}
