import {
  type CannotSeparate,
  cannot,
  type LabelNames,
  podNamesOf,
  type Source,
  type SourceQueries,
  seriesOf,
} from "./queries.ts";
import { type FlagSubject, literal, quoted } from "./template.ts";

/** Label names where they are not those that a program usually gives its series. */
export interface FlagLabelNames extends LabelNames {
  readonly flag?: string;
  readonly variant?: string;
}

/** How the treated are told from the others: by a label of their requests, or, all requests together, by the time before the
 * ramp. Of the latter `sidesOf` knows one side alone; whoever judges divides it. */
export type Comparison = "variants" | "beforeAfter";

export interface FlagSeries {
  readonly source: Source;
  readonly labels?: FlagLabelNames;
  readonly compare: Comparison;
  /** Labels, with their values, of the series that count. */
  readonly match?: Readonly<Record<string, string>>;
}

/** The raw series by which `source` tells how the users of a variant do, and those of the control. Pure.
 * @see docs/reference/sources.md */
export function flagQueriesOf(
  { source, labels = {}, compare, match = {} }: FlagSeries,
  { namespace, key, treated, control }: FlagSubject,
): SourceQueries | CannotSeparate {
  if (source === "envoy" || source === "nginx" || source === "traefik")
    return cannot(`${source} does not know what a program has made of a flag`);
  const names = podNamesOf(source, labels);
  const matching = Object.entries(match).map(([name, value]) => `${name}=${quoted(value)}`);
  if (compare === "beforeAfter") {
    const whole = { sideLabel: names.namespace, canary: literal(namespace), podLabel: names.pod };
    return seriesOf(names, whole, matching.length === 0 ? undefined : matching.join(","));
  }
  const ofFlag = [`${names.namespace}=${quoted(namespace)}`, `${labels.flag ?? "feature_flag_key"}=${quoted(key)}`];
  const sides = {
    sideLabel: labels.variant ?? "feature_flag_variant",
    canary: literal(treated),
    stable: literal(control),
    podLabel: names.pod,
  };
  return seriesOf(names, sides, [...ofFlag, ...matching].join(","));
}
