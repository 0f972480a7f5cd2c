import { availableParallelism } from "node:os";
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";
import type { Outcome } from "./frame.ts";
import { SUBJECTS, type SubjectName } from "./subjects.ts";

/** Seeds are independent of each other: as many are played at once as there are processors. */
export const THREADS = availableParallelism();

/** Seeds that a thread is given at a time: few enough that none is still busy long after the others. */
const SLICE = 10;

/** Plays the seeds, on this thread or on several, and tells of each as it ends: in any order. The story is left out where
 * nothing was broken.
 * @throws whatever playing one throws */
export async function playAll(
  subject: SubjectName,
  seeds: readonly number[],
  threads: number,
  told: (outcome: Outcome) => void,
): Promise<void> {
  if (threads <= 1) {
    for (const seed of seeds) told(briefly(await SUBJECTS[subject].play(seed)));
    return;
  }
  const left = [...seeds];
  await Promise.all(Array.from({ length: threads }, () => playOnThread(subject, () => left.splice(0, SLICE), told)));
}

/** One thread, that asks for more whenever it is done. */
function playOnThread(subject: SubjectName, next: () => number[], told: (outcome: Outcome) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: subject });
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
function playForOthers(port: MessagePort, { play }: (typeof SUBJECTS)[SubjectName]): void {
  port.on("message", async (seeds: readonly number[]) => {
    if (seeds.length === 0) {
      port.close();
      return;
    }
    const outcomes: Outcome[] = [];
    for (const seed of seeds) outcomes.push(briefly(await play(seed)));
    port.postMessage(outcomes);
  });
}

if (!isMainThread && parentPort !== null) playForOthers(parentPort, SUBJECTS[workerData as SubjectName]);
