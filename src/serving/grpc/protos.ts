import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import protos from "./protos.json" with { type: "json" };

/** The services of flagd, and gRPC's health, from our proto files. */
const services = fromJSON(protos as never, { longs: Number, enums: Number, oneofs: true });

export type Version = "v1" | "v2";

/** EventStream answers with messages that are encoded already: a thousand clients hear of a change in the same bytes. */
export function evaluationService(version: Version): ServiceDefinition {
  const evaluation = services[`flagd.evaluation.${version}.Service`] as ServiceDefinition;
  return { ...evaluation, EventStream: encodedBefore(evaluation.EventStream) };
}

const { responseSerialize: serializeEvent } = (services["flagd.evaluation.v2.Service"] as ServiceDefinition)
  .EventStream as MethodDefinition<object, object>;

export function encodeEvent(event: object): Buffer {
  return serializeEvent(event);
}

function encodedBefore(method: ServiceDefinition[string] | undefined): ServiceDefinition[string] {
  return { ...(method as ServiceDefinition[string]), responseSerialize: (encoded: Buffer) => encoded };
}

export const healthService = services["grpc.health.v1.Health"] as ServiceDefinition;

const sync = services["flagd.sync.v1.FlagSyncService"] as ServiceDefinition;

/** A method of flagd.sync: its path, and its messages to and from bytes. */
export function syncMethod(name: "SyncFlags" | "FetchAllFlags" | "GetMetadata"): MethodDefinition<object, object> {
  return sync[name] as MethodDefinition<object, object>;
}
