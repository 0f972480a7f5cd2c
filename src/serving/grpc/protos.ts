import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import protos from "./protos.json" with { type: "json" };

/** The services of flagd, and gRPC's health, from our proto files. */
const services = fromJSON(protos as never, { longs: Number, enums: Number, oneofs: true });

export type Version = "v1" | "v2";

export function evaluationService(version: Version): ServiceDefinition {
  return services[`flagd.evaluation.${version}.Service`] as ServiceDefinition;
}

export const healthService = services["grpc.health.v1.Health"] as ServiceDefinition;

const sync = services["flagd.sync.v1.FlagSyncService"] as ServiceDefinition;
const syncFlags = sync.SyncFlags as MethodDefinition<object, object>;

/** SyncFlags answers with messages that are encoded already: a thousand clients of one set get the same bytes. */
export const syncService: ServiceDefinition = {
  ...sync,
  SyncFlags: { ...syncFlags, responseSerialize: (encoded: Buffer) => encoded } as MethodDefinition<unknown, unknown>,
};

export function encodeSync(flagConfiguration: string): Buffer {
  return syncFlags.responseSerialize({ flagConfiguration });
}
