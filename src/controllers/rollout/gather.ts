import type { Pod } from "../../api/kubernetes.ts";
import type { MetricsView } from "../../core/analysis/memory.ts";
import type { MetricAnswer } from "../../core/gates/view.ts";
import { optional } from "../../core/optional.ts";
import { LABEL_REVISION, labelValue } from "../../core/rollout/names.ts";
import { settingsOf } from "../../core/rollout/settings.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import type { Key } from "../key.ts";
import { olderClaim, overlapOf } from "./claims.ts";
import { gateViewOf } from "./gate-view.ts";
import { rollingBackLater } from "./roll-back-order.ts";
import type { Sources } from "./sources.ts";
import { killOf, revertedFlag } from "./stops.ts";

/** Reads everything that a decision about one Rollout may rest on, from caches alone. Undefined where it is gone.
 * @throws UnitError where its spec cannot be read */
export function gather(
  sources: Sources,
  key: Key,
  nowMs: number,
  metrics: MetricsView,
  templateProblem: string | undefined,
  gateMetrics: ReadonlyMap<string, MetricAnswer> = new Map(),
): Snapshot | undefined {
  const [namespace = "", name = ""] = key.split("/");
  const rollout = sources.rollouts.get(namespace, name);
  if (rollout === undefined) return undefined;
  const settings = settingsOf(rollout);
  const deployment =
    settings.workload === undefined ? undefined : sources.deployments.get(namespace, settings.workload);
  const service = settings.service === undefined ? undefined : sources.services.get(namespace, settings.service);
  const canaryService =
    settings.canaryService === undefined ? undefined : sources.services.get(namespace, settings.canaryService);
  const label = `${namespace}/${labelValue(name)}`;
  const replicaSets = sources.replicaSets.byIndex("rollout", label);
  const claimedBy = olderClaim(sources, rollout);
  // Only a first start asks: afterwards Services let in nobody else's pods.
  const overlap = rollout.status?.stable === undefined ? overlapOf(sources, rollout) : undefined;
  return {
    nowMs,
    rollout,
    ...(deployment === undefined ? {} : { deployment }),
    replicaSets,
    revisions: sources.revisions.byIndex("rollout", label),
    ...(service === undefined ? {} : { service }),
    ...(canaryService === undefined ? {} : { canaryService }),
    serviceSlices:
      settings.service === undefined ? [] : sources.slices.byIndex("service", `${namespace}/${settings.service}`),
    canarySlices:
      settings.canaryService === undefined
        ? []
        : sources.slices.byIndex("service", `${namespace}/${settings.canaryService}`),
    routes: settings.routes.map((ref) => {
      const object = sources.routes.get(ref.kind)?.get(namespace, ref.name);
      return object === undefined ? { ref } : { ref, object };
    }),
    autoscalers: [
      ...sources.autoscalers.byIndex("target", `Rollout/${key}`),
      ...(settings.workload === undefined
        ? []
        : sources.autoscalers.byIndex("target", `Deployment/${namespace}/${settings.workload}`)),
      ...replicaSets.flatMap(({ metadata }) =>
        sources.autoscalers.byIndex("target", `ReplicaSet/${namespace}/${metadata.name}`),
      ),
    ],
    ...(claimedBy === undefined ? {} : { claimedBy }),
    ...optional("rollingBackLater", rollingBackLater(sources, rollout)),
    ...optional("kill", killOf(sources, rollout, nowMs)),
    ...optional("revertedFlag", revertedFlag(sources, rollout)),
    ...(overlap === undefined ? {} : { overlap }),
    ...(templateProblem === undefined ? {} : { templateProblem }),
    podTrouble: troubleOf(sources, label),
    ...optional("gates", gateViewOf(sources, rollout, settings.gates, gateMetrics)),
    metrics,
  };
}

/** Why pods do not come up, one sentence a revision: the container's own reason, else the ReplicaSet's failure. */
function troubleOf(sources: Sources, label: string): Record<string, string> {
  const trouble: Record<string, string> = {};
  for (const set of sources.replicaSets.byIndex("rollout", label)) {
    const failure = set.status?.conditions?.find(({ type, status }) => type === "ReplicaFailure" && status === "True");
    const hash = set.metadata.labels?.[LABEL_REVISION];
    if (hash !== undefined && failure !== undefined) trouble[hash] = clean(failure.message ?? failure.reason ?? "");
  }
  for (const pod of sources.pods.byIndex("rollout", label)) {
    const hash = pod.metadata.labels?.[LABEL_REVISION];
    const reason = hash === undefined || trouble[hash] !== undefined ? undefined : podReason(pod);
    if (hash !== undefined && reason !== undefined) trouble[hash] = clean(reason);
  }
  return trouble;
}

function podReason({ status, metadata }: Pod): string | undefined {
  // Those that start before the others come first: what they wait for is why.
  const waiting = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find(
    ({ state }) => state?.waiting?.reason !== undefined && state.waiting.reason !== "ContainerCreating",
  );
  if (waiting !== undefined)
    return `pod ${metadata.name}: ${waiting.state?.waiting?.reason} ${waiting.state?.waiting?.message ?? ""}`;
  const unscheduled = status?.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  return unscheduled === undefined
    ? undefined
    : `pod ${metadata.name}: ${unscheduled.reason ?? "unschedulable"} ${unscheduled.message ?? ""}`;
}

/** Others' words in one line of bounded length, without control characters. */
function clean(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Bidi_Control}]+/gu, " ")
    .trim()
    .slice(0, 256);
}
