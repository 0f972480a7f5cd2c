import type { Argument, Command, Option } from "commander";
import { makeProgram } from "../src/cli/program.ts";

const HEAD = `<!-- Generated from src/cli by npm run generate; do not edit. -->

# kubectl zenith

One program, \`kubectl-zenith\`: on your PATH it answers \`kubectl zenith …\`. Flags stand behind the command, as kubectl lets
none stand before a plugin's name: \`kubectl zenith get web -n shop\`.

Every mistake is one sentence and a hint, on the standard error stream, with exit code 1. What is interrupted while it waits ends with 130
(\`get --watch\`, which has no other end, with 0), and with 141 where nobody reads what it prints, as any program does in a shell.`;

/** The page of the command line, from the tree of commands alone. */
export function cliReference(): string {
  const program = makeProgram(() => async () => undefined);
  const shown = program.commands.filter((command) => !command.name().startsWith("__"));
  const pages = shown.flatMap((command) => pagesOf(command, "kubectl zenith"));
  return `${[HEAD, "## Flags of every command", table(program.options), ...pages].join("\n\n")}\n`;
}

function pagesOf(command: Command, parent: string): string[] {
  const name = `${parent} ${command.name()}`;
  const words = command.registeredArguments.map(argumentSaid).join(" ");
  const page = [
    `## ${name}`,
    escaped(command.description()),
    ...(command.commands.length > 0 ? [] : [`    ${name}${words === "" ? "" : ` ${words}`} [flags]`]),
    ...(command.registeredArguments.length === 0 ? [] : [argumentsTable(command.registeredArguments)]),
    ...(command.options.length === 0 ? [] : [table(command.options)]),
    ...afterwards(command),
  ];
  return [page.join("\n\n"), ...command.commands.flatMap((below) => pagesOf(below, name))];
}

/** What the help says below its lists: examples, exit codes. */
function afterwards(command: Command): string[] {
  let text = "";
  command.configureOutput({
    writeOut: (said) => {
      text += said;
    },
  });
  command.outputHelp();
  const after = text.replace(command.helpInformation(), "").trim();
  if (after === "") return [];
  const [title = "", ...lines] = after.split("\n");
  return [`${title}\n\n${lines.map((line) => `    ${line.trim()}`).join("\n")}`];
}

function argumentSaid(argument: Argument): string {
  const name = `${argument.name().toUpperCase()}${argument.variadic ? "…" : ""}`;
  return argument.required ? name : `[${name}]`;
}

function argumentsTable(list: readonly Argument[]): string {
  const rows = list.map((argument) => `| \`${argument.name().toUpperCase()}\` | ${cell(argument.description)} |`);
  return ["| Argument | Meaning |", "|---|---|", ...rows].join("\n");
}

function table(options: readonly Option[]): string {
  const shown = options.filter(({ hidden }) => !hidden);
  const rows = shown.map((option) => `| \`${option.flags}\` | ${cell(meaningOf(option))} |`);
  return ["| Flag | Meaning |", "|---|---|", ...rows].join("\n");
}

function meaningOf({ description, defaultValue, defaultValueDescription, argChoices }: Option): string {
  const choices = argChoices === undefined ? "" : ` One of ${argChoices.join(", ")}.`;
  const usual = defaultValueDescription ?? (typeof defaultValue === "string" ? defaultValue : undefined);
  return `${description}${usual === undefined ? "" : ` (default: ${usual})`}${choices}`;
}

function cell(text: string): string {
  return escaped(text).replaceAll("|", "\\|").replaceAll("\n", "<br>");
}

function escaped(text: string): string {
  return text.replaceAll("<", "&lt;");
}
