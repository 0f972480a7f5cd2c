import { type Json, objectSchema } from "../../api/crd.ts";
import { KINDS } from "../../api/kinds.ts";
import { rulesBroken } from "./rules.ts";
import { type Finding, meant, structureOf, typeOf } from "./structure.ts";

/** All of an object's annotations together, in bytes. */
const MOST_ANNOTATIONS = 262_144;

const API = "zenith.sh/v1alpha1";
const schemas = new Map<string, Json>();

function schemaOf(kind: keyof typeof KINDS): Json {
  const known = schemas.get(kind);
  if (known !== undefined) return known;
  const { options, spec, status } = KINDS[kind];
  const schema = objectSchema(options, spec, status);
  schemas.set(kind, schema);
  return schema;
}

/** What the API server would refuse in one object, all of it at once; undefined for a kind that is not ours. */
export function lintObject(object: Json): Finding[] | undefined {
  const { apiVersion, kind } = object;
  if (typeof apiVersion !== "string" || !apiVersion.startsWith("zenith.sh/")) return undefined;
  if (apiVersion !== API) return [{ path: ["apiVersion"], message: `must be ${API} (got "${apiVersion}")` }];
  const kinds = Object.keys(KINDS);
  if (typeof kind !== "string" || !kinds.includes(kind)) {
    const message = `must be one of ${kinds.join(", ")} (got ${JSON.stringify(kind)})${meant(String(kind), kinds)}`;
    return [{ path: ["kind"], message }];
  }
  const schema = schemaOf(kind as keyof typeof KINDS);
  const { status: _theirs, ...given } = object;
  const structure = [...metadataOf(object), ...structureOf(schema, given)];
  // What has another type than its schema says no rule above it can read.
  const broken = structure.filter(({ message }) => /^must be of type|^Required value/.test(message));
  const isSound = (path: Finding["path"]) => !broken.some((finding) => path.every((key, i) => finding.path[i] === key));
  return [...structure, ...rulesBroken(schema, given, isSound)];
}

function metadataOf({ metadata }: Json): Finding[] {
  if (typeOf(metadata) !== "object") return [{ path: ["metadata"], message: "Required value" }];
  const { name, generateName, labels, annotations } = metadata as Json;
  const findings: Finding[] = [];
  if (name === undefined && generateName === undefined)
    findings.push({ path: ["metadata", "name"], message: "Required value: name or generateName is required" });
  if (name !== undefined && !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(String(name)))
    findings.push({
      path: ["metadata", "name"],
      message: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.' (got ${JSON.stringify(name)})`,
    });
  const size = JSON.stringify(annotations ?? {}).length;
  if (size > MOST_ANNOTATIONS)
    findings.push({
      path: ["metadata", "annotations"],
      message: `Too long: may not be more than ${MOST_ANNOTATIONS} bytes`,
    });
  for (const [key, map] of Object.entries({ labels, annotations }))
    for (const [entry, text] of Object.entries(typeOf(map) === "object" ? (map as Json) : {}))
      if (typeof text !== "string")
        findings.push({ path: ["metadata", key, entry], message: `must be of type string: "${typeOf(text)}"` });
  return findings;
}

/** `spec.strategy.canary.steps[0].weight`, as the API server writes a place. */
export function pathSaid(path: Finding["path"]): string {
  return path
    .map((key, i) =>
      typeof key === "number" ? `[${key}]` : /^[A-Za-z_][\w-]*$/.test(key) ? `${i === 0 ? "" : "."}${key}` : `[${key}]`,
    )
    .join("");
}
