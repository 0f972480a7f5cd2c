import type { Command, Option } from "commander";

/** What may stand where the cursor is. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names of this kind may stand there too; the cluster knows them. */
  readonly names?: "rollout" | "flag";
}

export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** Options whose values are few. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  "--output": ["json", "yaml"],
  "--strategy": ["safe", "fast", "instant", "custom"],
  "--rollouts": ["hold", "abort"],
};

/** Completes the last of the words, from the tree of commands. Pure.
 * @param words what stands behind `kubectl zenith`; the last one is unfinished, and may be empty */
export function complete(program: Command, words: readonly string[]): Completion {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { command, given, awaits } = walk(program, before);
  if (awaits !== undefined)
    return startingWith(
      current,
      (VALUES[awaits] ?? []).map((word) => ({ word, about: "" })),
    );
  if (current.startsWith("-")) return startingWith(current, optionsOf(program, command));
  if (command.commands.length > 0) {
    const shown = command.commands.filter((below) => !below.name().startsWith("__"));
    return startingWith(
      current,
      shown.map((below) => ({ word: below.name(), about: firstSentence(below) })),
    );
  }
  const argument = command.registeredArguments[given];
  if (argument === undefined) return { candidates: [] };
  if (argument.argChoices !== undefined)
    return startingWith(
      current,
      argument.argChoices.map((word) => ({ word, about: "" })),
    );
  const isFlag = argument.name() === "flag" || current.startsWith("flag/");
  const isName = ["rollout", "name", "flag"].includes(argument.name()) && command.name() !== "kill";
  return isName ? { candidates: [], names: isFlag ? "flag" : "rollout" } : { candidates: [] };
}

interface Place {
  readonly command: Command;
  /** Arguments that stand there already. */
  readonly given: number;
  /** The option whose value comes next. */
  readonly awaits: string | undefined;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let given = 0;
  let awaits: string | undefined;
  for (const word of words) {
    if (awaits !== undefined) awaits = undefined;
    else if (word.startsWith("-")) {
      const option = optionNamed(program, command, word);
      if (option !== undefined && takesValue(option) && !word.includes("=")) awaits = option.long ?? word;
    } else {
      const below = command.commands.find((one) => one.name() === word);
      if (below !== undefined) command = below;
      else given++;
    }
  }
  return { command, given, awaits };
}

function optionNamed(program: Command, command: Command, word: string): Option | undefined {
  const name = word.split("=")[0];
  return [...command.options, ...program.options].find(({ short, long }) => short === name || long === name);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function optionsOf(program: Command, command: Command): Candidate[] {
  return [...command.options, ...program.options].flatMap(({ long, description, hidden }) =>
    long === undefined || long === null || hidden ? [] : [{ word: long, about: description }],
  );
}

function firstSentence(command: Command): string {
  return command.description().split(/[:.;]/)[0] ?? "";
}

function startingWith(current: string, candidates: readonly Candidate[]): Completion {
  return { candidates: candidates.filter(({ word }) => word.startsWith(current)) };
}
