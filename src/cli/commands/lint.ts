import { Command } from "commander";
import { systemClock } from "../../kube/clock.ts";
import { CliError, EXIT } from "../errors.ts";
import { type Linted, lintFiles, type Mistake } from "../lint/lint.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import type { Session } from "../session.ts";
import { outputOption } from "./options.ts";

export function lintCommand(bind: Bind): Command {
  return new Command("lint")
    .argument("[files...]", "files or folders of YAML or JSON; - is the standard input")
    .option("-f, --filename <file>", "the same, as kubectl has it; may be repeated", collect)
    .description(
      "Looks at Rollouts, FeatureFlags, FlagSegments and KillSwitches in files, without a cluster: all that the API server would refuse at apply, in its words, all at once; and what else can be known before.",
    )
    .addOption(outputOption())
    .action(
      bind(
        async (session, [files], options) =>
          await lint(session, [...files, ...(options.filename ?? [])], options.output),
      ),
    );
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

async function lint(session: Session, names: readonly string[], output: string | undefined): Promise<number> {
  const format = formatOf(output, FORMATS);
  if (names.length === 0)
    throw new CliError("There is nothing to look at", "name files or folders, or - for the standard input");
  const { io, style } = session;
  const files = new Map<string, string>();
  for (const name of names) {
    if (name === "-") files.set("-", await io.readInput());
    else for (const [path, text] of io.readFiles(name)) files.set(path, text);
  }
  const linted = lintFiles(files, systemClock.now());
  if (format !== undefined) session.print(renderData(linted, format));
  else {
    session.print(...linted.mistakes.map((mistake) => said(mistake, style.red)));
    session.note(summary(linted));
  }
  return linted.mistakes.length === 0 ? EXIT.ok : EXIT.error;
}

function said({ file, line, object, path, message }: Mistake, paint: (text: string) => string): string {
  const where = [`${file}:${line}`, object, path].filter((part) => part !== "").join(": ");
  return `${where}: ${paint(message)}`;
}

function summary({ mistakes, objects, others }: Linted): string {
  const passed = others === 0 ? "" : `; ${others} of other kinds were passed over`;
  const looked = `${objects} object${objects === 1 ? "" : "s"}`;
  if (mistakes.length === 0)
    return objects === 0 ? `Nothing of Zenith's was found${passed}.` : `${looked}, no mistakes${passed}.`;
  return `${looked}, ${mistakes.length} mistake${mistakes.length === 1 ? "" : "s"}${passed}.`;
}
