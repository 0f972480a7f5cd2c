import { GROUP, type PodTemplate } from "../../api/kubernetes.ts";

/** Labels, annotations and names that Zenith writes. Labels on our ReplicaSets are `zenith.sh/*` only: a Deployment
 * adopts orphans by their labels. */
export const LABEL_ROLLOUT = `${GROUP}/rollout`;
export const LABEL_REVISION = `${GROUP}/revision`;
export const ANNOTATION_REQUEST = `${GROUP}/request`;
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

/** JSON with keys in code-unit order: equal values give equal text, whatever order their writer chose. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** Whether two values are the same JSON, whatever the order of their keys; a member that is undefined is none. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  for (const key in left) if (!sameJson(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
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

/** Letters that cannot spell words, as pod hashes have them. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** FNV-1a over UTF-16 code units in 64 bits, ten letters. Not for secrets; a collision is caught by comparing templates. */
export function shortHash(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  }
  let name = "";
  for (let i = 0; i < 10; i++) {
    name += ALPHABET[Number(hash % 27n)];
    hash /= 27n;
  }
  return name;
}
