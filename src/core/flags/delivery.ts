/** How far a change of a flag has come, as one flag server tells it on its management port, and summed over all of them. */

/** GET /delivery of a flag server. */
export interface DeliveryPage {
  /** The pod. */
  readonly server: string;
  readonly flagSets: Readonly<Record<string, Readonly<Record<string, FlagDelivery>>>>;
  /** By `FlagDelivery.fetchers`: what was changed together is told, and fetched, together. */
  readonly fetchers: Readonly<Record<string, Fetchers>>;
}

export interface FlagDelivery {
  /** What is served: a page that shows another version speaks of another definition. */
  readonly version: string;
  /** Streams that are connected and get this flag's changes: in-process, RPC and browser clients. */
  readonly clients: number;
  /** Of those, who have this version: flushed to the stream, or fetched from this server. */
  readonly acked: number;
  /** Which of the page's, where flags were asked about by key; none while nobody was told of this version yet. */
  readonly fetchers?: string;
  /** From the change's arrival at the server until the last but 1 % had it, milliseconds; none without a change since the start. */
  readonly p99Ms?: number;
  /** How often each variant was answered since the start; `""` where the code's own default was left to hold. */
  readonly evaluations: Readonly<Record<string, number>>;
}

/** Clients that are told of a change and then fetch, by the names of their streams: browsers, and servers that listen by OFREP. One
 * that is told by this server may fetch from another, and the other way round. */
export interface Fetchers {
  /** Connected here, and have not fetched from here since. */
  readonly waiting: readonly string[];
  /** The same, though they had long enough: a page that nobody looks at fetches when somebody does. */
  readonly overdue: readonly string[];
  /** Have fetched from here since, lately, and are connected to another server, or seem to be. */
  readonly elsewhere: readonly string[];
}

export interface Delivery {
  /** Servers that were asked. */
  readonly asked: number;
  /** Of those, who have not said anything. */
  readonly silent: number;
  /** Servers that serve the version asked for. */
  readonly servers: number;
  readonly clients: number;
  readonly acked: number;
  /** Clients that were told long ago and have not fetched; nobody waits for them any more. */
  readonly overdue: number;
  readonly p99Ms?: number;
}

/** What all servers together have delivered of one version of a flag. A client may be told by one server and fetch from another;
 * the slowest server gives the time.
 * @param pages one of each server that was asked; undefined for one that did not answer */
export function sumDelivery(
  pages: readonly (DeliveryPage | undefined)[],
  flag: { readonly flagSet: string; readonly key: string; readonly version: string },
): Delivery {
  const all = pages.flatMap((page) => {
    const delivery = page?.flagSets[flag.flagSet]?.[flag.key];
    return delivery === undefined ? [] : [{ ...NOBODY, ...page?.fetchers[delivery.fetchers ?? ""], ...delivery }];
  });
  const current = all.filter(({ version }) => version === flag.version);
  const fetched = new Set(current.flatMap(({ elsewhere }) => elsewhere));
  const acked = current.map((one) => one.acked + [...one.waiting, ...one.overdue].filter((n) => fetched.has(n)).length);
  const overdue = current.map((one) => one.overdue.filter((name) => !fetched.has(name)).length);
  const times = current.flatMap(({ p99Ms }) => p99Ms ?? []);
  return {
    asked: pages.length,
    silent: pages.filter((page) => page === undefined).length,
    servers: current.length,
    clients: sum(all.map(({ clients }) => clients)),
    acked: sum(acked),
    overdue: sum(overdue),
    ...(times.length === 0 ? {} : { p99Ms: Math.max(...times) }),
  };
}

const NOBODY: Fetchers = { waiting: [], overdue: [], elsewhere: [] };

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** What is missing, in a word and a sentence; undefined where everyone has it. */
export function missingOf(delivery: Delivery): { readonly reason: string; readonly message: string } | undefined {
  const { asked, silent, servers, clients, acked, overdue } = delivery;
  if (asked === silent && asked > 0)
    return { reason: "ServerSilent", message: `none of ${asked} flag servers says what it has delivered` };
  if (servers === 0) return { reason: "NoServer", message: "no flag server serves this version yet" };
  if (silent > 0)
    return { reason: "ServerSilent", message: `${silent} of ${asked} flag servers does not say what it has delivered` };
  if (servers < asked) return { reason: "Delivering", message: `${servers} of ${asked} flag servers serve it` };
  if (acked + overdue < clients) return { reason: "Delivering", message: `${acked} of ${clients} clients have it` };
  return undefined;
}
