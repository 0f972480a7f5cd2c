import { type ChildProcess, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SUPERVISOR = join(dirname(fileURLToPath(import.meta.url)), "supervise.mjs");
const REAPER = join(dirname(fileURLToPath(import.meta.url)), "reap.mjs");

/** A program that ends when it is told to, and when this process ends in whatever way. */
export interface Running {
  readonly pid: number;
  /** Resolves with the exit code once it has ended. */
  readonly ended: Promise<number>;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** Kills what it was told of when this process ends, in whatever way. */
export class Reaper {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = spawn(process.execPath, [REAPER], { stdio: ["pipe", "ignore", "inherit"], detached: true });
    this.#process.unref();
    (this.#process.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    this.#process.stdin?.on("error", () => undefined); // Somebody has killed it: then what is left is left.
  }

  /** From now on, until it ends. */
  watch(child: ChildProcess): void {
    const { pid } = child;
    if (pid === undefined) return; // It did not start.
    this.#process.stdin?.write(`+${pid}\n`);
    child.once("exit", () => this.#process.stdin?.write(`-${pid}\n`));
  }

  stop(): void {
    this.#process.stdin?.end();
  }
}

/** Starts a program under the supervisor; what it prints goes to `logFile`. */
export async function start(
  command: string,
  args: readonly string[],
  options: { logFile: string; env?: NodeJS.ProcessEnv; cwd?: string },
): Promise<Running> {
  const log = openSync(options.logFile, "a");
  const child: ChildProcess = spawn(process.execPath, [SUPERVISOR, command, ...args], {
    stdio: ["pipe", log, log, "ipc"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    detached: true,
  });
  const ended = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
  const pid = await new Promise<number>((resolve, reject) => {
    child.once("message", (message) => resolve((message as { pid: number }).pid));
    child.once("exit", () => reject(new Error(`${command} did not start; see ${options.logFile}`)));
  });
  child.disconnect();
  child.unref();
  (child.stdin as unknown as { unref?: () => void })?.unref?.();
  return {
    pid,
    ended,
    signal: (signal) => {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended already.
      }
    },
    stop: async () => {
      child.ref();
      child.stdin?.end();
      await ended;
    },
  };
}
