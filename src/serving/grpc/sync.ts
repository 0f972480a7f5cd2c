import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { DeliveryCounts } from "../delivery.ts";
import { parseSelector } from "../selector.ts";
import type { FlagStore } from "../store.ts";
import { headerOf } from "./evaluation.ts";
import { encodeSync } from "./protos.ts";
import type { OpenStreams } from "./streams.ts";
import { structOf } from "./struct.ts";

interface Request {
  readonly selector?: string;
}
type StreamCall = ServerWritableStream<Request, Buffer>;

export interface SyncParts {
  readonly store: FlagStore;
  readonly delivery: DeliveryCounts;
  readonly streams: OpenStreams;
  /** The flag set of a request that names none. */
  readonly flagSet: string;
}

/** flagd.sync: whole flag sets, for clients that evaluate in their own process. */
export function syncHandlers({ store, delivery, streams, flagSet }: SyncParts): UntypedServiceImplementation {
  const encoded = new EncodedSets(store);
  const chosen = (call: Pick<StreamCall, "metadata" | "request">) => {
    // The header counts first; the message's own field is what older clients have.
    const selection = parseSelector(headerOf(call.metadata), call.request.selector);
    return selection.kind === "none" ? ({ kind: "flagSet", name: flagSet } as const) : selection;
  };
  return {
    SyncFlags: (call: StreamCall) => {
      const selection = chosen(call);
      if (selection.kind === "refused") {
        call.emit("error", { code: status.INVALID_ARGUMENT, details: selection.message });
        return;
      }
      streams.open<Buffer>(call, (write) => {
        const account = delivery.open("sync", selection.name, false);
        let isWriting = false;
        let isBehind = false;
        const send = (): void => {
          // Who reads slowly gets what holds by then, not everything that held meanwhile.
          isBehind = isWriting;
          if (isWriting) return;
          isWriting = true;
          const push = delivery.last;
          write(encoded.of(selection.name), () => {
            account.flushed(push);
            isWriting = false;
            if (isBehind) send();
          });
        };
        const unsubscribe = store.subscribe((change) => (change.flagSet === selection.name ? send() : undefined));
        send();
        return () => {
          unsubscribe();
          account.close();
        };
      });
    },
    FetchAllFlags: (call: ServerUnaryCall<Request, object>, callback: sendUnaryData<object>) => {
      const selection = chosen(call);
      if (selection.kind === "refused") callback({ code: status.INVALID_ARGUMENT, details: selection.message });
      else callback(null, { flagConfiguration: store.flagSet(selection.name).json() });
    },
    GetMetadata: (_call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>) =>
      callback(null, { metadata: structOf({}) }),
  };
}

/** Each set's message, encoded once for all who get it. */
class EncodedSets {
  readonly #store: FlagStore;
  readonly #encoded = new Map<string, { readonly json: string; readonly message: Buffer }>();

  constructor(store: FlagStore) {
    this.#store = store;
  }

  of(flagSet: string): Buffer {
    const set = this.#store.flagSet(flagSet);
    const json = set.json();
    const known = this.#encoded.get(flagSet);
    if (known?.json === json) return known.message;
    const message = encodeSync(json);
    // Of sets that clients make up, nothing is kept.
    if (set.flags.size > 0) this.#encoded.set(flagSet, { json, message });
    else this.#encoded.delete(flagSet);
    return message;
  }
}
