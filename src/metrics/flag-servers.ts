import { request } from "undici";
import * as z from "zod";
import type { DeliveryPage } from "../core/flags/delivery.ts";

/** What a flag server is asked: how far these flags of one set have come. */
export interface DeliveryQuestion {
  readonly flagSet: string;
  readonly keys: readonly string[];
}

/** Ten thousand browsers that wait make a tenth of it, and flags that changed one by one name them anew. */
const MOST_MIB = 8;
const count = z.int().min(0);
const names = z.array(z.string());
const page = z.object({
  server: z.string(),
  flagSets: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        version: z.string(),
        clients: count,
        acked: count,
        fetchers: z.string().optional(),
        p99Ms: count.optional(),
        evaluations: z.record(z.string(), count),
      }),
    ),
  ),
  fetchers: z.record(z.string(), z.object({ waiting: names, overdue: names, elsewhere: names })),
});

/** Asks one flag server.
 * @param address host and port of its management
 * @throws Error where it does not answer in time, or with something else */
export async function askDelivery(
  address: string,
  { flagSet, keys }: DeliveryQuestion,
  signal: AbortSignal,
): Promise<DeliveryPage> {
  const query = new URLSearchParams({ flagSet });
  for (const key of keys) query.append("key", key);
  const { statusCode, body } = await request(`http://${address}/delivery?${query}`, { signal });
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += (part as Buffer).length;
    if (bytes > MOST_MIB * 1024 * 1024) throw new Error(`A flag server said more than ${MOST_MIB} MiB`);
    parts.push(part as Buffer);
  }
  if (statusCode !== 200) throw new Error(`A flag server answered ${statusCode}`);
  return page.parse(JSON.parse(Buffer.concat(parts).toString())) as DeliveryPage;
}
