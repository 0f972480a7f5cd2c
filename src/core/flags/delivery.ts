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
  /** From the change's arrival at the server until the last but 1 % had it, milliseconds; none without a change since the start. */
  readonly p99Ms?: number;
  /** How often each variant was answered since the start; `""` where the code's own default was left to hold. */
  readonly evaluations: Readonly<Record<string, number>>;
}

export interface Delivery {
  /** Servers that serve the version asked for. */
  readonly servers: number;
  readonly clients: number;
  readonly acked: number;
  readonly p99Ms?: number;
}

/** What all servers together have delivered of one version of a flag. A browser may be told by one server and fetch from another:
 * only the sums say something, and the slowest server gives the time.
 * @param pages one of each server that answered */
export function sumDelivery(
  pages: readonly DeliveryPage[],
  flag: { readonly flagSet: string; readonly key: string; readonly version: string },
): Delivery {
  const all = pages.flatMap((page) => page.flagSets[flag.flagSet]?.[flag.key] ?? []);
  const current = all.filter(({ version }) => version === flag.version);
  const sum = (of: (delivery: FlagDelivery) => number, list = current) => list.reduce((n, one) => n + of(one), 0);
  const clients = sum((one) => one.clients, all);
  const times = current.flatMap(({ p99Ms }) => p99Ms ?? []);
  return {
    servers: current.length,
    clients,
    acked: Math.min(
      clients,
      sum((one) => one.acked),
    ),
    ...(times.length === 0 ? {} : { p99Ms: Math.max(...times) }),
  };
}
