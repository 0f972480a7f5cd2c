import { Command } from "commander";
import { readRollout } from "../cluster/rollouts.ts";
import { CliError, EXIT } from "../errors.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import { renderReport } from "../render/report.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { outputOption } from "./options.ts";

export function reportCommand(bind: Bind): Command {
  return new Command("report")
    .argument("<rollout>", "its name")
    .description(
      "Shows how the last release went that was decided: each criterion of success, wanted against measured, after its bake or once it was taken back.",
    )
    .addOption(outputOption())
    .action(
      bind(async (session, [name], options) => await report(session, nameOf(name, ROLLOUT_KINDS), options.output)),
    );
}

async function report(session: Session, name: string, output: string | undefined): Promise<number> {
  const format = formatOf(output, FORMATS);
  const rollout = await readRollout(session.cluster, name);
  const made = rollout.status?.report;
  if (made === undefined)
    throw new CliError(
      `No release of Rollout "${name}" was decided yet`,
      `the report is made when a bake ends, or a release is taken back; kubectl zenith get ${name} shows where it stands`,
    );
  if (format === undefined) session.print(...renderReport(rollout, made, session.style));
  else session.print(renderData({ rollout: name, ...made }, format));
  return EXIT.ok;
}
