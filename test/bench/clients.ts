import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { FlagServerPorts } from "../cluster/flag-server.ts";
import { H2Stream } from "./h2-stream.ts";
import { SseClient } from "./sse-client.ts";

/** How clients are connected: the whole set for evaluation in process, events by RPC, or hints to fetch again by OFREP. */
export type ClientKind = "sync" | "events" | "ofrep";

export interface ClientsOptions {
  readonly kind: ClientKind;
  readonly count: number;
  readonly ports: FlagServerPorts;
  readonly flagSet: string;
}

type Order = ({ readonly do: "open" } & ClientsOptions) | { readonly do: "await"; readonly marker: string };
type Report = { readonly is: "open" | "waiting" } | { readonly is: "arrived"; readonly atMs: number[] };

/** On one clock, whichever process asks. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Clients of a flag server, spread over processes of their own: what is measured is the server. They are as cheap as clients can
 * be: no set is parsed, and of a message they look for one text, and for its end. */
export class Clients {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Resolves once all have what is served now. */
  static async open(options: ClientsOptions, processes = 2): Promise<Clients> {
    const children = Array.from({ length: processes }, () =>
      fork(fileURLToPath(import.meta.url), { execArgv: ["--disable-warning=ExperimentalWarning"] }),
    );
    const clients = new Clients(children);
    const share = (i: number) =>
      Math.floor(((i + 1) * options.count) / processes) - Math.floor((i * options.count) / processes);
    await Promise.all(
      children.map((child, i) => clients.#ask(child, { do: "open", ...options, count: share(i) }, "open")),
    );
    return clients;
  }

  /** Has all of them wait for a message that holds `marker`.
   * @returns once they wait: what resolves with the time at which each had it, by `monotonicMs` */
  async await(marker: string): Promise<{ readonly arrived: Promise<number[]> }> {
    const reports = Promise.all(this.#children.map((child) => reportOf(child, "arrived")));
    const arrived = reports.then((all) => all.flatMap((report) => ("atMs" in report ? report.atMs : [])));
    arrived.catch(() => undefined); // Whoever waits for it is told.
    await Promise.all(this.#children.map((child) => this.#ask(child, { do: "await", marker }, "waiting")));
    return { arrived };
  }

  async close(): Promise<void> {
    const ended = this.#children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
    for (const child of this.#children) child.disconnect();
    await Promise.all(ended);
  }

  async #ask(child: ChildProcess, order: Order, answer: Report["is"]): Promise<void> {
    const report = reportOf(child, answer);
    child.send(order);
    await report;
  }
}

const PATIENCE_MS = 60_000;

function reportOf(child: ChildProcess, is: Report["is"]): Promise<Report> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      child.off("message", listen);
      child.off("exit", ended);
    };
    const listen = (report: Report): void => {
      if (report.is !== is) return;
      end();
      resolve(report);
    };
    const ended = (code: number | null): void => {
      end();
      reject(new Error(`A process of clients ended with ${code}`));
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error(`Waited ${PATIENCE_MS / 1_000} s until all clients were "${is}"`));
    }, PATIENCE_MS);
    child.on("message", listen);
    child.once("exit", ended);
  });
}

/** The clients of one process. */
class Group {
  readonly #first: Promise<unknown>;
  readonly #waiting: ((marker: string) => Promise<number>)[] = [];

  constructor({ kind, count, ports, flagSet }: ClientsOptions) {
    const open = kind === "ofrep" ? () => sseClient(ports.ofrep, flagSet) : () => grpcClient(kind, ports, flagSet);
    const all = Array.from({ length: count }, open);
    this.#waiting = all.map(({ has }) => has);
    this.#first = Promise.all(all.map(({ first }) => first));
  }

  async settled(): Promise<void> {
    await this.#first;
  }

  arrived(marker: string): Promise<number[]> {
    return Promise.all(this.#waiting.map((wait) => wait(marker)));
  }
}

interface Waiting {
  readonly first: Promise<unknown>;
  /** Resolves with the time at which a message that holds the marker was there to its end. */
  has(marker: string): Promise<number>;
}

/** Signs of life are shorter than anything that says something. */
const SIGN_OF_LIFE_BYTES = 32;
/** At the end of what gzip has made: a checksum of the content, and its length. */
const CHECKSUM_BYTES = 8;
const PATHS = {
  sync: "/flagd.sync.v1.FlagSyncService/SyncFlags",
  events: "/flagd.evaluation.v1.Service/EventStream",
};

function grpcClient(kind: "sync" | "events", ports: FlagServerPorts, flagSet: string): Waiting {
  let marker: string | undefined;
  let told: (atMs: number) => void = () => undefined;
  const first = new Promise<void>((resolve) => {
    const port = kind === "sync" ? ports.sync : ports.evaluation;
    new H2Stream(port, PATHS[kind], flagSet, {
      message: (body, isCompressed) => {
        if (body.length < SIGN_OF_LIFE_BYTES) return;
        resolve();
        if (marker === undefined || !holds(body, isCompressed, marker)) return;
        marker = undefined;
        told(monotonicMs());
      },
      failed: end,
    });
  });
  const has = (text: string): Promise<number> => {
    marker = text;
    return new Promise((resolve) => {
      told = resolve;
    });
  };
  return { first, has };
}

let read = { name: "", holds: false };

/** Compressed, a message is read by the first client of a process; the others see by its checksum that they have the same. */
function holds(body: Buffer, isCompressed: boolean, marker: string): boolean {
  if (!isCompressed) return body.includes(marker);
  const name = `${body.length} ${body.subarray(-CHECKSUM_BYTES).toString("hex")} ${marker}`;
  if (read.name !== name) read = { name, holds: gunzipSync(body).includes(marker) };
  return read.holds;
}

function sseClient(port: number, flagSet: string): Waiting {
  const client = new SseClient(port, flagSet, end);
  return {
    first: client.opened,
    has: (marker) => client.fetched(marker).then(monotonicMs),
  };
}

function end(why: string): void {
  process.stderr.write(`A client of the benchmark failed: ${why}\n`);
  process.exit(1);
}

/** What such a process does. */
function serveOrders(): void {
  let group: Group | undefined;
  const obey = async (order: Order): Promise<void> => {
    if (order.do === "open") {
      group = new Group(order);
      await group.settled();
      process.send?.({ is: "open" } satisfies Report);
      return;
    }
    const arrived = group?.arrived(order.marker);
    process.send?.({ is: "waiting" } satisfies Report);
    process.send?.({ is: "arrived", atMs: (await arrived) ?? [] } satisfies Report);
  };
  process.on("message", (order: Order) => void obey(order));
  process.on("disconnect", () => process.exit());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serveOrders();
