import { Command } from "commander";
import type { ControllerRevision } from "../../api/kubernetes.ts";
import { KINDS } from "../cluster/cluster.ts";
import { labelOf, readRollout } from "../cluster/rollouts.ts";
import { EXIT } from "../errors.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import { historyOf, renderHistory } from "../render/history.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { outputOption } from "./options.ts";

export function historyCommand(bind: Bind): Command {
  return new Command("history")
    .argument("<rollout>", "its name")
    .description("Lists the revisions that are kept, what became of each and why: rollback --to goes to one of them.")
    .addOption(outputOption())
    .action(
      bind(async (session, [name], options) => await history(session, nameOf(name, ROLLOUT_KINDS), options.output)),
    );
}

async function history(session: Session, name: string, output: string | undefined): Promise<number> {
  const format = formatOf(output, FORMATS);
  const { cluster, style } = session;
  const labelled = { labelSelector: labelOf(name) };
  const rollout = await readRollout(cluster, name);
  const records = await cluster.resources.list<ControllerRevision>(KINDS.revisions, cluster.namespace, labelled);
  const kept = historyOf(rollout, records);
  if (format !== undefined) session.print(renderData(kept, format));
  else if (kept.length === 0) session.note(`Rollout "${name}" has no revision yet.`);
  else session.print(...renderHistory(kept, cluster.client.serverNow(), style));
  return EXIT.ok;
}
