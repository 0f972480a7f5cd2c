import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { monotonicMs } from "./clients.ts";
import { HttpConnection } from "./http-connection.ts";

/** What is asked, and how: as fast as answers come, or at a rate whatever the answers do. */
export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second; left out: each connection asks again when it has its answer. */
  readonly rate?: number;
}

export interface LoadResult {
  readonly requests: number;
  /** From when a request was due to when its answer was there. */
  readonly tookMs: readonly number[];
}

/** Load on a flag server, from a process of its own, by connections that are kept. */
export function loadOfrep(options: LoadOptions): Promise<LoadResult> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: ["--disable-warning=ExperimentalWarning"] });
  return new Promise((resolve, reject) => {
    child.once("message", (result: LoadResult) => {
      resolve(result);
      child.disconnect();
    });
    child.once("exit", (code) => reject(new Error(`The process that makes load ended with ${code}`)));
    child.send(options);
  });
}

async function load({ port, path, body, connections, seconds, rate }: LoadOptions): Promise<LoadResult> {
  const all = Array.from({ length: connections }, () => new HttpConnection(port, failed));
  const request = `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  await Promise.all(all.map((one) => one.send(request))); // Everything has been run once.
  const startMs = monotonicMs();
  const endMs = startMs + 1_000 * seconds;
  const tookMs: number[] = [];
  if (rate === undefined)
    await Promise.all(
      all.map(async (one) => {
        for (let dueMs = monotonicMs(); dueMs < endMs; ) {
          await one.send(request);
          const nowMs = monotonicMs();
          tookMs.push(nowMs - dueMs);
          dueMs = nowMs;
        }
      }),
    );
  else await atRate(all, request, { rate, startMs, count: rate * seconds, tookMs });
  for (const one of all) one.close();
  return { requests: tookMs.length, tookMs };
}

const TICK_MS = 1;

/** Each request is due at its time; one that finds no free connection waits, and its waiting counts. */
async function atRate(
  all: readonly HttpConnection[],
  request: string,
  run: { readonly rate: number; readonly startMs: number; readonly count: number; readonly tookMs: number[] },
): Promise<void> {
  const { rate, startMs, count, tookMs } = run;
  const free = [...all];
  const dueMs = (i: number) => startMs + (1_000 * i) / rate;
  let next = 0;
  const work = (): void => {
    while (next < count && dueMs(next) <= monotonicMs()) {
      const one = free.pop();
      if (one === undefined) return;
      const due = dueMs(next++);
      void one.send(request).then(() => {
        tookMs.push(monotonicMs() - due);
        free.push(one);
        work();
      });
    }
  };
  while (tookMs.length < count) {
    work();
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}

function failed(why: string): void {
  process.stderr.write(`The load failed: ${why}\n`);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.on("message", (options: LoadOptions) => void load(options).then((result) => process.send?.(result)));
