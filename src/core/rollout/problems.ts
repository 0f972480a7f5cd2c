import type { PodTemplate, Route, Service } from "../../api/kubernetes.ts";
import { ANNOTATION_CHANGED_BY, LABEL_ROLLOUT, labelValue } from "./names.ts";
import { isOwnedBy, pinned } from "./objects.ts";
import type { World } from "./world.ts";

/** What is wrong with a spec that only the cluster can show: a reason that docs/reference/reasons.md lists, and a sentence
 * with what was found and what to do. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

type Check = (world: World) => Problem | undefined;

/** In the order in which a person would mend them. */
const CHECKS: readonly Check[] = [
  serviceSelectsOthers,
  servicePortMissing,
  canaryServiceTaken,
  ({ routes }) => routes.problem,
  routePortMissing,
  doubleSplit,
  autoscaledBeneath,
  analysisUnusable,
];

/** Before there is a stable: whatever else serves there must not lose its traffic to our first pods. */
const FIRST_CHECKS: readonly Check[] = [...CHECKS, selectorOverlaps, serviceHasOtherPods];

/** Why no release can start, the first reason found. One that is on its way is never stopped by these: its rules judge what
 * they see. */
export function problemOf(world: World): Problem | undefined {
  if (world.serviceOfOthers !== undefined) return world.serviceOfOthers;
  for (const check of world.stable === undefined ? FIRST_CHECKS : CHECKS) {
    const problem = check(world);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Why a Service that the spec has come to name is left alone: pinned to our pods it would lead nowhere, or others would lose
 * its traffic. What bears our mark, or has a pair in front of it, is ours to lead. */
export function serviceOfOthers(world: World): Problem | undefined {
  const { stable, snapshot, selects, routes, name } = world;
  if (stable === undefined || snapshot.service === undefined || selects !== "author") return undefined;
  if (snapshot.service.metadata.annotations?.[ANNOTATION_CHANGED_BY] === name) return undefined;
  if (routes.state === "paired" || routes.state === "mixed") return undefined;
  return serviceSelectsOthers(world) ?? serviceHasOtherPods(world);
}

/** A refused template holds everything that goes up: nothing can be made of it. */
export function templateRefused({ snapshot }: World): Problem | undefined {
  if (snapshot.templateProblem === undefined) return undefined;
  return { reason: "TemplateRefused", message: `the API server refuses the template: ${snapshot.templateProblem}` };
}

/** A Service that was narrowed to our pods while it asks for labels that they lack would lead nowhere. */
function serviceSelectsOthers(world: World): Problem | undefined {
  const { wanted, snapshot, settings } = world;
  if (snapshot.service === undefined || wanted === undefined) return undefined;
  const lacking = lackingLabels(world, snapshot.service);
  if (lacking.length === 0) return undefined;
  const asked = lacking.map(([key, value]) => `${key}=${value}`).join(", ");
  const message = `Service "${settings.service}" selects ${asked}, which the template's labels do not say; make them agree`;
  return { reason: "ServiceSelectsOthers", message };
}

/** What a Service's author asks of pods, and the wanted template does not say. */
function lackingLabels(world: World, service: Service): [string, string][] {
  const labels = world.wanted?.template.metadata?.labels ?? {};
  return Object.entries(pinned(world, service, "author")).filter(([key, value]) => labels[key] !== value);
}

/** A port that is named must be one of the containers'; a number needs no declaration. */
function servicePortMissing({ wanted, snapshot, settings }: World): Problem | undefined {
  if (snapshot.service === undefined || wanted === undefined) return undefined;
  const names = portNamesOf(wanted.template);
  const port = snapshot.service.spec.ports?.find((p) => typeof p.targetPort === "string" && !names.has(p.targetPort));
  if (port === undefined) return undefined;
  const found = names.size === 0 ? "no container has a named port" : `there are ${[...names].join(", ")}`;
  const message = `port ${port.port} of Service "${settings.service}" leads to a container port named "${port.targetPort}", and ${found}; name one in the template, or use its number`;
  return { reason: "ServicePortMissing", message };
}

function portNamesOf(template: PodTemplate): Set<string> {
  const { containers, initContainers } = template.spec as Readonly<Record<string, unknown>>;
  const ports = [containers, initContainers].flatMap((list) =>
    Array.isArray(list) ? list.flatMap((container: { ports?: unknown }) => container?.ports ?? []) : [],
  ) as readonly { name?: unknown }[];
  return new Set(ports.map((port) => port?.name).filter((name) => typeof name === "string"));
}

/** The canary Service is ours, or one for these pods that its author names: what merely has the name that ours would get
 * may serve someone else. */
function canaryServiceTaken(world: World): Problem | undefined {
  const { snapshot, settings, rollout, name } = world;
  const { canaryService } = snapshot;
  if (canaryService === undefined || isOwnedBy(canaryService, rollout.metadata.uid)) return undefined;
  if (canaryService.metadata.labels?.[LABEL_ROLLOUT] === labelValue(name)) return undefined;
  const named = rollout.spec.traffic?.canaryService !== undefined;
  if (named && lackingLabels(world, canaryService).length === 0) return undefined;
  const hint = named ? "or name another" : "or name one for these pods";
  const message = `Service "${settings.canaryService}" exists and is not this Rollout's; delete it, which lets Zenith make its own, ${hint} in spec.traffic.canaryService`;
  return { reason: "CanaryServiceTaken", message };
}

function routePortMissing({ snapshot, settings }: World): Problem | undefined {
  const { service, routes } = snapshot;
  if (service === undefined) return undefined;
  const ports = (service.spec.ports ?? []).map(({ port }) => port);
  for (const { ref, object } of routes) {
    const asked = portsAskedOf(object as Route | undefined, service).find((port) => !ports.includes(port));
    if (asked === undefined) continue;
    const message = `${ref.kind} "${ref.name}" sends to port ${asked} of Service "${settings.service}", which has ${ports.join(", ")}; name one of these in its backendRef`;
    return { reason: "RoutePortMissing", message };
  }
  return undefined;
}

function portsAskedOf(route: Route | undefined, { metadata }: Service): number[] {
  const refs = (route?.spec.rules ?? []).flatMap((rule) => rule.backendRefs ?? []);
  const own = refs.filter(
    (ref) =>
      ref.name === metadata.name &&
      (ref.kind ?? "Service") === "Service" &&
      (ref.namespace ?? metadata.namespace) === metadata.namespace,
  );
  return own.flatMap(({ port }) => (port === undefined ? [] : [port]));
}

/** Behind a Gateway's split a mesh would split once more: 10 % of 10 %. */
function doubleSplit({ snapshot, settings }: World): Problem | undefined {
  if (settings.allowDoubleSplit) return undefined;
  const parents = snapshot.routes.flatMap(({ object }) => (object as Route | undefined)?.spec.parentRefs ?? []);
  const meshes = parents.filter(({ kind, name }) => kind === "Service" && name === settings.service);
  if (meshes.length === 0 || parents.every(({ kind }) => kind === "Service")) return undefined;
  const message = `the routes split traffic to Service "${settings.service}" at a Gateway and again in the mesh; take one out of spec.traffic.routes, or set spec.traffic.allowDoubleSplit`;
  return { reason: "DoubleSplit", message };
}

/** An autoscaler that moves our ReplicaSets' sizes would fight with every step. */
function autoscaledBeneath({ snapshot, name }: World): Problem | undefined {
  const found = snapshot.autoscalers.find(({ spec }) => spec.scaleTargetRef.kind === "ReplicaSet");
  if (found === undefined) return undefined;
  const message = `HorizontalPodAutoscaler "${found.metadata.name}" scales ReplicaSet "${found.spec.scaleTargetRef.name}"; let it scale Rollout "${name}" instead (apiVersion zenith.sh/v1alpha1, kind Rollout)`;
  return { reason: "AutoscalerTargetsReplicaSet", message };
}

function analysisUnusable({ snapshot, settings }: World): Problem | undefined {
  const { source } = snapshot.metrics;
  if (settings.analysis === undefined || source.kind !== "unusable") return undefined;
  return { reason: source.reason ?? "SourceCannotSeparate", message: source.message };
}

function selectorOverlaps({ snapshot }: World): Problem | undefined {
  const { overlap } = snapshot;
  if (overlap === undefined) return undefined;
  const hint = overlap.startsWith("Deployment")
    ? "take it over with spec.workloadRef, scale it to 0, or use other labels"
    : "use other labels";
  const message = `the selector of ${overlap} matches the template's labels, so both would count the same pods; ${hint}`;
  return { reason: "SelectorOverlaps", message };
}

/** Narrowed to our pods, the Service would take the traffic of whatever else it leads to now. */
function serviceHasOtherPods({ serviceEndpoints, settings }: World): Problem | undefined {
  const { foreignPods } = serviceEndpoints;
  if (settings.workload !== undefined || foreignPods.length === 0) return undefined;
  const shown = foreignPods.slice(0, 3).join(", ");
  const more = foreignPods.length > 3 ? ` and ${foreignPods.length - 3} more` : "";
  const message = `Service "${settings.service}" leads to pods of others (${shown}${more}), which would lose its traffic; take their Deployment over with spec.workloadRef, or use a Service of its own`;
  return { reason: "ServiceHasOtherPods", message };
}
