import { Command } from "commander";
import type { ControllerRevision } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { LABEL_REVISION } from "../../core/rollout/names.ts";
import { type Cluster, KINDS } from "../cluster/cluster.ts";
import { labelOf, readRollout } from "../cluster/rollouts.ts";
import { CliError, EXIT } from "../errors.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import { ask } from "../request.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
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
    description: "Takes the release back at once; its revision is rejected.",
    done: "all traffic goes back to stable, and the revision is rejected",
  },
  { name: "retry", description: "Begins a rejected revision again.", done: "it begins again at its first step" },
  {
    name: "rollback",
    description: "Goes back to the revision before, or to one of the kept ones.",
    done: "an earlier revision comes back",
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
      .argument("<rollout>", "its name")
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
  const format = formatOf(options.output, FORMATS);
  const name = nameOf(argument, ROLLOUT_KINDS);
  const rollout = await readRollout(session.cluster, name);
  const modifier = options.full === true ? "full" : await revisionNamed(session.cluster, rollout, options.to);
  const wish = { verb: verb.name, ...(modifier === undefined ? {} : { argument: modifier }) };
  const { value, result, at } = await ask(session, rollout, wish, options.timeout);
  const accepted = result === "accepted";
  if (format !== undefined) {
    session.print(renderData({ rollout: name, request: value, result, at }, format));
    return accepted ? EXIT.ok : EXIT.error;
  }
  const said = options.full === true ? "promote --full" : verb.name;
  if (!accepted)
    throw new CliError(`${said} was refused: ${result.replace(/^refused: /, "")}`, `kubectl zenith why ${name}`);
  const done = options.full === true ? "all remaining steps at once, unjudged" : verb.done;
  session.print(`rollout.zenith.sh/${name}: ${said} accepted: ${done}`);
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
