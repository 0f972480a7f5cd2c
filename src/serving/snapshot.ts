import { join } from "node:path";
import type { Clock } from "../kube/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { readWhole, writeWhole } from "./files.ts";
import type { CompiledFlag } from "./served-flag.ts";
import type { FlagStore } from "./store.ts";

const FILE = "flags.ndjson";
/** Between two writings: each holds all flags. */
const PAUSE_MS = 1_000;

/** What is served, kept on disk: a server that starts while the API server is away serves what the one before it did. */
export class Snapshot {
  readonly #path: string;
  readonly #store: FlagStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #isDirty = false;
  #writing: Promise<void> | undefined;
  #isTold = false;

  constructor(options: {
    readonly folder: string;
    readonly store: FlagStore;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#path = join(options.folder, FILE);
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Serves what was kept.
   * @returns how many flags; undefined where nothing was kept, or it is damaged */
  async load(): Promise<number | undefined> {
    try {
      const text = await readWhole(this.#path);
      if (text === undefined) return undefined;
      const flags = text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as CompiledFlag);
      for (const flag of flags) this.#store.put(flag);
      return flags.length;
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, "the snapshot cannot be used; the API server is waited for");
      return undefined;
    }
  }

  /** Keeps what is served from now on, changes as they come. */
  keep(): void {
    this.#store.subscribe(() => this.#write());
    this.#write();
  }

  /** Resolves once everything is on disk. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #write(): void {
    this.#isDirty = true;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false;
      try {
        await writeWhole(this.#path, textOf(this.#store));
        this.#isTold = false;
      } catch (error) {
        // What is served does not depend on it; a restart would.
        if (!this.#isTold) this.#log.error({ error: messageOf(error) }, "the snapshot cannot be written");
        this.#isTold = true;
      }
      if (this.#isDirty) await this.#clock.sleep(PAUSE_MS);
    }
  }
}

/** A flag a line; definitions as they are. */
function textOf(store: FlagStore): string {
  const flags = store.names().flatMap((name) => [...store.flagSet(name).flags.values()]);
  const lines = flags.map(({ key, flagSet, version, isClientVisible, isByClock, json }) => {
    const rest = { key, flagSet, version, visibility: isClientVisible ? "client" : "server", byClock: isByClock };
    return `${JSON.stringify(rest).slice(0, -1)},"definition":${json}}`;
  });
  return lines.join("\n");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
