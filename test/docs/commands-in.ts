import { readFileSync } from "node:fs";

const COMMAND = /^(kubectl|helm|npm|node|skopeo|eval) /;

/** The commands of a page, each once, without what is said of them: the lines of its shell blocks, indented or fenced with `sh`, and
 * what its sentences quote. */
export function commandsIn(page: string): string[] {
  const text = readFileSync(page, "utf8").replaceAll(/\\\n +/g, "");
  const fenced = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = ""]) => block.split("\n"));
  const rest = text.replaceAll(/^```.*?^```$/gms, "");
  const indented = rest.split("\n").filter((line) => line.startsWith("    "));
  const quoted = [...rest.matchAll(/`([^`]+)`/g)].map(([, words = ""]) => words.replaceAll(/\s+/g, " "));
  const lines = [...fenced, ...indented, ...quoted].map((line) => line.replace(/ +# .*$/, "").trim());
  return [...new Set(lines.filter((line) => COMMAND.test(line)))];
}
