import { readFileSync, statSync } from "node:fs";
import type { Clock } from "../../kube/clock.ts";

/** The shortest key of HS256 that is worth its name. */
const SHORTEST = 32;
const LOOK_AGAIN_MS = 5_000;

/** Keys of browsers' tokens, from a file that is read again when it changes: one a line. The first one signs, all are accepted,
 * so that one can be replaced without locking anyone out. */
export class ClientKeys {
  readonly #path: string | undefined;
  readonly #clock: Clock;
  #keys: readonly Buffer[] = [];
  #stamp = "";
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** @param path undefined: there are none
   * @throws Error with a sentence where the file cannot be used */
  constructor(path: string | undefined, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    if (path === undefined) return;
    this.#keys = readKeys(path);
    this.#stamp = stampOf(path);
    this.#lookedMs = clock.monotonicMs();
  }

  /** All of them, the one that signs first. A file that is damaged while we run leaves the known ones. */
  get(): readonly Buffer[] {
    const nowMs = this.#clock.monotonicMs();
    if (this.#path === undefined || nowMs - this.#lookedMs < LOOK_AGAIN_MS) return this.#keys;
    this.#lookedMs = nowMs;
    try {
      const stamp = stampOf(this.#path);
      if (stamp !== this.#stamp) this.#keys = readKeys(this.#path);
      this.#stamp = stamp;
    } catch {
      // A Secret that is being replaced: the next look finds it.
    }
    return this.#keys;
  }
}

/** @throws Error with a sentence; what the file holds is not shown */
export function readKeys(path: string): Buffer[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new Error(
      `Cannot read --client-token-key-file=${path}: ${code === "ENOENT" ? "there is no such file" : code}`,
      {
        cause,
      },
    );
  }
  const keys = text
    .split(/\r?\n/)
    .map((line) => Buffer.from(line.trim()))
    .filter(({ length }) => length > 0);
  if (keys.length === 0 || keys.some(({ length }) => length < SHORTEST))
    throw new Error(
      `--client-token-key-file=${path} must hold keys of at least ${SHORTEST} characters, one a line; make one with: openssl rand -base64 48`,
    );
  return keys;
}

function stampOf(path: string): string {
  const { mtimeMs, ino, size } = statSync(path);
  return `${mtimeMs} ${ino} ${size}`;
}
