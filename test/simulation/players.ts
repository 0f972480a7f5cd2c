import { availableParallelism } from "node:os";
import { isMainThread, type MessagePort, parentPort, Worker } from "node:worker_threads";
import { type Outcome, play } from "./run.ts";

/** Seeds are independent of each other: as many are played at once as there are processors. */
export const THREADS = availableParallelism();

/** Seeds that a thread is given at a time: few enough that none is still busy long after the others. */
const SLICE = 10;

/** Plays the seeds, on this thread or on several, and tells of each as it ends: in any order. The story is left out where
 * nothing was broken.
 * @throws whatever playing one throws */
export async function playAll(
  seeds: readonly number[],
  threads: number,
  told: (outcome: Outcome) => void,
): Promise<void> {
  if (threads <= 1) {
    for (const seed of seeds) told(briefly(play(seed)));
    return;
  }
  const left = [...seeds];
  await Promise.all(Array.from({ length: threads }, () => playOnThread(() => left.splice(0, SLICE), told)));
}

/** One thread, that asks for more whenever it is done. */
function playOnThread(next: () => number[], told: (outcome: Outcome) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url));
    worker.on("error", reject);
    worker.on("exit", () => resolve());
    worker.on("message", (outcomes: readonly Outcome[]) => {
      for (const outcome of outcomes) told(outcome);
      worker.postMessage(next());
    });
    worker.postMessage(next());
  });
}

function briefly(outcome: Outcome): Outcome {
  return outcome.violations.length > 0 ? outcome : { ...outcome, story: [] };
}

/** A thread's own part: no seeds are its end. */
function playForOthers(port: MessagePort): void {
  port.on("message", (seeds: readonly number[]) => {
    if (seeds.length === 0) port.close();
    else port.postMessage(seeds.map((seed) => briefly(play(seed))));
  });
}

if (!isMainThread && parentPort !== null) playForOthers(parentPort);
