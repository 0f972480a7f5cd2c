import { Command } from "commander";
import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import type { KillSwitch } from "../../api/kill-switch.ts";
import { systemClock } from "../../kube/clock.ts";
import { KINDS } from "../cluster/cluster.ts";
import { findOperator } from "../cluster/operator.ts";
import { CliError, EXIT } from "../errors.ts";
import { explainFlag } from "../flags/explain.ts";
import { type Evaluated, evaluate, type FlagWorld, readFlagWorld, type UserContext, worldOf } from "../flags/world.ts";
import { documentsOf } from "../lint/documents.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, listOf, renderData } from "../render/data.ts";
import { renderExplanation, renderFlag, renderFlags } from "../render/flags.ts";
import { FLAG_KINDS, nameOf, type Session } from "../session.ts";
import { warnIfGone } from "./get.ts";
import { outputOption } from "./options.ts";

export function flagCommand(bind: Bind): Command {
  const flag = new Command("flag")
    .description("Feature flags: what users get, why, and what one user gets.")
    .helpCommand(false);
  flag.addCommand(getFlags(bind)).addCommand(explainCommand(bind)).addCommand(evalCommand(bind));
  return flag;
}

function getFlags(bind: Bind): Command {
  return new Command("get")
    .argument("[flag]", "its name; left out, all of the namespace in a table")
    .description("Shows FeatureFlags: all of them in a table, or one with its analysis, delivery and history.")
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-o, --output <format>", "json, yaml, name, or wide for a table with more columns")
    .action(bind(async (session, [name], options) => await get(session, name, options)));
}

function explainCommand(bind: Bind): Command {
  const command = new Command("explain")
    .argument("<flag>", "its name")
    .description("Tells what decides which variant a user gets, in its order; with a user, which of it does.");
  return userOptions(command)
    .addOption(outputOption())
    .action(bind(async (session, [name], options) => await explain(session, nameOf(name, FLAG_KINDS), options)));
}

function evalCommand(bind: Bind): Command {
  const command = new Command("eval")
    .argument("<flag>", "its name")
    .description("Tells what a user gets, by the flag server's own compiler and evaluation.");
  return userOptions(command)
    .option("-f, --filename <file>", "FeatureFlags and FlagSegments from a file or folder, instead of the cluster's")
    .addOption(outputOption())
    .action(bind(async (session, [name], options) => await evalFlag(session, nameOf(name, FLAG_KINDS), options)));
}

interface UserOptions {
  readonly user?: string;
  readonly attribute?: readonly string[];
  readonly output?: string;
  readonly filename?: string;
}

function userOptions(command: Command): Command {
  const collect = (value: string, before: readonly string[] = []) => [...before, value];
  return command
    .option("-u, --user <key>", "the targeting key")
    .option(
      "-a, --attribute <name=value>",
      "what the program tells of the user; JSON, else text; may be repeated",
      collect,
    );
}

/** @throws CliError on an attribute that is none */
export function contextOf({ user, attribute = [] }: UserOptions): UserContext | undefined {
  if (user === undefined && attribute.length === 0) return undefined;
  const pairs = attribute.map((text) => {
    const [name = "", ...rest] = text.split("=");
    if (name === "" || rest.length === 0) throw new CliError(`"${text}" is no attribute`, "write NAME=VALUE");
    return [name, valueIn(rest.join("="))] as const;
  });
  return { ...(user === undefined ? {} : { targetingKey: user }), ...Object.fromEntries(pairs) };
}

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

interface GetOptions {
  readonly allNamespaces?: boolean;
  readonly output?: string;
}

async function get(session: Session, argument: string | undefined, options: GetOptions): Promise<number> {
  const format = formatOf(options.output, [...FORMATS, "name", "wide"]);
  const { cluster, style } = session;
  const presence = findOperator(cluster);
  if (argument !== undefined) {
    const [flag, operator] = await Promise.all([
      cluster.read<FeatureFlag>(KINDS.flags, nameOf(argument, FLAG_KINDS)),
      presence,
    ]);
    warnIfGone(session, operator);
    if (format === "json" || format === "yaml") session.print(renderData(flag, format));
    else if (format === "name") session.print(nameSaid(flag));
    else session.print(...renderFlag(flag, cluster.client.serverNow(), style));
    return EXIT.ok;
  }
  const everywhere = options.allNamespaces === true;
  const namespace = everywhere ? undefined : cluster.namespace;
  const [flags, operator] = await Promise.all([cluster.resources.list<FeatureFlag>(KINDS.flags, namespace), presence]);
  warnIfGone(session, operator);
  if (format === "json" || format === "yaml") session.print(renderData(listOf(flags), format));
  else if (format === "name") session.print(...flags.map(nameSaid));
  else if (flags.length === 0)
    session.note(everywhere ? "There are no FeatureFlags." : `There are no FeatureFlags in namespace ${namespace}.`);
  else {
    const how = { wide: format === "wide", namespaces: everywhere };
    session.print(...renderFlags(flags, how, cluster.client.serverNow(), style));
  }
  return EXIT.ok;
}

function nameSaid({ metadata }: FeatureFlag): string {
  return `featureflag.zenith.sh/${metadata.name}`;
}

async function explain(session: Session, name: string, options: UserOptions): Promise<number> {
  const format = formatOf(options.output, FORMATS);
  const user = contextOf(options);
  const world = await readFlagWorld(session.cluster, name);
  const steps = explainFlag(world, user);
  const evaluated = user === undefined ? undefined : evaluate(world, user);
  if (format !== undefined) {
    const answer = evaluated === undefined ? {} : { answer: answerData(evaluated) };
    session.print(renderData({ flag: name, steps, ...answer }, format));
    return EXIT.ok;
  }
  const outcome = evaluated === undefined ? undefined : answerSaid(evaluated);
  session.print(...renderExplanation(world.flag, steps, user, outcome, session.style));
  return EXIT.ok;
}

async function evalFlag(session: Session, name: string, options: UserOptions): Promise<number> {
  const format = formatOf(options.output, FORMATS);
  const world =
    options.filename === undefined
      ? await readFlagWorld(session.cluster, name)
      : worldIn(session, options.filename, name);
  const evaluated = evaluate(world, contextOf(options) ?? {});
  session.print(format === undefined ? answerSaid(evaluated) : renderData(answerData(evaluated), format));
  return evaluated.kind === "answered" && evaluated.answer.kind !== "error" ? EXIT.ok : EXIT.error;
}

/** From files: what a status would add, how far a ramp is say, is not known there. */
function worldIn(session: Session, path: string, name: string): FlagWorld {
  const read = [...session.io.readFiles(path)].map(([file, text]) => documentsOf(file, text));
  const [unreadable] = read.flatMap((one) => one.unreadable);
  // It may be a segment or a KillSwitch: without it the answer would be another flag's.
  if (unreadable !== undefined)
    throw new CliError(
      `${unreadable.file}:${unreadable.line}: ${unreadable.message}`,
      "kubectl zenith lint tells all that is wrong there",
    );
  const objects = read.flatMap(({ found }) => found).map(({ object }) => object as unknown as FeatureFlag);
  const ofKind = <T>(kind: string) => objects.filter((object) => object.kind === kind) as unknown as T[];
  const flags = ofKind<FeatureFlag>("FeatureFlag");
  const flag = flags.find(({ metadata }) => metadata.name === name);
  if (flag === undefined)
    throw new CliError(
      `There is no FeatureFlag "${name}" in ${path}`,
      flags.length === 0 ? "it holds none" : `there are ${flags.map(({ metadata }) => metadata.name).join(", ")}`,
    );
  return worldOf(flag, ofKind<FlagSegment>("FlagSegment"), flags, ofKind<KillSwitch>("KillSwitch"), systemClock.now());
}

function answerSaid(evaluated: Evaluated): string {
  if (evaluated.kind === "invalid") return `It cannot be served: ${evaluated.message}; what was served before still is`;
  const { answer } = evaluated;
  switch (answer.kind) {
    case "value":
      return `"${answer.variant}": ${JSON.stringify(answer.value)}`;
    case "codeDefault":
      return `The default of the program's own code (${answer.reason})`;
    case "error":
      return `It cannot be evaluated: ${answer.code}: ${answer.message}`;
  }
}

function answerData(evaluated: Evaluated): object {
  if (evaluated.kind === "invalid") return { error: "INVALID", message: evaluated.message };
  const { answer, compiled } = evaluated;
  const about = { key: compiled.key, flagSet: compiled.flagSet, version: compiled.version };
  if (answer.kind === "value") return { ...about, variant: answer.variant, value: answer.value, reason: answer.reason };
  return answer.kind === "error"
    ? { ...about, error: answer.code, message: answer.message }
    : { ...about, reason: answer.reason };
}
