import type { ConfigMap } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import type { Gate } from "../../core/gates/model.ts";
import type { GateView, MetricAnswer, Results } from "../../core/gates/view.ts";
import type { Sources } from "./sources.ts";

/** The image that results are of, as CI may say on their ConfigMap. */
const ANNOTATION_IMAGE = "zenith.sh/image";

/** What the gates of a Rollout are answered by, from caches alone. Undefined where it has none.
 * @param metrics what Prometheus last said, by gate */
export function gateViewOf(
  sources: Sources,
  { metadata }: Rollout,
  gates: readonly Gate[],
  metrics: ReadonlyMap<string, MetricAnswer>,
): GateView | undefined {
  if (gates.length === 0) return undefined;
  const { namespace = "" } = metadata;
  const maps = gates.flatMap((gate) => ("source" in gate ? [gate.source.configMap] : []));
  const others = gates.flatMap((gate) => (gate.kind === "rollout" ? [gate] : []));
  const { configMaps } = sources;
  return {
    ...(configMaps === undefined
      ? {}
      : { configMaps: new Map(found(maps, (name) => resultsIn(configMaps.get(namespace, name)))) }),
    rollouts: new Map(
      found(
        others.map((other) => `${other.namespace}/${other.name}`),
        (key) => sources.rollouts.get(...(key.split("/") as [string, string])),
      ),
    ),
    flags: gates.some(({ kind }) => kind === "flags") ? sources.flags.list(namespace) : [],
    kills: gates.some(({ kind }) => kind === "flags") ? sources.kills.list(namespace) : [],
    metrics,
  };
}

function found<T>(names: readonly string[], find: (name: string) => T | undefined): [string, T][] {
  return names.flatMap((name) => {
    const value = find(name);
    return value === undefined ? [] : [[name, value] as [string, T]];
  });
}

function resultsIn(map: ConfigMap | undefined): Results | undefined {
  if (map === undefined) return undefined;
  const image = map.metadata.annotations?.[ANNOTATION_IMAGE];
  return { data: map.data ?? {}, ...(image === undefined ? {} : { image }) };
}
