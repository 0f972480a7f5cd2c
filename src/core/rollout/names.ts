import { GROUP, type PodTemplate } from "../../api/kubernetes.ts";
import { canonicalJson, sameJson, shortHash } from "../json.ts";

/** Labels, annotations and names that Zenith writes. Labels on our ReplicaSets are `zenith.sh/*` only: a Deployment
 * adopts orphans by their labels. */
export const LABEL_ROLLOUT = `${GROUP}/rollout`;
export const LABEL_REVISION = `${GROUP}/revision`;
export const ANNOTATION_MARK = `${GROUP}/mark`; // On a ControllerRevision: "promoted" or "rejected".
export const ANNOTATION_REASON = `${GROUP}/reason`;
export const ANNOTATION_IMAGES = `${GROUP}/images`;
/** On what a breach was written to, until status holds it: the revision that was rejected, and why. */
export const ANNOTATION_REJECTED = `${GROUP}/rejected`;
/** On objects of others while we have changed them: the Rollout that did. */
export const ANNOTATION_CHANGED_BY = `${GROUP}/changed-by`;
/** On a referenced Deployment: the size it had when it was taken over. */
export const ANNOTATION_ADOPTED_REPLICAS = `${GROUP}/adopted-replicas`;
/** On a ReplicaSet: the term of the leader that last let a Service select its pods. */
export const ANNOTATION_TERM = `${GROUP}/term`;
export const FINALIZER = `${GROUP}/put-back`;

/** ReplicaSet names of at most 57 characters leave pod names room for their own hash. */
const MAX_NAME = 57;

/** `web-5d8f6b7c9x`; a long Rollout name is cut and keeps a hash of what was cut, so that two stay two. */
export function childName(rollout: string, suffix: string): string {
  const whole = `${rollout}-${suffix}`;
  if (whole.length <= MAX_NAME) return whole;
  const room = MAX_NAME - suffix.length - 8;
  return `${rollout.slice(0, room).replace(/[-.]+$/, "")}-${shortHash(rollout).slice(0, 6)}-${suffix}`;
}

/** A label value of a Rollout's name: names may have 253 characters, label values 63. */
export function labelValue(name: string): string {
  return name.length <= 63 ? name : `${name.slice(0, 52).replace(/[-.]+$/, "")}-${shortHash(name)}`;
}

/**
 * Names a pod template. It only names: whether a template is new is decided by comparing templates.
 * @param collisions how many other templates were found under the name before
 */
export function templateHash(template: unknown, collisions = 0): string {
  return shortHash(`${canonicalJson(template)}${collisions === 0 ? "" : `#${collisions}`}`);
}

/** The template as its author wrote it: without what Zenith adds to pods. */
export function withoutOurs(template: PodTemplate): PodTemplate {
  const labels = Object.entries(template.metadata?.labels ?? {}).filter(
    ([k]) => k !== LABEL_ROLLOUT && k !== LABEL_REVISION,
  );
  const annotations = template.metadata?.annotations;
  return {
    metadata: {
      ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
      ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: template.spec,
  };
}

/** Whether two templates say the same, whatever the order of their keys. */
export function sameTemplate(a: PodTemplate, b: PodTemplate): boolean {
  return sameJson(a.spec, b.spec) && sameJson(withoutOurs(a).metadata, withoutOurs(b).metadata);
}
