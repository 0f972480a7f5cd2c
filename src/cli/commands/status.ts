import { Command } from "commander";
import type { Deployment } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { systemClock } from "../../kube/clock.ts";
import type { Store } from "../../kube/store.ts";
import { KINDS } from "../cluster/cluster.ts";
import { findOperator } from "../cluster/operator.ts";
import { readRollout } from "../cluster/rollouts.ts";
import { Watch } from "../cluster/watch.ts";
import { CliError, EXIT } from "../errors.ts";
import { CODES, isSeen, type Outcome, outcomeOf } from "../outcome.ts";
import type { Bind } from "../program.ts";
import { FORMATS, type Format, formatOf, renderData } from "../render/data.ts";
import { age, phaseOf, phasePaint } from "../render/words.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { warnIfGone } from "./get.ts";
import { durationOption, outputOption } from "./options.ts";

/** A spec may be impossible for a moment, while its Service is still being applied, say. */
const FAILED_FOR_MS = 10_000;

export interface WaitOptions {
  readonly revision?: string;
  readonly baked?: boolean;
  readonly throughPauses?: boolean;
  readonly timeout?: number;
  readonly output?: string;
}

export function statusCommand(bind: Bind): Command {
  return new Command("status")
    .argument("<rollout>", "its name")
    .description("Waits until a release is decided, telling how it goes; the exit code says how it ended.")
    .option("--revision <name>", "the revision to wait for (default: the one that the spec asks for)")
    .option("--baked", "wait on until its bake is over, too")
    .option("--through-pauses", "wait on where a person is waited for, instead of ending with 4")
    .addOption(
      durationOption("--timeout <duration>", "how long to wait at most; 0s looks once (default: as long as it takes)"),
    )
    .addOption(outputOption())
    .addHelpText("after", EXIT_CODES)
    .action(bind(async (session, [name], options) => await waitFor(session, nameOf(name, ROLLOUT_KINDS), options)));
}

const EXIT_CODES = `
Exit codes:
  0   promoted
  1   a mistake of use, or an answer of the API server's
  2   reverted, or it cannot go on: the message says why
  3   the time is up
  4   it waits for a person
  5   another revision is wanted by now`;

/** @returns the exit code */
export async function waitFor(session: Session, name: string, options: WaitOptions): Promise<number> {
  const format = formatOf(options.output, FORMATS);
  const { cluster, io } = session;
  const [first, presence] = await Promise.all([readRollout(cluster, name), findOperator(cluster)]);
  warnIfGone(session, presence);
  const ends = new AbortController();
  const watch = new Watch(cluster, AbortSignal.any([io.signal, ends.signal]), (said) => session.warn(said));
  try {
    const look = await looker(session, first, watch);
    return await follow(session, options, watch, look, format);
  } finally {
    ends.abort();
  }
}

/** The Rollout once the operator has seen what was applied last.
 * @throws CliError after `timeoutMs` */
export async function untilSeen(session: Session, name: string, timeoutMs: number): Promise<Rollout> {
  const { cluster, io } = session;
  const first = await readRollout(cluster, name);
  const ends = new AbortController();
  const watch = new Watch(cluster, AbortSignal.any([io.signal, ends.signal]), (said) => session.warn(said));
  const dueMs = systemClock.monotonicMs() + timeoutMs;
  try {
    const look = await looker(session, first, watch);
    for (;;) {
      const leftMs = dueMs - systemClock.monotonicMs();
      if (!(await watch.next(Math.max(1, Math.min(1_000, leftMs))))) throw new CliError("interrupted", undefined, 130);
      const { rollout, deployment } = look();
      if (isSeen(rollout, deployment)) return rollout;
      if (leftMs <= 0) throw await unseen(session, name, timeoutMs);
    }
  } finally {
    ends.abort();
  }
}

async function unseen(session: Session, name: string, timeoutMs: number): Promise<CliError> {
  const presence = await findOperator(session.cluster);
  const why = presence.kind === "gone" ? `: ${presence.message}` : "";
  const hint = presence.kind === "gone" ? "start the operator; it will see the change then" : "see the operator's log";
  const message = `The change of Rollout "${name}" was not seen after ${timeoutMs / 1000} s${why}`;
  return new CliError(message, hint, EXIT.timeout);
}

type Look = () => { readonly rollout: Rollout; readonly deployment: Deployment | undefined };

/** Reads the Rollout and the Deployment that it refers to, kept current; the Deployment only as far as it may be read: where
 * that is once, what is applied later is known when the operator tells it. */
async function looker(session: Session, first: Rollout, watch: Watch): Promise<Look> {
  const { namespace } = session.cluster;
  const { name } = first.metadata;
  const one = (named: string) => ({ namespace, fieldSelector: `metadata.name=${named}` });
  const rollouts = watch.store<Rollout>(KINDS.rollouts, one(name));
  const workload = first.spec.workloadRef?.name;
  // Read after the Rollout: what was seen of a Deployment that is newer is waited for, and never taken for granted.
  const read = workload === undefined ? undefined : await readDeployment(session, workload);
  let deployments: Store<Deployment> | undefined;
  if (workload !== undefined && read?.mayList === true)
    deployments = watch.store<Deployment>(KINDS.deployments, one(workload), () => {
      deployments = undefined; // Who may list them need not have the right to watch them.
    });
  return () => {
    if (!watch.hasSynced()) return { rollout: first, deployment: read?.deployment };
    const rollout = rollouts.get(namespace, name);
    if (rollout === undefined) throw new CliError(`Rollout "${name}" was deleted`);
    const deployment = deployments === undefined ? read?.deployment : deployments.get(namespace, workload ?? "");
    return { rollout, deployment };
  };
}

interface ReadDeployment {
  readonly deployment: Deployment | undefined;
  readonly mayList: boolean;
}

/** Who may get and patch one Deployment, as an account of CI may, need not have the right to list them. */
async function readDeployment(session: Session, name: string): Promise<ReadDeployment> {
  const { cluster } = session;
  const one = { fieldSelector: `metadata.name=${name}` };
  const list = await cluster.listIfAllowed<Deployment>(KINDS.deployments, cluster.namespace, one);
  if (list !== undefined) return { deployment: list[0], mayList: true };
  const deployment = await cluster.getIfAllowed<Deployment>(KINDS.deployments, name);
  if (deployment === undefined)
    session.warn(`Deployment "${name}" cannot be read: whether the operator has seen its last change is not known`);
  return { deployment, mayList: false };
}

async function follow(
  session: Session,
  { revision, baked, throughPauses, timeout }: WaitOptions,
  watch: Watch,
  look: Look,
  format: Format | undefined,
): Promise<number> {
  const startedMs = systemClock.monotonicMs();
  const expected = {
    until: baked === true ? ("baked" as const) : ("promoted" as const),
    throughPauses: throughPauses === true,
  };
  let waited = revision;
  let told = "";
  let failedSinceMs: number | undefined;
  for (;;) {
    const passedMs = systemClock.monotonicMs() - startedMs;
    const leftMs = timeout === undefined ? Number.POSITIVE_INFINITY : timeout - passedMs;
    if (!(await watch.next(Math.max(1, Math.min(1_000, leftMs))))) return 130;
    const { rollout, deployment } = look();
    const outcome = outcomeOf(rollout, deployment, {
      ...expected,
      ...(waited === undefined ? {} : { revision: waited }),
    });
    waited = waited ?? outcome.revision;
    const nowMs = systemClock.monotonicMs();
    failedSinceMs = outcome.kind === "failed" ? (failedSinceMs ?? nowMs) : undefined;
    const patient = failedSinceMs !== undefined && nowMs - failedSinceMs < FAILED_FOR_MS && leftMs > 0;
    if (format === undefined) told = tell(session, rollout, outcome, nowMs - startedMs, told);
    if (outcome.kind !== "waiting" && !patient) return end(session, rollout, outcome, format);
    if (leftMs <= 0) return endLate(session, rollout, outcome, timeout ?? 0, format);
  }
}

/** One line for each change. That the operator has not seen a change is worth a line only where nothing was told before. */
function tell(session: Session, { status }: Rollout, outcome: Outcome, passedMs: number, told: string): string {
  const isUnseen = outcome.kind === "waiting" && outcome.revision === undefined;
  if (isUnseen && told !== "") return told;
  const phase = isUnseen ? "" : phaseOf(status);
  const { step = "", weight = "" } = phase === "" ? {} : (status?.display ?? {});
  const line = `${phasePaint(phase, session.style)(phase.padEnd(11))} ${step.padStart(5)} ${weight.padStart(6)}  ${outcome.message}`;
  if (line !== told) session.print(`${age(passedMs).padStart(6)}  ${line}`);
  return line;
}

function end(
  session: Session,
  { metadata }: Rollout,
  outcome: Exclude<Outcome, { kind: "waiting" }>,
  format: Format | undefined,
): number {
  const code = CODES[outcome.kind];
  const { kind, revision, message } = outcome;
  const { name } = metadata;
  if (format !== undefined) {
    session.print(renderData({ rollout: name, revision, outcome: kind, message, exitCode: code }, format));
    return code;
  }
  const { green, red, yellow } = session.style;
  const said = {
    promoted: `${green("promoted")}: revision ${revision} serves`,
    reverted: `${red("reverted")}; kubectl zenith why ${name} says more`,
    failed: `${red("cannot go on")}; kubectl zenith why ${name} says what to do`,
    human: `${yellow("waits for a person")}: kubectl zenith promote ${name}, or abort`,
    superseded: `${yellow("superseded")}: ${message}`,
  };
  session.print(`Rollout "${name}" ${said[kind]}`);
  return code;
}

function endLate(
  session: Session,
  { metadata }: Rollout,
  outcome: Outcome,
  timeoutMs: number,
  format: Format | undefined,
): number {
  const { name } = metadata;
  if (format !== undefined) {
    const { revision = "", message } = outcome;
    session.print(renderData({ rollout: name, revision, outcome: "timeout", message, exitCode: EXIT.timeout }, format));
  } else session.print(`Rollout "${name}" is not decided after ${age(timeoutMs)}`);
  return EXIT.timeout;
}
