import { status } from "@grpc/grpc-js";
import type { Logger } from "../../telemetry/log.ts";
import { BadRequest } from "../context.ts";
import { ResolveError } from "../resolve.ts";

/** What gRPC tells of a fault. The codes are those that flagd's providers turn into OpenFeature's. */
export interface Fault {
  readonly code: status;
  readonly details: string;
}

const CODES = {
  not_found: status.NOT_FOUND,
  invalid_argument: status.INVALID_ARGUMENT,
  data_loss: status.DATA_LOSS,
  unknown: status.UNKNOWN,
};

export function faultOf(error: unknown, log: Logger): Fault {
  if (error instanceof ResolveError) return { code: CODES[error.code], details: error.message };
  if (error instanceof BadRequest) return { code: status.INVALID_ARGUMENT, details: error.message };
  log.error({ error: error instanceof Error ? error.stack : String(error) }, "a gRPC request failed");
  return { code: status.INTERNAL, details: "This is a fault of the flag server; its log says more" };
}

/** Every stream ends like this, whyever: after OK the JavaScript provider takes its stream for ended by itself, and never
 * connects again. */
export const GOING: Fault = { code: status.UNAVAILABLE, details: "The server is going; connect again" };

/** Another server may have room. */
export const FULL: Fault = { code: status.UNAVAILABLE, details: "The server has as many streams as it takes" };
