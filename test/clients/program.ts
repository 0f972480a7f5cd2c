import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { SPLITS } from "./lab.ts";

export interface Answer {
  readonly value: unknown;
  readonly variant: string | null;
  readonly reason: string;
  readonly metadata: object;
}

/** A program in another language that uses its OpenFeature SDK. It is asked and it answers line by line, in JSON. */
export class Program {
  /** Keys of the flags that it was told of. */
  readonly changed: string[] = [];
  /** Sets of flags that came, where it asks for whole sets. */
  readonly sets: string[] = [];
  readonly #process: ChildProcess;
  readonly #waiting: ((answers: Answer[]) => void)[] = [];

  constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.#process.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const said = JSON.parse(line) as { answers?: Answer[]; changed?: string[]; flags?: string };
      this.changed.push(...(said.changed ?? []));
      if (said.flags !== undefined) this.sets.push(said.flags);
      if (said.answers !== undefined) this.#waiting.shift()?.(said.answers);
    });
  }

  /** Evaluates one flag for each context, one after the other. */
  ask(type: string, key: string, fallback: unknown, contexts: readonly object[]): Promise<Answer[]> {
    this.#process.stdin?.write(`${JSON.stringify({ type, key, default: fallback, contexts })}\n`);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Asks for a flag of the lab's splits, with the type that it has. */
  askSplit(key: string, contexts: readonly object[]): Promise<Answer[]> {
    const type = typeOf(key);
    return this.ask(type, key, DEFAULTS[type], contexts);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill();
    await ended;
  }
}

const DEFAULTS = { boolean: false, string: "code", number: -1 };

function typeOf(key: string): keyof typeof DEFAULTS {
  const { variants } = SPLITS[key] ?? {};
  if (variants?.string !== undefined) return "string";
  return variants?.number === undefined ? "boolean" : "number";
}
