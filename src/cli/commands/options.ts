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

function readDuration(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    if (error instanceof UnitError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}
