import { type KubeObject, refOf } from "../../api/kubernetes.ts";
import { canonicalJson } from "../../core/json.ts";
import { isOwnedBy } from "../../core/rollout/objects.ts";
import { type ApiError, isKind } from "../../kube/errors.ts";
import type { Resources } from "../../kube/resource.ts";

/** The name of a child is another's for good: the revision needs a new one, which `collisionCount` gives. */
export class NameTaken extends Error {
  override readonly name = "NameTaken";
  readonly object: KubeObject;

  constructor(object: KubeObject, holder: string, cause: ApiError) {
    const { kind, metadata } = object;
    super(`Cannot create ${kind} "${metadata.namespace}/${metadata.name}": ${holder}`, { cause });
    this.object = object;
  }
}

/**
 * Creates an object of ours. One that is there already is as good where it is ours and says the same: our own create, whose
 * answer was lost, or which the cache does not show yet.
 * @throws NameTaken where the name belongs to something else; ApiError, with kind "exists" where it will be free soon */
export async function make(resources: Resources, object: KubeObject): Promise<KubeObject> {
  try {
    return await resources.create(object);
  } catch (error) {
    if (!isKind(error, "exists")) throw error;
    return await accept(resources, object, error);
  }
}

async function accept(resources: Resources, wanted: KubeObject, exists: ApiError): Promise<KubeObject> {
  const found = await resources.get<KubeObject>(refOf(wanted));
  if (found.metadata.deletionTimestamp !== undefined) throw exists; // It goes; then there is room.
  if (isOwnedBy(found, ownerUid(wanted))) {
    if (await saysTheSame(resources, wanted, found)) return found;
    throw new NameTaken(wanted, "one of ours has that name and another template", exists);
  }
  const owner = found.metadata.ownerReferences?.find(({ controller }) => controller === true);
  const wantedOwner = wanted.metadata.ownerReferences?.find(({ controller }) => controller === true);
  // Of a Rollout of this name that was deleted: the garbage collector comes for it.
  if (owner !== undefined && owner.kind === wantedOwner?.kind && owner.name === wantedOwner.name) throw exists;
  // What a Rollout of this name kept bears our labels, and is taken in once the cache shows it.
  if (owner === undefined && isLabelledAs(found, wanted)) throw exists;
  // Services are found by the names in the spec, whoever made them: the next pass sees this one.
  if (wanted.kind === "Service") throw exists;
  throw new NameTaken(
    wanted,
    owner === undefined ? "it is there" : `it belongs to ${owner.kind} "${owner.name}"`,
    exists,
  );
}

function ownerUid({ metadata }: KubeObject): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
}

function isLabelledAs(found: KubeObject, wanted: KubeObject): boolean {
  return Object.entries(wanted.metadata.labels ?? {}).every(([key, value]) => found.metadata.labels?.[key] === value);
}

/** Templates are compared as today's API server defaults them, which a dry run of the same under another name tells. */
async function saysTheSame(resources: Resources, wanted: KubeObject, found: KubeObject): Promise<boolean> {
  switch (wanted.kind) {
    case "ControllerRevision":
      return same(dataOf(wanted), dataOf(found));
    case "ReplicaSet": {
      const metadata = { ...wanted.metadata, name: `${wanted.metadata.name}-same` };
      const defaulted = await resources.create({ ...wanted, metadata }, { dryRun: true });
      return same(templateOf(defaulted), templateOf(found));
    }
    default:
      return true; // A Service of ours: the next pass brings it up to date.
  }
}

function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

function dataOf(object: KubeObject): unknown {
  return (object as { data?: unknown }).data;
}

function templateOf(object: KubeObject): unknown {
  return (object as { spec?: { template?: unknown } }).spec?.template;
}
