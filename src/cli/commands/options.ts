import { InvalidArgumentError, Option } from "commander";
import { parseDurationMs, UnitError } from "../../api/units.ts";
import { FORMATS } from "../render/data.ts";
import { duration } from "../render/words.ts";

/** Options that several commands share. */

export function outputOption(): Option {
  return new Option("-o, --output <format>", `${FORMATS.join(" or ")}: for programs`);
}

/** A duration as a spec has it, read into milliseconds.
 * @param unlessSaid in milliseconds; left out: undefined, which `description` should explain */
export function durationOption(flags: string, description: string, unlessSaid?: number): Option {
  const option = new Option(flags, description).argParser(readDuration);
  return unlessSaid === undefined ? option : option.default(unlessSaid, duration(unlessSaid));
}

/** The options by which `deploy` changes and `plan` tries. */
export function changeOptions(how: string): Option[] {
  const collect = (value: string, before: readonly string[] = []) => [...before, value];
  return [
    new Option("--image <image>", `${how} another image: IMAGE, or CONTAINER=IMAGE; may be repeated`).argParser(
      collect,
    ),
    new Option("--strategy <name>", `${how} another way up: safe, fast, instant, or custom`),
    new Option("--over <duration>", "how long safe or fast takes in all"),
    new Option("--steps <list>", "steps of your own: 5%,10m,25%,analysis:5m,50%,approval"),
  ];
}

function readDuration(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    if (error instanceof UnitError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}
