import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { CliError } from "./errors.ts";

const READ = /\.(ya?ml|json)$/;

/** A file, or every YAML and JSON file of a folder and of those below, by path.
 * @throws CliError where there is none */
export function readFiles(path: string): Map<string, string> {
  try {
    const paths = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: "utf8" })
          .filter((name) => READ.test(name))
          .sort()
          .map((name) => join(path, name))
      : [path];
    return new Map(paths.map((file) => [file, readFileSync(file, "utf8")]));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CliError(code === "ENOENT" ? `There is no file or folder "${path}"` : `Cannot read ${path}: ${message}`);
  }
}
