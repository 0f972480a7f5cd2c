import { parse } from "yaml";
import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import type { FlagSegment } from "../../../src/api/flag-segment.ts";
import type { KillSwitch } from "../../../src/api/kill-switch.ts";

type Json = { [key: string]: unknown };

/** A FeatureFlag from the YAML of its spec; `more` is the YAML of what else the object has. */
export function aFlag(spec = "{}", more = "{}"): FeatureFlag {
  return anObject("FeatureFlag", "new-checkout", spec, more) as unknown as FeatureFlag;
}

export function aSegment(name: string, spec: string): FlagSegment {
  return anObject("FlagSegment", name, spec, "{}") as unknown as FlagSegment;
}

export function aKillSwitch(spec = "{selector: {}, flags: safe, reason: test}", more = "{}"): KillSwitch {
  return anObject("KillSwitch", "stop", spec, more) as unknown as KillSwitch;
}

function anObject(kind: string, name: string, spec: string, more: string): Json {
  const { metadata, ...rest } = parse(more) as Json;
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind,
    metadata: { name, namespace: "shop", ...(metadata as Json | undefined) },
    spec: parse(spec),
    ...rest,
  };
}
