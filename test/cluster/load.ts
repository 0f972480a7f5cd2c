import { Pool, request } from "undici";

/** Requests of one version, or of the gateway itself where no version answered. */
export interface Tally {
  requests: number;
  /** Answers that were not 2xx. */
  failed: number;
  /** Answers that took longer than `slowMs`. */
  slow: number;
}

/** What clients saw: by version, with "gateway" for what no version answered, and "reset" for broken connections. */
export type Tallies = Readonly<Record<string, Tally>>;

/** Clients that never wait for each other: an open loop over kept-alive connections. */
export interface Load {
  readonly tallies: Tallies;
  /** What was seen since the last call of `lap`. */
  lap(): Tallies;
  /** The first few failures that no version answered for, as sentences. */
  readonly faults: readonly string[];
  stop(): Promise<void>;
}

const CONNECTIONS = 64;
const TIMEOUT_MS = 8_000;
const SLOW_MS = 500;
const SERVED_WITHIN_MS = 120_000;

/** One request, where not all are alike. */
export interface Ask {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface LoadOptions<A extends Ask> {
  /** What is asked for next. */
  readonly next: () => A;
  /** Told what came of it, where a version answered. */
  readonly heard: (ask: A, version: string, failed: boolean) => void;
}

/** Resolves once one of our shops answers where its clients ask.
 * @throws Error that says what answered instead, after two minutes */
export async function untilServed(url: string, host: string): Promise<void> {
  let last = "no answer";
  for (const end = performance.now() + SERVED_WITHIN_MS; performance.now() < end; ) {
    try {
      const { statusCode, headers, body } = await request(url, { headers: { host } });
      await body.dump();
      if (statusCode === 200 && headers["x-version"] !== undefined) return;
      last = `${statusCode}, from something else than the shop`;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The shop does not answer at ${url} for the Host ${host}: ${last}`);
}

/** @param rps requests a second, sent on time whatever the answers do */
export function startLoad<A extends Ask>(
  url: string,
  rps: number,
  headers: Record<string, string> = {},
  options?: LoadOptions<A>,
): Load {
  const pool = new Pool(url, { connections: CONNECTIONS, keepAliveTimeout: 600_000, keepAliveMaxTimeout: 600_000 });
  const tallies: Record<string, Tally> = {};
  const faults: string[] = [];
  let lap: Record<string, Tally> = {};
  let sent = 0;
  let stopped = false;
  const beganMs = performance.now();
  const pending = new Set<Promise<void>>();

  const count = (who: string, failed: boolean, slow: boolean): void => {
    for (const book of [tallies, lap]) {
      book[who] ??= { requests: 0, failed: 0, slow: 0 };
      const tally = book[who];
      tally.requests++;
      if (failed) tally.failed++;
      if (slow) tally.slow++;
    }
  };
  const send = async (): Promise<void> => {
    const startedMs = performance.now();
    const ask = options?.next();
    try {
      const answer = await pool.request({
        path: ask?.path ?? "/",
        method: "GET",
        headers: { ...headers, ...ask?.headers },
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
      });
      await answer.body.dump();
      const version = answer.headers["x-version"];
      const failed = answer.statusCode < 200 || answer.statusCode > 299;
      if (version === undefined && faults.length < 20)
        faults.push(`${answer.statusCode} ${answer.headers["x-gateway"] ?? ""}`);
      if (ask !== undefined && typeof version === "string") options?.heard(ask, version, failed);
      count(typeof version === "string" ? version : "gateway", failed, performance.now() - startedMs > SLOW_MS);
    } catch (error) {
      if (stopped) return;
      if (faults.length < 20) faults.push(String(error));
      count("reset", true, false);
    }
  };
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - beganMs) * rps) / 1000);
    for (; sent < due; sent++) {
      const one = send().finally(() => pending.delete(one));
      pending.add(one);
    }
  }, 5);
  return {
    tallies,
    faults,
    lap: () => {
      const result = lap;
      lap = {};
      return result;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.race([Promise.all(pending), new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS))]);
      stopped = true;
      await pool.destroy();
    },
  };
}
