import { Command } from "commander";
import { findOperator } from "../cluster/operator.ts";
import { readRollout } from "../cluster/rollouts.ts";
import { EXIT } from "../errors.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import { explain, renderWhy } from "../render/why.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { outputOption } from "./options.ts";

/** Longer lines read badly, however wide the terminal is. */
const MOST_COLUMNS = 100;

export function whyCommand(bind: Bind): Command {
  return new Command("why")
    .argument("<rollout>", "its name")
    .description("Says in one paragraph where a Rollout stands, why, and what to do.")
    .addOption(outputOption())
    .action(bind(async (session, [name], options) => await why(session, nameOf(name, ROLLOUT_KINDS), options.output)));
}

async function why(session: Session, name: string, output: string | undefined): Promise<number> {
  const format = formatOf(output, FORMATS);
  const { cluster, io } = session;
  const [rollout, presence] = await Promise.all([readRollout(cluster, name), findOperator(cluster)]);
  const explanation = explain(rollout, presence, cluster.client.serverNow());
  if (format === undefined) session.print(...renderWhy(explanation, Math.min(io.columns(), MOST_COLUMNS)));
  else session.print(renderData({ rollout: name, ...explanation }, format));
  return EXIT.ok;
}
