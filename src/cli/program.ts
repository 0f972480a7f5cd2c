import { Command, CommanderError, Option } from "commander";
import { completeCommand, completionCommand } from "./commands/completion.ts";
import { deployCommand } from "./commands/deploy.ts";
import { flagCommand } from "./commands/flag.ts";
import { getCommand } from "./commands/get.ts";
import { historyCommand } from "./commands/history.ts";
import { killCommand } from "./commands/kill.ts";
import { lintCommand } from "./commands/lint.ts";
import { planCommand } from "./commands/plan.ts";
import { preflightCommand } from "./commands/preflight.ts";
import { reportCommand } from "./commands/report.ts";
import { statusCommand } from "./commands/status.ts";
import { verbCommands } from "./commands/verbs.ts";
import { versionCommand } from "./commands/version.ts";
import { whyCommand } from "./commands/why.ts";
import { CliError, EXIT } from "./errors.ts";
import { explainError } from "./explain-error.ts";
import { harmless, type Io } from "./io.ts";
import { type GlobalOptions, Session } from "./session.ts";

/** Does what a command is for. Answers with the exit code. */
// biome-ignore lint/suspicious/noExplicitAny: commander hands over what each command has declared, untyped.
export type Action = (session: Session, args: readonly any[], options: any) => Promise<number>;

/** Binds an action to the run at hand. */
export type Bind = (action: Action) => (...given: unknown[]) => Promise<void>;

/** The whole tree of commands; the reference and the completion are made from it too. */
export function makeProgram(bind: Bind): Command {
  const program = new Command("kubectl zenith")
    .description("Releases in steps, judged and taken back by themselves: see them, steer them, plan them.")
    .usage("<command> [flags]")
    .addOption(new Option("-n, --namespace <name>", "namespace (default: that of the context)"))
    .addOption(new Option("--context <name>", "context of the kubeconfig"))
    .addOption(new Option("--kubeconfig <file>", "kubeconfig file (default: KUBECONFIG, ~/.kube/config)"))
    .addOption(new Option("--no-color", "no colours, also at a terminal (or set NO_COLOR)"))
    .configureHelp({ showGlobalOptions: true })
    .helpCommand(false);
  const commands = [
    getCommand(bind),
    statusCommand(bind),
    whyCommand(bind),
    planCommand(bind),
    preflightCommand(bind),
    deployCommand(bind),
    ...verbCommands(bind),
    historyCommand(bind),
    reportCommand(bind),
    lintCommand(bind),
    flagCommand(bind),
    killCommand(bind),
    completionCommand(bind),
    versionCommand(bind),
  ];
  for (const command of commands) program.addCommand(command);
  program.addCommand(
    completeCommand(bind, () => program),
    { hidden: true },
  );
  return program;
}

/** Runs one command line.
 * @param argv without program and script
 * @returns the exit code */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  let code: number = EXIT.ok;
  const bind: Bind =
    (action) =>
    async (...given) => {
      const command = given.at(-1) as Command;
      const session = new Session(io, command.optsWithGlobals<GlobalOptions>());
      try {
        code = await action(session, command.processedArgs, command.optsWithGlobals());
      } finally {
        await session.close();
      }
    };
  const program = makeProgram(bind);
  quiet(program, io);
  try {
    if (argv.length === 0) {
      io.out(program.helpInformation());
      return EXIT.ok;
    }
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    return tell(error, io);
  }
}

/** Commander throws instead of ending the process, and leaves the telling to us. */
function quiet(command: Command, io: Io): void {
  command.exitOverride().configureOutput({ writeOut: io.out, writeErr: () => undefined });
  for (const below of command.commands) quiet(below, io);
}

function tell(error: unknown, io: Io): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    return tell(mistakeOf(error), io);
  }
  if (io.signal.aborted) return 130;
  const { message, hint, code } = explainError(error);
  io.err(harmless(`Error: ${message}\n${hint === undefined ? "" : `Hint: ${hint}\n`}`));
  if (io.environment.ZENITH_DEBUG === "1" && error instanceof Error) io.err(`${error.stack}\n`);
  return code;
}

function mistakeOf({ code, message }: CommanderError): CliError {
  if (code === "commander.help")
    return new CliError("A command is missing", "the same with --help lists what there is");
  const [first = "", ...rest] = message.replace(/^error: /, "").split("\n");
  const meant = rest
    .join(" ")
    .trim()
    .replace(/^\((.*)\)$/, "$1");
  return new CliError(first, meant === "" ? "kubectl zenith --help lists what there is" : meant);
}
