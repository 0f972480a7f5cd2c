import { GROUP, type JsonPatchOperation, type KubeObject } from "../../../api/kubernetes.ts";
import { sameJson } from "../../json.ts";
import type { Write } from "../../plan.ts";
import { canaryBpOf, type RouteReading, type RouteWish } from "../../routing.ts";
import { ANNOTATION_CHANGED_BY, ANNOTATION_REJECTED } from "../names.ts";
import { canaryServiceOf, isOwnedBy, pinned, portsOf, TO_DEPLOYMENT } from "../objects.ts";
import type { Target } from "../target.ts";
import type { Routers, World } from "../world.ts";
import { annotate, mergeAnnotations, patch, rejectionNote, removeAnnotation, setAnnotation } from "./patch.ts";

/** Writes that move traffic: routes, the canary Service, the Service. */

export function routeWrites(target: Target, world: World, routers: Routers): Write[] {
  const { settings, snapshot } = world;
  const wish = target.wish;
  if (wish === undefined || settings.service === undefined || settings.canaryService === undefined) return [];
  const backends = { service: settings.service, canaryService: settings.canaryService };
  const raises = new Set<Write>();
  const writes = snapshot.routes.flatMap(({ object }): Write[] => {
    const router = object === undefined ? undefined : routers.get(object.kind);
    if (object === undefined || router === undefined) return [];
    const reading = router.read(object, backends);
    if (
      reading.kind === "unusable" ||
      (reading.kind === "rest" && wish.kind === "paired" && wish.canaryBp === 0 && target.stage !== "Stepping")
    )
      return [];
    const own = joins(object, reading, world) && wish.kind === "paired" ? { ...wish, canaryBp: 0 } : wish;
    const operations = [...router.write(object, backends, own)];
    if (operations.length === 0) return [];
    const write = patch(object, [...operations, ...rejectionNote(object, target.urgent)], routeWhy(own, target.stage), [
      "/spec/rules",
    ]);
    if (own.kind === "paired" && own.canaryBp > canaryBpOf(reading)) raises.add(write);
    return [write];
  });
  // A route that is raised beside one that must not be would come down again, and go up at the next try, without end.
  return raises.size < 2 ? writes : writes.map((write) => (raises.has(write) ? { ...write, rehearsed: true } : write));
}

/** A route that comes to others in a release enters at 0 as they did. One that bears an annotation of ours was there, and has
 * been reset: its gateway knows the canary. */
function joins({ metadata }: KubeObject, reading: RouteReading, { routes }: World): boolean {
  const isMarked = Object.keys(metadata.annotations ?? {}).some((key) => key.startsWith(`${GROUP}/`));
  return reading.kind === "rest" && routes.state === "mixed" && !isMarked;
}

function routeWhy(wish: RouteWish, stage: Target["stage"]): string {
  if (wish.kind === "rest") return "fold the route into what its author wrote";
  // The Service has the new revision by then: a canary at 0 % would read as if it went back.
  if (stage === "HandingOver" && wish.canaryBp === 0) return "give the Service all traffic";
  return `give the canary ${wish.canaryBp / 100} %`;
}

export function serviceWrites(target: Target, world: World): Write[] {
  const { service } = world.snapshot;
  if (service === undefined || target.selects === undefined) return [];
  const selector = pinned(world, service, target.selects);
  const changedBy =
    target.selects === "author"
      ? removeAnnotation(service, ANNOTATION_CHANGED_BY)
      : setAnnotation(service, ANNOTATION_CHANGED_BY, world.name);
  // Its author may have given the selector back himself: then only our mark is left to take away.
  if (sameJson(selector, service.spec.selector ?? {})) {
    const operations = annotate(service, changedBy);
    return operations.length === 0 ? [] : [patch(service, operations, "mark the Service as what it is")];
  }
  const operations: JsonPatchOperation[] = [
    { op: "replace", path: "/spec/selector", value: selector },
    ...mergeAnnotations(service, changedBy, rejectionNote(service, target.urgent)),
  ];
  const why =
    target.selects === "author"
      ? "give the Service its author's selector back"
      : `let the Service select ${selected(target.selects)}`;
  return [patch(service, operations, why, ["/spec/selector"], true)];
}

function selected(pin: string): string {
  if (pin === "all") return "this Rollout's pods";
  return pin.startsWith(TO_DEPLOYMENT) ? "the Deployment's pods" : `revision ${pin}`;
}

export function canaryServiceWrites(target: Target, world: World): Write[] {
  const { service, canaryService } = world.snapshot;
  if (world.settings.canaryService === undefined || service === undefined || target.canarySelects === undefined)
    return [];
  if (canaryService === undefined) {
    if (target.stage !== "Stepping") return [];
    return [
      { verb: "create", why: "make the canary Service", object: canaryServiceOf(world, service, target.canarySelects) },
    ];
  }
  const ours = isOwnedBy(canaryService, world.rollout.metadata.uid);
  const back = target.canarySelects === "author";
  const selector = pinned(world, back ? canaryService : service, target.canarySelects);
  const operations: JsonPatchOperation[] = [];
  if (!sameJson(selector, canaryService.spec.selector ?? {})) {
    const changedBy = back
      ? removeAnnotation(canaryService, ANNOTATION_CHANGED_BY)
      : ours
        ? {}
        : setAnnotation(canaryService, ANNOTATION_CHANGED_BY, world.name);
    operations.push(
      { op: "replace", path: "/spec/selector", value: selector },
      ...mergeAnnotations(canaryService, changedBy, rejectionNote(canaryService, target.urgent)),
    );
  }
  if (ours && !sameJson(portsOf(canaryService), portsOf(service))) {
    operations.push({ op: "replace", path: "/spec/ports", value: portsOf(service) });
  }
  if (operations.length === 0) return [];
  const why = back
    ? "give the canary Service its author's selector back"
    : `let the canary Service select revision ${target.canarySelects}`;
  return [patch(canaryService, operations, why, ["/spec/selector"], true)];
}

/** Taken away once status holds the rejection, when a person lets the revision try again, or when the Rollout goes. */
export function rejectionCleared(target: Target, world: World): Write[] {
  if (target.urgent !== undefined) return [];
  const goes = target.release === true;
  const known = target.forgetRejected === true ? world.wanted?.hash : world.status.rejected?.revision;
  const { service, canaryService, routes } = world.snapshot;
  // Once drained a pair is folded: its note goes with it.
  const waits = target.stage === "Returning" && world.routes.state === "paired" && target.wish?.kind !== "rest";
  const written = waits ? [] : routes.map((route) => route.object);
  return [service, canaryService, ...written].flatMap((object): Write[] => {
    const note = object?.metadata.annotations?.[ANNOTATION_REJECTED];
    if (object === undefined || note === undefined) return [];
    if (!goes && note.split(" ")[0] !== known) return [];
    return [
      patch(
        object,
        annotate(object, { [ANNOTATION_REJECTED]: undefined }),
        goes ? "take the note of a rejection away" : "take the note of a rejection away: status holds it",
      ),
    ];
  });
}
