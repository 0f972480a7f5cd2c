import type {
  handleUnaryCall,
  Metadata,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { FlagMetadata, JsonValue } from "../../core/flags/definition.ts";
import type { Logger } from "../../telemetry/log.ts";
import { checkedContext } from "../context.ts";
import type { Feed, FeedEvent } from "../feed.ts";
import { type Asker, type Resolution, ResolveError, type Resolver, type ValueType } from "../resolve.ts";
import { parseSelector, SELECTOR_HEADER } from "../selector.ts";
import { faultOf } from "./faults.ts";
import { encodeEvent, type Version } from "./protos.ts";
import { type OpenStreams, outletOf } from "./streams.ts";
import { jsonOf, type Struct, structOf } from "./struct.ts";

interface Question {
  readonly flagKey?: string;
  readonly context?: Struct | null;
}
type Call = ServerUnaryCall<Question, object>;

export interface EvaluationParts {
  readonly resolver: Resolver;
  readonly feed: Feed;
  readonly streams: OpenStreams;
  /** The flag set of a request that names none. */
  readonly flagSet: string;
  readonly log: Logger;
}

/** flagd.evaluation over gRPC. Both versions ask and answer alike; only the second can say that there is no value. */
export function evaluationHandlers(version: Version, parts: EvaluationParts): UntypedServiceImplementation {
  const { resolver, feed, streams, log } = parts;
  const unary =
    (answer: (asker: Asker, question: Question) => object): handleUnaryCall<Question, object> =>
    (call: Call, callback: sendUnaryData<object>) => {
      try {
        callback(null, answer(askerOf(version, call.metadata, parts.flagSet), call.request));
      } catch (error) {
        callback(faultOf(error, log));
      }
    };
  const one = (type: ValueType) =>
    unary((asker, { flagKey = "", context }) =>
      single(type, resolver.one(asker, type, flagKey, checkedContext(jsonOf(context)))),
    );
  return {
    ResolveBoolean: one("Boolean"),
    ResolveString: one("String"),
    ResolveFloat: one("Float"),
    ResolveInt: one("Int"),
    ResolveObject: one("Object"),
    ResolveAll: unary((asker, { context }) => {
      const answers = resolver.all(asker, checkedContext(jsonOf(context)));
      return {
        flags: Object.fromEntries([...answers].map(([key, resolution]) => [key, anyFlag(resolution)])),
        metadata: structOf({ flagSetId: asker.flagSet }),
      };
    }),
    EventStream: (call: ServerWritableStream<object, Buffer>) => {
      const selection = parseSelector(headerOf(call.metadata));
      if (selection.kind === "refused") {
        call.emit("error", faultOf(new ResolveError("invalid_argument", selection.message), log));
        return;
      }
      streams.open(outletOf(call), (write) =>
        feed.open(selection.kind === "flagSet" ? selection.name : undefined, "server", (event, onFlushed) =>
          write(encodedEvent(event), onFlushed),
        ),
      );
    },
  };
}

export function headerOf(metadata: Metadata): string | undefined {
  return metadata.get(SELECTOR_HEADER)[0]?.toString();
}

function askerOf(protocol: Version, metadata: Metadata, fallback: string): Asker {
  const selection = parseSelector(headerOf(metadata));
  if (selection.kind === "refused") throw new ResolveError("invalid_argument", selection.message);
  return { protocol, flagSet: selection.kind === "none" ? fallback : selection.name, viewer: "server" };
}

function single(type: ValueType, { value, reason, variant, metadata }: Resolution): object {
  return {
    ...(value === undefined ? {} : { value: type === "Object" ? structOf(value as never) : value }),
    reason,
    ...(variant === undefined ? {} : { variant }),
    metadata: metadataOf(metadata),
  };
}

function anyFlag({ value, reason, variant, metadata }: Resolution): object {
  return {
    reason,
    ...(variant === undefined ? {} : { variant }),
    ...(value === undefined ? {} : anyValue(value)),
    metadata: metadataOf(metadata),
  };
}

function anyValue(value: JsonValue): object {
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "number") return { doubleValue: value };
  return { objectValue: structOf(value as never) };
}

const encodedEvents = new WeakMap<FeedEvent, Buffer>();

/** An event that goes to a thousand clients is turned into protobuf once; both versions have the same message. */
function encodedEvent(event: FeedEvent): Buffer {
  const { type, data } = event;
  const encoded =
    encodedEvents.get(event) ?? encodeEvent({ type, ...(data === undefined ? {} : { data: structOf(data as never) }) });
  encodedEvents.set(event, encoded);
  return encoded;
}

const structs = new WeakMap<FlagMetadata, Struct>();

/** A flag's metadata is the same in every answer: it is turned into a Struct once. */
function metadataOf(metadata: FlagMetadata): Struct {
  const known = structs.get(metadata) ?? structOf(metadata);
  structs.set(metadata, known);
  return known;
}
