import { text } from "node:stream/consumers";
import { readFiles } from "./files.ts";
import type { Io } from "./io.ts";
import { runCli } from "./program.ts";

if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(
    `Error: kubectl zenith needs Node 24 or later (found ${process.version})\nHint: install it, and put it first in PATH\n`,
  );
  process.exit(1);
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130); // The second one forces.
    stop.abort();
  });
}
// Whoever reads along may leave first: `kubectl zenith get | head`. It ends as by SIGPIPE: 0 would say that all was done, or
// that what `status` waits for is promoted.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(141);
  });

const io: Io = {
  out: (said) => void process.stdout.write(said),
  err: (said) => void process.stderr.write(said),
  isTerminal: process.stdout.isTTY === true,
  columns: () => process.stdout.columns ?? 120,
  environment: process.env,
  readInput: () => text(process.stdin),
  readFiles,
  signal: stop.signal,
};

process.exitCode = await runCli(process.argv.slice(2), io);
