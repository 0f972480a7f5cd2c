import type { KubeObject, LabelSelector } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import { keyOf } from "../key.ts";
import { INDEXES, type Sources } from "./sources.ts";

/** Two Rollouts on one Deployment, Service or route: the oldest wins, and of two as old the first by name. */
export function olderClaim(sources: Sources, rollout: Rollout): Snapshot["claimedBy"] {
  const claims = [
    ...INDEXES.workload(rollout).map((value) => ["workload", value, "Deployment"] as const),
    ...INDEXES.service(rollout).map((value) => ["service", value, "Service"] as const),
    ...INDEXES.route(rollout).map((value) => ["route", value, ""] as const),
  ];
  for (const [index, value, kind] of claims) {
    const holder = sources.rollouts
      .byIndex(index, value)
      .reduce((oldest, other) => (isOlder(other, oldest) ? other : oldest), rollout);
    if (keyOf(holder) !== keyOf(rollout)) return { rollout: holder.metadata.name, what: describe(kind, value) };
  }
  return undefined;
}

/** From "shop/web" with a kind, or "HTTPRoute/shop/web". */
function describe(kind: string, value: string): string {
  const parts = value.split("/");
  return `${kind === "" ? parts[0] : kind} "${parts.at(-1)}"`;
}

/** Another workload whose selector matches the labels of this Rollout's pods: a Deployment that asks for pods, or an older
 * Rollout. */
export function overlapOf(sources: Sources, rollout: Rollout): string | undefined {
  const labels = rollout.spec.template?.metadata?.labels;
  if (labels === undefined) return undefined;
  const namespace = rollout.metadata.namespace ?? "";
  const pairs = Object.entries(labels).map(([key, value]) => `${namespace}/${key}=${value}`);
  const deployment = pairs
    .flatMap((pair) => sources.deployments.byIndex("selector", pair))
    .find(({ spec }) => spec.replicas !== 0 && matches(spec.selector, labels));
  if (deployment !== undefined) return `Deployment "${deployment.metadata.name}"`;
  const other = pairs
    .flatMap((pair) => sources.rollouts.byIndex("selector", pair))
    .find(
      (o) =>
        keyOf(o) !== keyOf(rollout) &&
        matches(o.spec.selector as LabelSelector | undefined, labels) &&
        isOlder(o, rollout),
    );
  return other === undefined ? undefined : `Rollout "${other.metadata.name}"`;
}

function matches(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === "Exists") return value !== undefined;
      if (operator === "DoesNotExist") return value === undefined;
      if (operator === "In") return value !== undefined && values.includes(value);
      return value === undefined || !values.includes(value); // NotIn
    })
  );
}

function isOlder(a: KubeObject, b: KubeObject): boolean {
  const [ta, tb] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  return ta === tb ? a.metadata.name < b.metadata.name : ta < tb;
}
