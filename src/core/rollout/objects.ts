import type {
  ControllerRevision,
  Deployment,
  KubeObject,
  OwnerReference,
  PodTemplate,
  ReplicaSet,
  Service,
} from "../../api/kubernetes.ts";
import {
  ANNOTATION_CHANGED_BY,
  ANNOTATION_IMAGES,
  childName,
  LABEL_REVISION,
  LABEL_ROLLOUT,
  labelValue,
  withoutOurs,
} from "./names.ts";
import type { Revision, World } from "./world.ts";

/** The objects that Zenith makes, whole, as they are sent; and how a Service is narrowed. */

export const TO_DEPLOYMENT = "deployment:";
/** The label by which a Deployment tells its ReplicaSets' pods apart. */
const POD_TEMPLATE_HASH = "pod-template-hash";

function labels(world: World, hash: string): Record<string, string> {
  return { [LABEL_ROLLOUT]: labelValue(world.name), [LABEL_REVISION]: hash };
}

function controllerReference({ rollout }: World): OwnerReference {
  return {
    apiVersion: rollout.apiVersion,
    kind: rollout.kind,
    name: rollout.metadata.name,
    uid: rollout.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The Deployment as a second owner, so that a foreground delete of the Rollout does not take the pods before our
 * finalizer has acted. */
function secondOwner(deployment: Deployment | undefined): OwnerReference[] {
  if (deployment === undefined) return [];
  return [
    {
      apiVersion: deployment.apiVersion,
      kind: deployment.kind,
      name: deployment.metadata.name,
      uid: deployment.metadata.uid ?? "",
    },
  ];
}

/** Who owns our ReplicaSets: this Rollout, and beside it the Deployment that it serves for. */
export function ownersOf(world: World): OwnerReference[] {
  const deployment = world.settings.workload === undefined ? undefined : world.snapshot.deployment;
  return [controllerReference(world), ...secondOwner(deployment)];
}

/** A ReplicaSet of one revision: the template as it was written, plus two labels. */
export function replicaSetOf(world: World, revision: Revision, size: number): ReplicaSet {
  const { settings } = world;
  const own = labels(world, revision.hash);
  const template = withoutOurs(revision.template);
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: childName(world.name, revision.hash),
      namespace: world.namespace,
      labels: own,
      ownerReferences: ownersOf(world),
    },
    spec: {
      replicas: size,
      minReadySeconds: settings.minReadySeconds,
      selector: { matchLabels: own },
      template: { ...template, metadata: { ...template.metadata, labels: { ...template.metadata?.labels, ...own } } },
    },
  };
}

/** What is remembered of a revision after its pods are gone. */
export function recordOf(world: World, revision: Revision, number: number): ControllerRevision {
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name: childName(world.name, revision.hash),
      namespace: world.namespace,
      labels: labels(world, revision.hash),
      annotations: { [ANNOTATION_IMAGES]: imagesOf(revision.template).join(" ").slice(0, 4096) },
      ownerReferences: [controllerReference(world)],
    },
    revision: number,
    data: { template: withoutOurs(revision.template) },
  };
}

/** The canary Service: the ports of `service`, and a selector of one revision. */
export function canaryServiceOf(world: World, service: Service, hash: string): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: world.settings.canaryService ?? "",
      namespace: world.namespace,
      labels: { [LABEL_ROLLOUT]: labelValue(world.name) },
      ownerReferences: [controllerReference(world)],
    },
    spec: { selector: pinned(world, service, hash), ports: portsOf(service) },
  };
}

/** Ports as another Service may have them: node ports belong to one. */
export function portsOf(service: Service): NonNullable<Service["spec"]["ports"]> {
  return (service.spec.ports ?? []).map(({ name, protocol, port, targetPort, appProtocol }) => ({
    ...(name === undefined ? {} : { name }),
    ...(protocol === undefined ? {} : { protocol }),
    port,
    ...(targetPort === undefined ? {} : { targetPort }),
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }));
}

/** The author's selector, narrowed to this Rollout ("all"), to one of its revisions, to the pods of the referenced Deployment
 * ("deployment:<hash>"), or not at all ("author"). */
export function pinned(world: World, service: Service, to: string): Record<string, string> {
  const { [LABEL_ROLLOUT]: _rollout, [LABEL_REVISION]: _revision, ...selector } = service.spec.selector ?? {};
  const author = pinOf(service, world.name).startsWith(TO_DEPLOYMENT) ? without(selector, POD_TEMPLATE_HASH) : selector;
  if (to === "author") return author;
  if (to.startsWith(TO_DEPLOYMENT)) return { ...author, [POD_TEMPLATE_HASH]: to.slice(TO_DEPLOYMENT.length) };
  return { ...author, [LABEL_ROLLOUT]: labelValue(world.name), ...(to === "all" ? {} : { [LABEL_REVISION]: to }) };
}

/** What a Service lets in: the hash of one revision, "all" of this Rollout's, "deployment:<hash>" for a Deployment's pods
 * where we narrowed it so, or whatever its "author" wrote. */
export function pinOf(service: Service | undefined, rolloutName: string): string {
  const selector = service?.spec.selector ?? {};
  if (selector[LABEL_ROLLOUT] === labelValue(rolloutName)) return selector[LABEL_REVISION] ?? "all";
  const theirs = selector[POD_TEMPLATE_HASH];
  const ours = service?.metadata.annotations?.[ANNOTATION_CHANGED_BY] === rolloutName;
  return ours && theirs !== undefined ? `${TO_DEPLOYMENT}${theirs}` : "author";
}

function without(selector: Readonly<Record<string, string>>, key: string): Record<string, string> {
  return Object.fromEntries(Object.entries(selector).filter(([name]) => name !== key));
}

/** Images of a pod template, in the order of its containers. */
export function imagesOf(template: PodTemplate): string[] {
  const containers = template.spec.containers;
  if (!Array.isArray(containers)) return [];
  return containers
    .map((container: { image?: unknown }) => (typeof container?.image === "string" ? container.image : ""))
    .filter((image) => image !== "");
}

export function isOwnedBy(object: KubeObject, uid: string | undefined): boolean {
  return object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.controller === true) === true;
}
