import { readFileSync } from "node:fs";
import type { Running } from "./processes.ts";

/** Longer than an API server may be away in a test: as the kubelet, we wait for who waits for it. */
const READY_WITHIN_MS = 90_000;

export interface Started {
  readonly running: Running;
  readonly logFile: string;
}

/** Resolves once a program is ready; one that does not get there is stopped: nobody else would.
 * @param what its name in a sentence
 * @throws Error with the end of its log */
export async function untilReady(
  what: string,
  { running, logFile }: Started,
  isReady: () => Promise<boolean>,
): Promise<void> {
  let ended = false;
  void running.ended.then(() => {
    ended = true;
  });
  for (const end = performance.now() + READY_WITHIN_MS; performance.now() < end && !ended; ) {
    if (await isReady()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await running.stop();
  throw new Error(`${what} did not get ready; its log ends with: ${readFileSync(logFile, "utf8").slice(-1000)}`);
}

/** Whether a probe's address answers that all is well. */
export async function isWell(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}
