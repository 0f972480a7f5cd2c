/** How far a change of a flag has come, as one flag server tells it on its management port, and summed over all of them. */

/** GET /delivery of a flag server. */
export interface DeliveryPage {
  /** The pod. */
  readonly server: string;
  readonly flagSets: Readonly<Record<string, Readonly<Record<string, FlagDelivery>>>>;
}

export interface FlagDelivery {
  /** What is served: a page that shows another version speaks of another definition. */
  readonly version: string;
  /** Streams that are connected and get this flag's changes: in-process, RPC and browser clients. */
  readonly clients: number;
  /** Of those, who have this version: flushed to the stream, or fetched again by a browser. */
  readonly acked: number;
  /** Of `clients`, those that are told and then fetch: browsers, and servers that listen by OFREP. */
  readonly fetching: number;
  /** How many of those may have this version: who connected since, and fetches that this server answered, whoever told them. */
  readonly fetched: number;
  /** Whether they had long enough: a page that nobody looks at fetches when somebody does. */
  readonly isOverdue: boolean;
  /** From the change's arrival at the server until the last but 1 % had it, milliseconds; none without a change since the start. */
  readonly p99Ms?: number;
  /** How often each variant was answered since the start; `""` where the code's own default was left to hold. */
  readonly evaluations: Readonly<Record<string, number>>;
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

/** What all servers together have delivered of one version of a flag. A browser may be told by one server and fetch from another:
 * only the sums say something, and the slowest server gives the time.
 * @param pages one of each server that was asked; undefined for one that did not answer */
export function sumDelivery(
  pages: readonly (DeliveryPage | undefined)[],
  flag: { readonly flagSet: string; readonly key: string; readonly version: string },
): Delivery {
  const all = pages.flatMap((page) => page?.flagSets[flag.flagSet]?.[flag.key] ?? []);
  const current = all.filter(({ version }) => version === flag.version);
  const sum = (of: (delivery: FlagDelivery) => number, list = current) => list.reduce((n, one) => n + of(one), 0);
  const fetching = sum((one) => one.fetching, all);
  const fetched = Math.min(
    fetching,
    sum((one) => one.fetched),
  );
  const flushed = sum(({ acked, fetching: own, fetched: known }) => acked - Math.min(own, known));
  const isOverdue = current.length === all.length && current.every((one) => one.isOverdue);
  const times = current.flatMap(({ p99Ms }) => p99Ms ?? []);
  return {
    asked: pages.length,
    silent: pages.filter((page) => page === undefined).length,
    servers: current.length,
    clients: sum((one) => one.clients, all),
    acked: flushed + fetched,
    overdue: isOverdue ? fetching - fetched : 0,
    ...(times.length === 0 ? {} : { p99Ms: Math.max(...times) }),
  };
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
