import { describeRef, type JsonPatchOperation, type KubeObject, refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import type { Write } from "../../core/plan.ts";
import type { RolloutPlan } from "../../core/rollout/plan.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import { unfinishedStatus } from "../../core/rollout/unfinished.ts";
import { ApiError, isKind } from "../../kube/errors.ts";
import { type Disowned, disownOperations } from "../../kube/managed-fields.ts";
import type { Resources } from "../../kube/resource.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Written } from "../awaited.ts";
import { writeStatus } from "../write-status.ts";
import { countCollision } from "./collision.ts";
import { make, NameTaken } from "./make.ts";
import type { Failure } from "./refusals.ts";
import { TermStamps } from "./stamp.ts";

const MANAGER = "zenith";

export interface Acted {
  readonly written: Written;
  /** Why each write that was done was done, in order. */
  readonly done: readonly string[];
  /** The first write that failed; what stood behind it was not tried, but for the rest of its group. */
  readonly error?: unknown;
}

/** Carries a plan out: writes in order, stopping at the first that fails; those of one group all at once, each on its own;
 * status last, as far as it was done.
 * @param term of the leader that acts; undefined where there is no other that might
 * @param refusalOf what is to be told of a write that failed, if anything */
export async function act(
  resources: Resources,
  snapshot: Snapshot,
  plan: RolloutPlan,
  log: Logger,
  term?: string,
  refusalOf: (failure: Failure) => string | undefined = () => undefined,
): Promise<Acted> {
  const written: Written = new Map();
  const done: string[] = [];
  let rollout: Rollout = snapshot.rollout;
  let failure: Failure | undefined;
  let error: unknown;
  const note = (object: KubeObject | undefined): void => {
    if (object === undefined) return;
    written.set(describeRef(refOf(object)), { ref: refOf(object), version: object.metadata.resourceVersion ?? "0" });
    if (object.kind === "Rollout") rollout = object as Rollout;
    stamps?.note(object);
  };
  const noteDeleted = ({ ref, uid, resourceVersion = "0" }: Write & { verb: "delete" }): void => {
    written.set(describeRef(ref), { ref, version: resourceVersion, deletedUid: uid });
  };
  const stamps = term === undefined ? undefined : new TermStamps(resources, term, snapshot.replicaSets);
  let rehearsed = false;
  const sendStamped = async (write: Write): Promise<KubeObject | undefined> => {
    if (isRehearsed(write) && !rehearsed) await rehearse(resources, plan.writes.filter(isRehearsed));
    rehearsed ||= isRehearsed(write);
    for (const set of (await stamps?.before([write])) ?? []) note(set);
    return await send(resources, write, stamps);
  };
  const isLeaving = plan.target.release === true;
  for (const group of groupsOf(plan.writes)) {
    const results = await Promise.allSettled(group.map(sendStamped));
    for (const [i, result] of results.entries()) {
      const write = group[i] as Write;
      if (result.status === "fulfilled") {
        note(result.value);
        if (write.verb === "delete") noteDeleted(write);
        done.push(write.why);
      } else if (!isGone(result.reason, write) && !(isLeaving && isReleased(result.reason, write))) {
        failure ??= { why: write.why, error: result.reason };
        error ??= result.reason;
        log.warn({ write: write.why, error: String(result.reason) }, "a write failed");
      }
    }
    if (error !== undefined) break;
  }
  try {
    if (error instanceof NameTaken) note(await countCollision(resources, rollout, error));
    else if (!isLeaving) {
      const { nowMs } = snapshot;
      const status = failure === undefined ? plan.status : unfinishedStatus(rollout, plan, refusalOf(failure), nowMs);
      if (status !== undefined) note(await writeStatus(resources, rollout, status));
    }
  } catch (cause) {
    error ??= cause;
  }
  return error === undefined ? { written, done } : { written, done, error };
}

/** A cache that is late may still show what was deleted: nothing is left to do. */
function isGone(error: unknown, write: Write): boolean {
  return isKind(error, "notFound") && write.verb === "delete";
}

/** As it may still show a Rollout that we have let go. */
function isReleased(error: unknown, write: Write): boolean {
  return isKind(error, "notFound") && write.verb === "jsonPatch" && write.ref.kind === "Rollout";
}

/** Writes of one `together` stand in one group; every other write is a group of its own. */
function groupsOf(writes: readonly Write[]): Write[][] {
  const groups: Write[][] = [];
  for (const write of writes) {
    const last = groups.at(-1);
    if (last !== undefined && write.together !== undefined && last[0]?.together === write.together) last.push(write);
    else groups.push([write]);
  }
  return groups;
}

/** @returns the object as it is now; undefined where it is gone */
async function send(resources: Resources, write: Write, stamps?: TermStamps): Promise<KubeObject | undefined> {
  switch (write.verb) {
    case "create":
      return await make(resources, stamps?.born(write.object) ?? write.object);
    case "jsonPatch":
      return await patch(resources, write);
    case "mergePatch":
      return await resources.mergePatch(write.ref, guarded(write.patch, write.resourceVersion));
    case "delete":
      await resources.delete(write.ref, {
        uid: write.uid,
        ...(write.resourceVersion === undefined ? {} : { resourceVersion: write.resourceVersion }),
      });
      return undefined;
    default: {
      const never: never = write;
      throw new Error(`Unknown write ${JSON.stringify(never)}`);
    }
  }
}

function guarded(patch: unknown, resourceVersion: string | undefined): unknown {
  if (resourceVersion === undefined) return patch;
  const { metadata, ...rest } = patch as { metadata?: object };
  return { ...rest, metadata: { ...metadata, resourceVersion } };
}

type Patch = Write & { readonly verb: "jsonPatch" };

async function patch(resources: Resources, write: Patch): Promise<KubeObject> {
  const { ref, shared = [], lasting = false } = write;
  const object = await resources.jsonPatch<KubeObject>(ref, onItsVersion(write));
  return await disown(resources, object, { shared, lasting });
}

function onItsVersion({ operations, resourceVersion }: Patch): JsonPatchOperation[] {
  return [{ op: "replace", path: "/metadata/resourceVersion", value: resourceVersion }, ...operations];
}

function isRehearsed(write: Write): write is Patch {
  return write.verb === "jsonPatch" && write.rehearsed === true;
}

/** @throws ApiError of the first that the API server would not take */
async function rehearse(resources: Resources, writes: readonly Patch[]): Promise<void> {
  const ask = (write: Patch) => resources.jsonPatch(write.ref, onItsVersion(write), { dryRun: true });
  const answers = await Promise.allSettled(writes.map(ask));
  for (const answer of answers) if (answer.status === "rejected" && !isUndecided(answer.reason)) throw answer.reason;
}

/** A webhook with side effects is not asked in a dry run; the API server then refuses in these words. */
function isUndecided(error: unknown): boolean {
  return error instanceof ApiError && error.message.includes("does not support dry run");
}

/** Tries to leave managedFields before whoever writes meanwhile, a gateway its status say, stops trying to be first. */
const DISOWN_TRIES = 5;

/** Takes our entry out of managedFields where others apply the same fields: their next unforced apply must not conflict. */
async function disown(resources: Resources, written: KubeObject, disowned: Disowned): Promise<KubeObject> {
  let object = written;
  for (let i = 0; i < DISOWN_TRIES; i++) {
    const operations = disownOperations(object, MANAGER, disowned);
    if (operations.length === 0) return object;
    try {
      return await resources.jsonPatch<KubeObject>(refOf(object), operations);
    } catch (error) {
      if (!isKind(error, "conflict", "invalid", "notFound")) throw error;
    }
    object = await resources.get<KubeObject>(refOf(object));
  }
  return object; // What we wanted stands; the entry leaves with our next write.
}
