import type { Said } from "../../conditions.ts";
import { optional } from "../../optional.ts";
import { type Delivery, missingOf } from "../delivery.ts";
import type { FlagTarget } from "./target.ts";
import type { FlagWorld } from "./world.ts";

/**
 * Whether a change has reached those whom it concerns. It is asked for until it has, and then never again: clients that come
 * later get the newest version when they connect, so that what was delivered stays so, and rest costs neither questions nor
 * writes.
 */
export type Delivered =
  /** Nobody is asked, or nothing of this flag is served. */
  | { readonly kind: "untold" }
  /** Status says so already. */
  | { readonly kind: "done"; readonly said: Said; readonly delivery: Counts | undefined }
  | { readonly kind: "open"; readonly said: Said; readonly delivery?: Counts }
  | { readonly kind: "arrived"; readonly said: Said; readonly delivery: Counts };

/** As status has them. */
interface Counts {
  readonly version?: string | undefined;
  readonly servers: number;
  readonly clients: number;
  readonly acked: number;
  readonly p99Ms?: number | undefined;
}

const ASKING: Said = { status: "False", reason: "Delivering", message: "the flag servers are being asked" };

export function deliveredOf(world: FlagWorld, target: FlagTarget): Delivered {
  const { snapshot, status, version } = world;
  const { delivery } = snapshot;
  if (delivery === undefined || version === undefined || snapshot.claimedBy !== undefined) return { kind: "untold" };
  // What this pass writes makes another version, which nobody has yet.
  if (changesServed(world, target)) return { kind: "open", said: ASKING };
  const known = status.conditions?.find(({ type }) => type === "Delivered");
  if (status.delivery?.version === version && known?.status === "True")
    return { kind: "done", said: saidBefore(known), delivery: status.delivery };
  if (delivery === "unknown" || delivery.version !== version) return { kind: "open", said: ASKING };
  const counts = countsOf(delivery);
  const missing = missingOf(delivery);
  if (missing !== undefined) return { kind: "open", said: { status: "False", ...missing }, delivery: counts };
  return {
    kind: "arrived",
    said: { status: "True", reason: "Delivered", message: sentenceOf(delivery) },
    delivery: counts,
  };
}

function changesServed({ presentBp, override, ramp, begunMs }: FlagWorld, target: FlagTarget): boolean {
  const isReverted = target.override?.at !== override?.at && target.override !== undefined;
  const begins = target.begins === true && begunMs === undefined;
  return isReverted || (ramp !== undefined && (begins || target.weightBp !== presentBp));
}

function saidBefore({ status, reason, message }: Said): Said {
  return { status, reason, message };
}

function countsOf({ version, servers, clients, acked, p99Ms }: Delivery & { readonly version: string }): Counts {
  return { version, servers, clients, acked, ...optional("p99Ms", p99Ms) };
}

function sentenceOf({ servers, clients, overdue, p99Ms }: Delivery): string {
  const from = servers === 1 ? "1 flag server" : `${servers} flag servers`;
  if (clients === 0) return `no client is connected to ${from}`;
  const time = p99Ms === undefined ? "" : `, within ${p99Ms} ms`;
  if (overdue === 0) return `all of ${clients} connected clients have it${time}, from ${from}`;
  return `${clients - overdue} of ${clients} connected clients have it${time}, from ${from}; the others were told and have not fetched it`;
}
