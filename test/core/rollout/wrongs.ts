import type { EndpointSlice, Route } from "../../../src/api/kubernetes.ts";
import { applyPatch } from "../../../src/core/forecast/json-patch.ts";
import type { Write } from "../../../src/core/plan.ts";
import type { RolloutPlan } from "../../../src/core/rollout/plan.ts";
import type { Play } from "./play.ts";

/** What no plan may do, whatever the play. */
export function wrongsOf(play: Play, { writes, target }: RolloutPlan): string[] {
  const before = canaryShare(play.objects.get<Route>("HTTPRoute", "web"));
  const after = canaryShare(routeAfter(play, writes));
  const moved = (name: string) => writes.some((write) => selects(write, name));
  const wrongs: string[] = [];
  const toCanary = target.canarySelects !== target.stable; // To stable it may move at any time.
  if (toCanary && moved("web-canary") && Math.max(before, after) > 0)
    wrongs.push("moved the canary Service while it had traffic");
  if (target.stage === "HandingOver" && moved("web") && before !== after)
    wrongs.push("moved the selector and a weight in one pass");
  if (after > before && readyBehind(play, "web-canary") === 0) wrongs.push("raised the canary onto no ready pod");
  if (after > target.weightBp / 10_000 + 1e-6) wrongs.push(`wrote ${after}, more than the step's ${target.weightBp}`);
  return wrongs;
}

function routeAfter(play: Play, writes: readonly Write[]): Route | undefined {
  const route = play.objects.get<Route>("HTTPRoute", "web");
  const patches = writes.flatMap((write) =>
    write.verb === "jsonPatch" && write.ref.kind === "HTTPRoute" && write.ref.name === "web" ? [write.operations] : [],
  );
  return patches.reduce((object, operations) => object && applyPatch(object, operations), route);
}

/** The canary's share of the first rule, as a fraction. */
function canaryShare(route: Route | undefined): number {
  const refs = route?.spec.rules?.[0]?.backendRefs ?? [];
  const total = refs.reduce((sum, { weight }) => sum + (weight ?? 1), 0);
  const canary = refs.find(({ name }) => name === "web-canary");
  return canary === undefined || total === 0 ? 0 : (canary.weight ?? 1) / total;
}

function readyBehind(play: Play, service: string): number {
  return play.objects.get<EndpointSlice>("EndpointSlice", service)?.endpoints?.length ?? 0;
}

function selects(write: Write, name: string): boolean {
  return (
    write.verb === "jsonPatch" &&
    write.ref.kind === "Service" &&
    write.ref.name === name &&
    write.operations.some(({ path }) => path === "/spec/selector")
  );
}
