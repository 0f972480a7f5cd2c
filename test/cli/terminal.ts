import { readFiles } from "../../src/cli/files.ts";
import type { Io } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/program.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process, without a cluster: what has none to ask. */
export async function runOffline(
  argv: readonly string[],
  given: { input?: string; environment?: Io["environment"] } = {},
): Promise<Ran> {
  let [out, err] = ["", ""];
  const code = await runCli(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    isTerminal: false,
    columns: () => 120,
    environment: given.environment ?? { LANG: "C.UTF-8" },
    readInput: async () => given.input ?? "",
    readFiles,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}
