import { Command } from "commander";
import type { ControllerRevision } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { LABEL_REVISION } from "../../core/rollout/names.ts";
import { type Cluster, KINDS } from "../cluster/cluster.ts";
import { labelOf } from "../cluster/rollouts.ts";
import { CliError, EXIT } from "../errors.ts";
import { presentFlag, presentRevision, presentRollout, presentVersion } from "../present.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import { type Answer, ask } from "../request.ts";
import { FLAG_KINDS, nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { durationOption, outputOption } from "./options.ts";

interface Verb {
  readonly name: string;
  readonly description: string;
  /** What an operator that accepts it does, said after the fact. */
  readonly done: string;
}

const VERBS: readonly Verb[] = [
  { name: "promote", description: "Goes past the present wait.", done: "it goes past the present wait" },
  { name: "pause", description: "Holds the weight; breaches are still acted on.", done: "its weight does not rise" },
  { name: "resume", description: "Takes a pause back.", done: "it goes on" },
  {
    name: "abort",
    description: "Takes a release, or a flag's ramp, back at once; it is rejected.",
    done: "what is on its way goes back, and is rejected",
  },
  { name: "retry", description: "Begins again what was rejected.", done: "it begins again at its first step" },
  {
    name: "rollback",
    description: "Aborts a release that is on its way; else goes back to an earlier revision.",
    done: "a release on its way is aborted; else an earlier revision comes back",
  },
];

const ANSWER_IN_MS = 30_000;

interface Options {
  readonly full?: boolean;
  readonly to?: string;
  readonly output?: string;
  readonly timeout: number;
}

/** What people ask the operator for: docs/verbs.md says what each does in each phase. */
export function verbCommands(bind: Bind): Command[] {
  return VERBS.map((verb) => {
    const command = new Command(verb.name)
      .argument("<name>", verb.name === "rollback" ? "the Rollout" : "the Rollout, or flag/NAME for a FeatureFlag")
      .description(verb.description)
      .addOption(outputOption())
      .addOption(durationOption("--timeout <duration>", "how long to wait for the answer", ANSWER_IN_MS));
    if (verb.name === "promote") command.option("--full", "all remaining steps at once, without judging");
    if (verb.name === "rollback")
      command.option("--to <revision>", "its number or its name, as kubectl zenith history lists them");
    return command.action(bind(async (session, [name], options) => await request(session, verb, name, options)));
  });
}

async function request(session: Session, verb: Verb, argument: string, options: Options): Promise<number> {
  formatOf(options.output, FORMATS); // A mistake is told before anything is asked for.
  const [kind = ""] = argument.includes("/") ? argument.toLowerCase().split("/") : [];
  return (FLAG_KINDS as readonly string[]).includes(kind)
    ? await requestOfFlag(session, verb, nameOf(argument, FLAG_KINDS), options)
    : await requestOfRollout(session, verb, nameOf(argument, ROLLOUT_KINDS), options);
}

async function requestOfRollout(session: Session, verb: Verb, name: string, options: Options): Promise<number> {
  const rollout = await presentRollout(session, name, verb.name, options.timeout);
  const argument = options.full === true ? "full" : await revisionNamed(session.cluster, rollout, options.to);
  const wish = { verb: verb.name, ...(argument === undefined ? {} : { argument }), hash: presentRevision(rollout) };
  const answer = await ask(session, KINDS.rollouts, rollout, wish, options.timeout);
  return tell(
    session,
    verb,
    { said: `rollout.zenith.sh/${name}`, name, why: `kubectl zenith why ${name}` },
    answer,
    options,
  );
}

async function requestOfFlag(session: Session, verb: Verb, name: string, options: Options): Promise<number> {
  if (options.to !== undefined || verb.name === "rollback")
    throw new CliError(
      "A FeatureFlag has no revisions to roll back to",
      `kubectl zenith abort flag/${name} makes it safe`,
    );
  const flag = await presentFlag(session, name, verb.name, options.timeout);
  const wish = { verb: verb.name, ...(options.full === true ? { argument: "full" } : {}), hash: presentVersion(flag) };
  const answer = await ask(session, KINDS.flags, flag, wish, options.timeout);
  const why = `kubectl zenith flag get ${name}`;
  return tell(session, verb, { said: `featureflag.zenith.sh/${name}`, name, why }, answer, options);
}

interface Subject {
  readonly said: string;
  readonly name: string;
  /** The command that says more. */
  readonly why: string;
}

function tell(session: Session, verb: Verb, subject: Subject, { value, result, at }: Answer, options: Options): number {
  const format = formatOf(options.output, FORMATS);
  const accepted = result === "accepted";
  if (format !== undefined) {
    session.print(renderData({ name: subject.name, request: value, result, at }, format));
    return accepted ? EXIT.ok : EXIT.error;
  }
  const said = options.full === true ? "promote --full" : verb.name;
  if (!accepted) throw new CliError(`${said} was refused: ${result.replace(/^refused: /, "")}`, subject.why);
  const done = options.full === true ? "all remaining steps at once, unjudged" : verb.done;
  session.print(`${subject.said}: ${said} accepted: ${done}`);
  return EXIT.ok;
}

/** A revision by its number, or by its name.
 * @throws CliError that lists those which are kept */
async function revisionNamed(
  cluster: Cluster,
  rollout: Rollout,
  asked: string | undefined,
): Promise<string | undefined> {
  if (asked === undefined) return undefined;
  const { name } = rollout.metadata;
  const kept = await cluster.resources.list<ControllerRevision>(KINDS.revisions, cluster.namespace, {
    labelSelector: labelOf(name),
  });
  const found = kept.find(
    ({ revision, metadata }) => String(revision) === asked || metadata.labels?.[LABEL_REVISION] === asked,
  );
  const hash = found?.metadata.labels?.[LABEL_REVISION];
  if (hash !== undefined) return hash;
  const list = kept.toSorted((a, b) => a.revision - b.revision);
  throw new CliError(
    `Revision "${asked}" of Rollout "${name}" is not kept`,
    `there are ${list.map(({ revision, metadata }) => `${revision} (${metadata.labels?.[LABEL_REVISION]})`).join(", ")}`,
  );
}
