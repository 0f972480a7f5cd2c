import { Command } from "commander";
import { VERSION } from "../../telemetry/version.ts";
import { findOperator } from "../cluster/operator.ts";
import { EXIT } from "../errors.ts";
import { explainError } from "../explain-error.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import type { Session } from "../session.ts";
import { outputOption } from "./options.ts";

export function versionCommand(bind: Bind): Command {
  return new Command("version")
    .description("Tells the version of this program, and whether an operator runs in the cluster.")
    .option("--client", "this program alone; the cluster is not asked")
    .addOption(outputOption())
    .action(bind(async (session, _args, options) => await version(session, options)));
}

async function version(session: Session, { client, output }: { client?: boolean; output?: string }): Promise<number> {
  const format = formatOf(output, FORMATS);
  const operator = client === true ? undefined : await operatorSaid(session);
  if (format !== undefined) {
    session.print(renderData({ client: VERSION, ...(operator === undefined ? {} : { operator }) }, format));
    return EXIT.ok;
  }
  session.print(`kubectl zenith ${VERSION} (Node ${process.versions.node})`);
  if (operator !== undefined) session.print(`Operator: ${operator}`);
  return EXIT.ok;
}

/** A cluster that cannot be asked is no reason not to tell one's own version. */
async function operatorSaid(session: Session): Promise<string> {
  try {
    const { cluster } = session;
    if (!(await cluster.knowsRollouts())) return "not installed: this cluster does not know Rollouts";
    const presence = await findOperator(cluster);
    if (presence.kind !== "running") return presence.message;
    return `running: ${presence.holder} in namespace ${presence.namespace}`;
  } catch (error) {
    return `unknown: ${explainError(error).message}`;
  }
}
