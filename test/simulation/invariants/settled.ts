import type { Deployment, KubeObject, ReplicaSet, Route, Service } from "../../../src/api/kubernetes.ts";
import {
  ANNOTATION_CHANGED_BY,
  ANNOTATION_REJECTED,
  FINALIZER,
  LABEL_REVISION,
  LABEL_ROLLOUT,
} from "../../../src/core/rollout/names.ts";
import { conditionOf } from "../../../src/core/rollout/world.ts";
import type { Violation } from "../frame.ts";
import type { Simulation } from "../simulation.ts";
import { type Ledger, nameOf } from "./ledger.ts";
import { pinOf } from "./routes.ts";

/** What must hold once faults have stopped and all has come to rest. */
export function settled(sim: Simulation, ledger: Ledger, quiet: boolean): Violation[] {
  const { rollout } = sim;
  if (lacksPodsForGood(sim) || (!quiet && isAsBad(sim))) return [];
  if (!quiet) {
    const { phase, message } = rollout?.status ?? {};
    return [{ invariant: "I12", message: `an hour after the last fault there is no rest: ${phase}, ${message}` }];
  }
  const found = rollout === undefined ? leftBehind(sim, ledger) : [...atRest(sim), ...rightVersion(sim, ledger)];
  return found.map((message) => ({ invariant: rollout === undefined ? "I13" : "I14", message }));
}

/** A release is held for as long as stable is as bad as its canary, and nobody does anything. */
function isAsBad({ rollout, images, health }: Simulation): boolean {
  const { stable, canary } = rollout?.status ?? {};
  const isBad = (revision = "") => (health[images.get(revision) ?? ""]?.errorRate ?? 0) > 0.1;
  return isBad(stable?.revision) && isBad(canary?.revision);
}

/** Pods that its canary lost, or that an autoscaler asked for, after the deadline of its step was met: what does not come up
 * then holds a release for good. */
function lacksPodsForGood({ rollout, images, health }: Simulation): boolean {
  const { canary, phase, message = "" } = rollout?.status ?? {};
  const comesUp = health[images.get(canary?.revision ?? "") ?? ""]?.comesUp;
  return comesUp === "half" && phase === "Progressing" && message.includes("canary pods");
}

/** After the Rollout is gone nothing of it is left, but the pods that it was told to keep. */
function leftBehind(
  { api, scenario, pods, images }: Simulation,
  { sizes, lostWhileLeaving, lateBirths }: Ledger,
): string[] {
  const wrong: string[] = [];
  const policy = scenario.rollout.spec.onDelete ?? (scenario.adopts ? "handBack" : "delete");
  // A Deployment whose pods were kept stays at 0, and says so to who takes them in again.
  const others = ["Service", "HTTPRoute", "GRPCRoute", ...(policy === "handBack" ? ["Deployment"] : [])];
  for (const kind of others) {
    for (const object of api.list(kind)) {
      const marks = Object.keys(object.metadata.annotations ?? {}).filter((key) => key.startsWith("zenith.sh/"));
      if (marks.length > 0) wrong.push(`${nameOf(object)} still bears ${marks.join()}`);
    }
  }
  const selector = api.find<Service>("Service", "web")?.spec.selector ?? {};
  if (Object.keys(selector).some((key) => key.startsWith("zenith.sh/"))) wrong.push("the Service is still pinned");
  if (api.find("Service", "web-canary") !== undefined) wrong.push("the canary Service is left");
  wrong.push(
    ...routesAtRest(api.list("HTTPRoute"), scenario.routes),
    ...routesAtRest(api.list("GRPCRoute"), scenario.routes),
  );
  const ours = api
    .list<ReplicaSet>("ReplicaSet")
    .filter((set) => set.metadata.labels?.[LABEL_ROLLOUT] && !lateBirths.has(nameOf(set)));
  const keeps = policy === "keep" || (policy === "handBack" && !isUp(api.find<Deployment>("Deployment", "web")));
  if (ours.length > (keeps ? 1 : 0)) wrong.push(`${ours.map(nameOf).join()} is left`);
  const begun = scenario.adopts || images.size > 0; // Deleted before anything was made, it leaves nothing.
  const asked = begun && sizes.at(-1)?.size !== 0 && !lostWhileLeaving;
  if (policy !== "delete" && asked && ![...pods.all.values()].some(({ ready }) => ready))
    wrong.push("nothing serves any more");
  return wrong;
}

/** One that does not come up is no reason to let go what serves. */
function isUp(deployment: Deployment | undefined): boolean {
  const { availableReplicas = 0, replicas = 0, updatedReplicas = 0 } = deployment?.status ?? {};
  return availableReplicas >= (deployment?.spec.replicas ?? 1) && replicas === updatedReplicas;
}

function routesAtRest(routes: readonly Route[], authored: readonly Route[]): string[] {
  return routes.flatMap((route) => {
    const author = authored.find((of) => nameOf(of) === nameOf(route));
    const same = JSON.stringify(author?.spec.rules) === JSON.stringify(route.spec.rules);
    return same ? [] : [`${nameOf(route)} is not as its author wrote it: ${JSON.stringify(route.spec.rules)}`];
  });
}

function atRest({ api, rollout, scenario }: Simulation): string[] {
  const wrong: string[] = [];
  const { status, spec, metadata } = rollout as NonNullable<Simulation["rollout"]>;
  const stable = status?.stable?.revision;
  if (metadata.deletionTimestamp !== undefined) return ["the Rollout is being deleted for an hour"];
  // A first version that cannot come up is nobody's fault but its own.
  if (status?.phase === "Failed" && status.message?.includes("first revision") === true) return [];
  // Nor is a Deployment that never ends its own rollout.
  if (conditionOf(status ?? {}, "Ready")?.reason === "WaitingForDeployment" && !isUp(api.find("Deployment", "web")))
    return [];
  if (!["Healthy", "Reverted"].includes(status?.phase ?? "")) return [`ends in ${status?.phase}: ${status?.message}`];
  for (const kind of ["HTTPRoute", "GRPCRoute"]) wrong.push(...routesAtRest(api.list(kind), scenario.routes));
  for (const name of ["web", "web-canary"]) {
    const service = api.find("Service", name);
    const pin = pinOf(service);
    if (pin !== undefined && pin !== stable) wrong.push(`Service ${name} selects ${pin}, stable is ${stable}`);
    if (service !== undefined && scenario.division === "routes" && pin === undefined)
      wrong.push(`${name} is not pinned`);
  }
  for (const set of api.list<ReplicaSet>("ReplicaSet")) {
    const revision = set.metadata.labels?.[LABEL_REVISION];
    if (revision === undefined) continue;
    const size = revision === stable ? (spec.replicas ?? 1) : 0;
    if (set.spec.replicas !== size) wrong.push(`${revision} has size ${set.spec.replicas}, not ${size}`);
    if (revision !== stable) wrong.push(`the ReplicaSet of ${revision} is left`);
  }
  const deployment = api.find<Deployment>("Deployment", "web");
  if (deployment !== undefined && (deployment.spec.replicas !== 0 || deployment.spec.paused !== true))
    wrong.push(`the Deployment has ${deployment.spec.replicas} replicas, paused ${deployment.spec.paused}`);
  for (const object of marked(api.list("Service"), api.list("HTTPRoute"), api.list("GRPCRoute")))
    wrong.push(`${nameOf(object)} still bears a rejection`);
  if (metadata.finalizers?.includes(FINALIZER) !== true) wrong.push("our finalizer is gone");
  return wrong;
}

function marked(...lists: (readonly KubeObject[])[]): KubeObject[] {
  return lists.flat().filter(({ metadata }) => metadata.annotations?.[ANNOTATION_REJECTED] !== undefined);
}

/** A bad version ends as stable only where someone said so, or where there was none before it; a good one is not blamed. */
function rightVersion({ rollout, images, health }: Simulation, ledger: Ledger): string[] {
  const { status, spec } = rollout as NonNullable<Simulation["rollout"]>;
  const stable = status?.stable?.revision ?? "";
  const serving = health[images.get(stable) ?? ""];
  // A walk of one step is judged in the bake alone, and this one is too short to judge in.
  const unjudged = spec.bake !== "2m" && spec.strategy?.canary?.steps?.length === 1;
  // Beside a stable that fails as often, a bad canary is no worse.
  const comparable = !ledger.happened.has("turnsBad") && !ledger.happened.has("bothBad");
  const judged =
    comparable &&
    !unjudged &&
    spec.analysis?.disabled !== true &&
    !ledger.excused.has(stable) &&
    status?.phase === "Healthy";
  if (judged && serving !== undefined && serving.errorRate > 0.1) return [`${stable} is bad, and stable`];
  const { rejected } = status ?? {};
  const blamed = health[images.get(rejected?.revision ?? "") ?? ""];
  const innocent = blamed !== undefined && blamed.errorRate < 0.01 && !ledger.happened.has("bothBad");
  if (status?.phase === "Reverted" && rejected?.reason === "AnalysisFailed" && innocent)
    return [`${rejected.revision} is good, and was rejected: ${rejected.message}`];
  const lostPods = ledger.happened.has("podsDie") || ledger.happened.has("deleteReplicaSet");
  if (rejected?.reason === "ProgressDeadlineExceeded" && blamed?.comesUp === "soon" && !lostPods)
    return [`${rejected.revision} comes up soon, and was rejected: ${rejected.message}`];
  return [];
}

export const MARKS = [ANNOTATION_CHANGED_BY, ANNOTATION_REJECTED];
