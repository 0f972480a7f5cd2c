import { Command } from "commander";
import type { Rollout } from "../../api/rollout.ts";
import { KINDS } from "../cluster/cluster.ts";
import { findOperator, type Presence } from "../cluster/operator.ts";
import { readRollout, readTree } from "../cluster/rollouts.ts";
import { TreeWatch, Watch } from "../cluster/watch.ts";
import { CliError, EXIT } from "../errors.ts";
import { cutTo, harmless } from "../io.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, listOf, renderData } from "../render/data.ts";
import { renderRollouts } from "../render/rollouts.ts";
import { renderTree } from "../render/tree.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";

interface Options {
  readonly allNamespaces?: boolean;
  readonly output?: string;
  readonly watch?: boolean;
}

export function getCommand(bind: Bind): Command {
  return new Command("get")
    .argument("[rollout]", "its name; left out, all of the namespace in a table")
    .description(
      "Shows Rollouts: all of them in a table, or one as a tree of its revisions, pods, weights and analysis.",
    )
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-o, --output <format>", "json, yaml, name, or wide for a table with more columns")
    .option("-w, --watch", "stay, and show it anew whenever something changes")
    .action(bind(async (session, [name], options) => await get(session, name, options)));
}

async function get(session: Session, argument: string | undefined, options: Options): Promise<number> {
  const format = formatOf(options.output, [...FORMATS, "name", "wide"]);
  if (argument === undefined) return await getAll(session, options, format);
  const name = nameOf(argument, ROLLOUT_KINDS);
  if (options.allNamespaces === true)
    throw new CliError("A name and --all-namespaces exclude each other", "name the namespace with -n");
  if (format === "wide") throw new CliError("-o wide is for the table", "leave the name out, or leave -o out");
  if (format !== undefined) {
    const rollout = await readRollout(session.cluster, name);
    session.print(format === "name" ? nameSaid(rollout) : renderData(rollout, format));
    return EXIT.ok;
  }
  return options.watch === true ? await watchTree(session, name) : await showTree(session, name);
}

async function getAll(session: Session, options: Options, format: string | undefined): Promise<number> {
  if (options.watch === true)
    throw new CliError("--watch is for one Rollout", "name one, or use kubectl get zr --watch");
  const { cluster } = session;
  const everywhere = options.allNamespaces === true;
  const [rollouts, presence] = await Promise.all([
    cluster.resources.list<Rollout>(KINDS.rollouts, everywhere ? undefined : cluster.namespace),
    findOperator(cluster),
  ]);
  warnIfGone(session, presence);
  if (format === "json" || format === "yaml") session.print(renderData(listOf(rollouts), format));
  else if (format === "name") session.print(...rollouts.map(nameSaid));
  else if (rollouts.length === 0)
    session.note(everywhere ? "There are no Rollouts." : `There are no Rollouts in namespace ${cluster.namespace}.`);
  else {
    const how = { wide: format === "wide", namespaces: everywhere };
    session.print(...renderRollouts(rollouts, how, cluster.client.serverNow(), session.style));
  }
  return EXIT.ok;
}

function nameSaid({ metadata }: Rollout): string {
  return `rollout.zenith.sh/${metadata.name}`;
}

async function showTree(session: Session, name: string): Promise<number> {
  const { cluster, style } = session;
  const [tree, presence] = await Promise.all([readTree(cluster, name), findOperator(cluster)]);
  warnIfGone(session, presence);
  session.print(...renderTree(tree, cluster.client.serverNow(), style));
  return EXIT.ok;
}

/** At a terminal in place; into a pipe one picture after another. */
async function watchTree(session: Session, name: string): Promise<number> {
  const { cluster, io, style } = session;
  const [, presence] = await Promise.all([readTree(cluster, name), findOperator(cluster)]);
  warnIfGone(session, presence);
  const watch = new Watch(cluster, io.signal, (sentence) => session.warn(sentence));
  const trees = new TreeWatch(cluster, name, watch);
  const screen = new Screen(session);
  let last = "";
  while (await watch.next(io.isTerminal ? 1_000 : 3_600_000)) {
    if (!watch.hasSynced()) continue;
    const tree = trees.read();
    if (tree === undefined) {
      session.note(`Rollout "${name}" was deleted.`);
      return EXIT.ok;
    }
    const lines = renderTree(tree, cluster.client.serverNow(), style);
    if (lines.join("\n") !== last) screen.show(lines);
    last = lines.join("\n");
  }
  return EXIT.ok;
}

/** Draws over what it drew before. */
class Screen {
  readonly #session: Session;
  #drawn = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  show(lines: readonly string[]): void {
    const { io } = this.#session;
    if (!io.isTerminal) {
      this.#session.print(...(this.#drawn === 0 ? [] : [""]), ...lines);
      this.#drawn = 1;
      return;
    }
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\u001b[J`;
    // A line that wraps would be two on the way back up.
    const cut = lines.map((line) => cutTo(harmless(line), io.columns()));
    io.out(`${up}${cut.join("\n")}\n`);
    this.#drawn = cut.length;
  }
}

/** What is shown is old where nobody keeps it current. */
export function warnIfGone(session: Session, presence: Presence): void {
  if (presence.kind === "gone") session.warn(`${presence.message}; what is shown may be old.`);
}
