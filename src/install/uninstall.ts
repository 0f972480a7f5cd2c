import { type ObjectRef, refOf } from "../api/kubernetes.ts";
import { ANNOTATION_REQUEST, formatRequest } from "../api/request.ts";
import type { Rollout } from "../api/rollout.ts";
import { FINALIZER } from "../core/rollout/names.ts";
import type { Clock } from "../kube/clock.ts";
import { isKind } from "../kube/errors.ts";
import { defineResource, type Resources } from "../kube/resource.ts";
import type { Logger } from "../telemetry/log.ts";
import { readLeadership } from "./lease.ts";
import type { UninstallSettings } from "./settings.ts";

/*
 * Before Zenith goes, what it would have seen to is settled:
 *
 *     releases on their way go back to stable (the operator does that) ─▶ the operator is stopped, and has ended
 *       ─▶ our finalizer is taken off every Rollout
 *
 * In this order: a running operator would put the finalizer back. Whatever serves goes on serving. Done twice, it is as done once.
 */

const ROLLOUTS = defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts");
defineResource("apps/v1", "Deployment", "deployments");
const LOOK_EVERY_MS = 1_000;
/** Stages in which traffic is being moved, or is divided. */
const RISING: readonly string[] = ["Stepping", "HandingOver"];
const MOVING: readonly string[] = [...RISING, "Returning", "RollingBack", "Leaving"];
const TRIES = 5;

export interface Helpers {
  readonly resources: Resources;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Carries it out.
 * @throws ApiError where the API server refuses, or does not answer: it may be called again */
export async function uninstall(settings: UninstallSettings, helpers: Helpers): Promise<void> {
  await comeToRest(settings, helpers);
  await stopOperator(settings, helpers);
  await releaseAll(settings, helpers);
}

/** None where the definitions were deleted first: all Rollouts went with them. */
async function rolloutsOf({ namespaces }: UninstallSettings, resources: Resources): Promise<Rollout[]> {
  const parts = namespaces.length === 0 ? [undefined] : namespaces;
  try {
    const lists = await Promise.all(parts.map((namespace) => resources.list<Rollout>(ROLLOUTS, namespace)));
    return lists.flat();
  } catch (error) {
    if (isKind(error, "notFound")) return [];
    throw error;
  }
}

/** Aborts what rises, once, and waits until nothing moves or time is up: then what is under way stays as it stands. */
async function comeToRest(settings: UninstallSettings, helpers: Helpers): Promise<void> {
  const { resources, clock, log } = helpers;
  const endMs = clock.monotonicMs() + settings.timeoutMs;
  const asked = new Set<string>();
  for (;;) {
    const moving = (await rolloutsOf(settings, resources)).filter(({ status }) => isIn(MOVING, status));
    for (const rollout of moving.filter(({ status }) => isIn(RISING, status))) {
      const key = `${rollout.metadata.uid}/${rollout.status?.canary?.revision}`;
      if (asked.has(key)) continue;
      asked.add(key);
      await abort(rollout, helpers);
    }
    if (moving.length === 0 || !(await someoneLeads(settings, resources))) return;
    if (clock.monotonicMs() > endMs) {
      const names = moving.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      log.warn({ rollouts: names }, "not back at rest in time; they stay as they stand");
      return;
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
}

function isIn(stages: readonly string[], status: Rollout["status"]): boolean {
  return stages.includes(status?.progress?.stage ?? "");
}

/** An operator that is gone carries nothing out: waiting for it would only take time. */
async function someoneLeads({ namespace }: UninstallSettings, resources: Resources): Promise<boolean> {
  return ((await readLeadership(resources, namespace))?.holder ?? "") !== "";
}

async function abort(rollout: Rollout, { resources, log }: Helpers): Promise<void> {
  const hash = rollout.status?.canary?.revision;
  if (hash === undefined) return;
  const value = formatRequest({ verb: "abort", hash, nonce: `uninstall-${rollout.metadata.resourceVersion}` });
  log.info(
    { rollout: `${rollout.metadata.namespace}/${rollout.metadata.name}`, hash },
    "a release goes back to stable",
  );
  await orGone(resources.mergePatch(refOf(rollout), { metadata: { annotations: { [ANNOTATION_REQUEST]: value } } }));
}

/** Stopped is who holds no Lease: given back, or run out. */
async function stopOperator({ namespace, operator }: UninstallSettings, { resources, clock }: Helpers): Promise<void> {
  const ref: ObjectRef = { apiVersion: "apps/v1", kind: "Deployment", namespace, name: operator };
  await orGone(resources.mergePatch(ref, { spec: { replicas: 0 } }, { subresource: "scale" }));
  let seen = "";
  for (let unchangedSinceMs = clock.monotonicMs(); ; await clock.sleep(LOOK_EVERY_MS)) {
    const lease = await readLeadership(resources, namespace);
    if (lease === undefined || lease.holder === "") return;
    if (lease.version !== seen) unchangedSinceMs = clock.monotonicMs();
    seen = lease.version;
    if (clock.monotonicMs() - unchangedSinceMs > lease.durationMs) return;
  }
}

/** Takes our finalizer off every Rollout. Others write meanwhile, so what is left is looked at again.
 * @throws Error with the names of those that could not be released */
async function releaseAll(settings: UninstallSettings, { resources, log }: Helpers): Promise<void> {
  for (let i = 1; ; i++) {
    const held = (await rolloutsOf(settings, resources)).filter(
      ({ metadata }) => metadata.finalizers?.includes(FINALIZER) === true,
    );
    if (held.length === 0) return;
    const names = held.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    if (i > TRIES) throw new Error(`Something puts our finalizer back on ${names.join(", ")}`);
    log.info({ rollouts: names }, "they no longer wait for Zenith when they are deleted");
    for (const { metadata, ...rollout } of held) {
      const path = `/metadata/finalizers/${metadata.finalizers?.indexOf(FINALIZER)}`;
      const operations = [
        { op: "test" as const, path, value: FINALIZER },
        { op: "remove" as const, path },
      ];
      try {
        await resources.jsonPatch(refOf({ ...rollout, metadata }), operations);
      } catch (error) {
        if (!isKind(error, "conflict", "invalid", "notFound")) throw error;
      }
    }
  }
}

async function orGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isKind(error, "notFound")) throw error;
  }
}
