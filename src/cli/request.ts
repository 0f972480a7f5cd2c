import { randomBytes } from "node:crypto";
import type { FeatureFlag } from "../api/feature-flag.ts";
import { ANNOTATION_REQUEST, formatRequest, parseRequest, type Request } from "../api/request.ts";
import type { Rollout } from "../api/rollout.ts";
import { optional } from "../core/optional.ts";
import { asAnswered } from "../core/requests.ts";
import { systemClock } from "../kube/clock.ts";
import { isKind } from "../kube/errors.ts";
import type { ResourceType } from "../kube/resource.ts";
import { compareVersions } from "../kube/store.ts";
import { findOperator } from "./cluster/operator.ts";
import { Watch } from "./cluster/watch.ts";
import { CliError, EXIT } from "./errors.ts";
import type { Session } from "./session.ts";

/** How a request was answered: "accepted", or "refused: " and why. */
export interface Answer {
  readonly value: string;
  readonly result: string;
  readonly at: string;
}

/** What people may ask things of: both have the same annotation, and the same answer in status. */
export type Asked = Rollout | FeatureFlag;

/** What stands in the annotation and has no answer yet. */
export function unanswered({ metadata, status }: Asked): string | undefined {
  const value = metadata.annotations?.[ANNOTATION_REQUEST];
  return value === undefined || asAnswered(value) === status?.lastRequest?.value ? undefined : value;
}

/** What to do about a request that stands there unanswered. Pure.
 * - "write": nothing is in the way, or an abort comes, which goes before everything
 * - "join": the same abort was asked for already; its answer is ours
 * - "wait": another's request comes first; above all an abort is never written over */
export function turnOf(standing: string | undefined, verb: string): "write" | "join" | "wait" {
  if (standing === undefined) return "write";
  const isAbort = parseRequest(standing)?.verb === "abort";
  if (verb !== "abort") return "wait";
  return isAbort ? "join" : "write";
}

const TRIES = 5;

export interface Wish extends Pick<Request, "verb" | "argument"> {
  /** The revision, or the version of a flag, that the person saw: what they ask for is about that one. */
  readonly hash: string;
}

/** Asks the operator for something, and waits for its answer.
 * @param seen the object as its person saw it
 * @throws CliError where there is no answer in time */
export async function ask(
  session: Session,
  type: ResourceType,
  seen: Asked,
  wish: Wish,
  timeoutMs: number,
): Promise<Answer> {
  const { cluster, io } = session;
  const ends = new AbortController();
  const signal = AbortSignal.any([io.signal, ends.signal]);
  const watch = new Watch(cluster, signal, (sentence) => session.warn(sentence));
  const { name } = seen.metadata;
  const { namespace } = cluster;
  const store = watch.store<Asked>(type, { namespace, fieldSelector: `metadata.name=${name}` });
  const dueMs = systemClock.monotonicMs() + timeoutMs;
  let known = seen.metadata.resourceVersion;
  /** Resolves once a look at the object gives something. The watch may be behind what was read or written here. */
  const until = async <T>(what: string, look: (now: Asked) => T | undefined): Promise<T> => {
    for (;;) {
      const leftMs = dueMs - systemClock.monotonicMs();
      const running = await watch.next(Math.max(1, Math.min(leftMs, 1_000)));
      const now = store.get(namespace, name);
      const found = now === undefined || isOlder(now, known) ? undefined : look(now);
      if (found !== undefined) return found;
      if (!running) throw new CliError("interrupted", undefined, 130);
      if (leftMs <= 0) throw await tooLate(session, what, timeoutMs);
    }
  };
  try {
    const standing = unanswered(seen) ?? "";
    const turn = turnOf(unanswered(seen), wish.verb);
    if (turn === "wait")
      await until(`"${standing.split("@")[0]}", which someone asked for before and`, (now) =>
        unanswered(now) === standing ? undefined : true,
      );
    let value = standing;
    if (turn !== "join") {
      value = withNonce(wish);
      known = (await write(session, type, name, wish.verb, value)).metadata.resourceVersion;
    }
    return await until(`"${wish.verb}", which`, (now) => answerIn(now, value));
  } finally {
    ends.abort();
  }
}

function isOlder({ metadata }: Asked, version: string | undefined): boolean {
  return version !== undefined && compareVersions(metadata.resourceVersion ?? "0", version) < 0;
}

/** @throws CliError where another's request took the place of ours before it was seen */
function answerIn(now: Asked, value: string): Answer | undefined {
  const { lastRequest } = now.status ?? {};
  if (lastRequest?.value === asAnswered(value)) return lastRequest;
  const standing = now.metadata.annotations?.[ANNOTATION_REQUEST];
  if (standing === undefined || standing === value) return undefined;
  if (asAnswered(standing) !== lastRequest?.value) return undefined; // Theirs is not answered: ours may still be, before it.
  const theirs = parseRequest(standing)?.verb ?? "something";
  throw new CliError(`Someone asked for "${theirs}" at the same moment, and only that was seen`, "look, and ask again");
}

function withNonce({ verb, argument, hash }: Wish): string {
  const nonce = randomBytes(6).toString("hex");
  return formatRequest({ verb, ...optional("argument", argument), hash, nonce });
}

/** Writes the annotation over what was read, and never over what came since.
 * @returns the object with it */
async function write(session: Session, type: ResourceType, name: string, verb: string, value: string): Promise<Asked> {
  const { cluster } = session;
  const { apiVersion, kind } = type;
  const ref = { apiVersion, kind, namespace: cluster.namespace, name };
  for (let tries = 1; ; tries++) {
    const now = await cluster.read<Asked>(type, name);
    if (turnOf(unanswered(now), verb) !== "write")
      throw new CliError(
        `Someone asked for "${unanswered(now)?.split("@")[0]}" at the same moment`,
        "wait for its answer, and ask again",
      );
    const { resourceVersion } = now.metadata;
    try {
      return await cluster.resources.mergePatch<Asked>(ref, {
        metadata: { resourceVersion, annotations: { [ANNOTATION_REQUEST]: value } },
      });
    } catch (error) {
      if (!isKind(error, "conflict") || tries === TRIES) throw error;
    }
  }
}

async function tooLate(session: Session, what: string, timeoutMs: number): Promise<CliError> {
  const presence = await findOperator(session.cluster);
  const why = presence.kind === "gone" ? `: ${presence.message}` : "";
  const hint =
    presence.kind === "gone"
      ? "start the operator; it will answer then, as the request stands in the annotation"
      : "see kubectl zenith get, and the operator's log";
  return new CliError(`${what} is not answered after ${timeoutMs / 1000} s${why}`, hint, EXIT.timeout);
}
