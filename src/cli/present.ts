import type { FeatureFlag } from "../api/feature-flag.ts";
import type { Deployment } from "../api/kubernetes.ts";
import type { Rollout } from "../api/rollout.ts";
import { type Cluster, KINDS } from "./cluster/cluster.ts";
import { readRollout } from "./cluster/rollouts.ts";
import { CliError } from "./errors.ts";
import { isGenerationSeen, isSeen } from "./outcome.ts";
import type { Session } from "./session.ts";

/** What a request must name, so that it is about what its person sees. Status tells it, and may be a moment behind what was
 * applied last: a request about the revision before would be refused, or be about the wrong one. */

/** For so long the latest change is waited for to be seen; without an operator nothing ever is. */
const SEEN_IN_MS = 5_000;
/** An emergency does not wait for that. */
const SEEN_IN_EMERGENCY_MS = 2_000;
const LOOK_AGAIN_MS = 200;

/** The Rollout once the operator has seen what was applied last; as it stands, where that takes too long.
 * @param mostMs how long its person would wait for an answer */
export async function presentRollout(session: Session, name: string, verb: string, mostMs: number): Promise<Rollout> {
  const { cluster } = session;
  return await onceSeen(session, Math.min(mostMs, patienceFor(verb)), async () => {
    const rollout = await readRollout(cluster, name);
    return { now: rollout, isSeen: isSeen(rollout, await deploymentOf(cluster, rollout)) };
  });
}

/** The FeatureFlag, as `presentRollout` does it. */
export async function presentFlag(session: Session, name: string, verb: string, mostMs: number): Promise<FeatureFlag> {
  return await onceSeen(session, Math.min(mostMs, patienceFor(verb)), async () => {
    const flag = await session.cluster.read<FeatureFlag>(KINDS.flags, name);
    return { now: flag, isSeen: isGenerationSeen(flag) };
  });
}

/** What a request about a Rollout must name: the revision that its spec asks for, as the operator last saw it.
 * @throws CliError where no operator has looked at it */
export function presentRevision({ metadata, status }: Rollout): string {
  const revision = status?.wanted?.revision ?? status?.canary?.revision ?? status?.stable?.revision;
  if (revision === undefined) throw unseen(`Rollout "${metadata.name}"`);
  return revision;
}

/** What a request about a FeatureFlag must name.
 * @throws CliError where no operator has looked at it */
export function presentVersion({ metadata, status }: FeatureFlag): string {
  if (status?.servedHash === undefined) throw unseen(`FeatureFlag "${metadata.name}"`);
  return status.servedHash;
}

function unseen(what: string): CliError {
  return new CliError(`No operator has looked at ${what} yet`, "is one running? kubectl zenith version tells");
}

function patienceFor(verb: string): number {
  return verb === "abort" ? SEEN_IN_EMERGENCY_MS : SEEN_IN_MS;
}

/** Read again and again instead of watched: a verb asks for no more rights than it needs. */
async function onceSeen<T>(
  { clock, io }: Session,
  mostMs: number,
  look: () => Promise<{ now: T; isSeen: boolean }>,
): Promise<T> {
  const dueMs = clock.monotonicMs() + mostMs;
  for (;;) {
    const { now, isSeen } = await look();
    if (isSeen || clock.monotonicMs() >= dueMs) return now;
    await clock.sleep(LOOK_AGAIN_MS, io.signal);
    if (io.signal.aborted) throw new CliError("interrupted", undefined, 130);
  }
}

/** Read after the Rollout: what was seen of one that is newer is waited for, and never taken for granted. */
async function deploymentOf(cluster: Cluster, { spec }: Rollout): Promise<Deployment | undefined> {
  const { workloadRef } = spec;
  return workloadRef === undefined ? undefined : await cluster.getIfAllowed(KINDS.deployments, workloadRef.name);
}
