import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { status } from "@grpc/grpc-js";
import type { DeliveryCounts } from "../delivery.ts";
import { parseSelector, SELECTOR_HEADER } from "../selector.ts";
import type { FlagStore } from "../store.ts";
import { type Call, framed, type Method, type WireMessage } from "./by-hand.ts";
import { syncMethod } from "./protos.ts";
import type { OpenStreams } from "./streams.ts";
import { structOf } from "./struct.ts";

export interface SyncParts {
  readonly store: FlagStore;
  readonly delivery: DeliveryCounts;
  readonly streams: OpenStreams;
  /** The flag set of a request that names none. */
  readonly flagSet: string;
}

const SYNC_FLAGS = syncMethod("SyncFlags");
const FETCH_ALL = syncMethod("FetchAllFlags");
const GET_METADATA = syncMethod("GetMetadata");

/** flagd.sync: whole flag sets, for clients that evaluate in their own process. */
export function syncMethods(parts: SyncParts): Record<string, Method> {
  const encoded = new EncodedSets(parts.store);
  /** Answers for the set that is asked for, or refuses. */
  const chosen = (answer: (call: Call, flagSet: string) => void) => (call: Call) => {
    const { selector } = SYNC_FLAGS.requestDeserialize(call.request) as { selector?: string };
    // The header counts first; the message's own field is what older clients have.
    const selection = parseSelector(call.headers[SELECTOR_HEADER]?.toString(), selector);
    if (selection.kind === "refused") call.end({ code: status.INVALID_ARGUMENT, details: selection.message });
    else answer(call, selection.kind === "none" ? parts.flagSet : selection.name);
  };
  return {
    [SYNC_FLAGS.path]: chosen((call, flagSet) => follow(call, flagSet, parts, encoded)),
    [FETCH_ALL.path]: chosen((call, flagSet) =>
      call.answer(FETCH_ALL.responseSerialize({ flagConfiguration: parts.store.flagSet(flagSet).json() })),
    ),
    [GET_METADATA.path]: (call) => call.answer(GET_METADATA.responseSerialize({ metadata: structOf({}) })),
  };
}

/** Sends a set, and again whenever it changes. */
function follow(call: Call, flagSet: string, { store, delivery, streams }: SyncParts, encoded: EncodedSets): void {
  streams.open<WireMessage>(call, (write) => {
    const account = delivery.open("sync", flagSet, "server", false);
    let isWriting = false;
    let isBehind = false;
    const send = async (): Promise<void> => {
      // Who reads slowly gets what holds by then, not everything that held meanwhile.
      isBehind = isWriting;
      if (isWriting) return;
      isWriting = true;
      const push = delivery.last;
      write(await encoded.of(flagSet, call.takesGzip), () => {
        account.flushed(push);
        isWriting = false;
        if (isBehind) void send();
      });
    };
    const unsubscribe = store.subscribe((change) => (change.flagSet === flagSet ? void send() : undefined));
    void send();
    return () => {
      unsubscribe();
      account.close();
    };
  });
}

/** Below this a message is one packet or two, compressed or not. */
const WORTH_COMPRESSING_BYTES = 4 * 1024;
const compress = promisify(gzip);

/** Each set's message, encoded once for all who get it. */
class EncodedSets {
  readonly #store: FlagStore;
  readonly #encoded = new Map<string, EncodedSet>();

  constructor(store: FlagStore) {
    this.#store = store;
  }

  /** The set as it is now, whatever becomes of it meanwhile. */
  of(flagSet: string, isForGzip: boolean): Promise<WireMessage> {
    const set = this.#store.flagSet(flagSet);
    const json = set.json();
    const known = this.#encoded.get(flagSet);
    const encoded = known?.json === json ? known : new EncodedSet(json);
    // Of sets that clients make up, nothing is kept.
    if (set.flags.size > 0) this.#encoded.set(flagSet, encoded);
    else this.#encoded.delete(flagSet);
    return isForGzip ? encoded.withGzip() : Promise.resolve(encoded);
  }
}

class EncodedSet implements WireMessage {
  readonly json: string;
  readonly plain: Buffer;
  #withGzip: Promise<WireMessage> | undefined;

  constructor(json: string) {
    this.json = json;
    this.plain = framed(SYNC_FLAGS.responseSerialize({ flagConfiguration: json }));
  }

  /** A flag set says the same words again and again: a twentieth of its size is usual. */
  withGzip(): Promise<WireMessage> {
    this.#withGzip ??= this.#compressed();
    return this.#withGzip;
  }

  async #compressed(): Promise<WireMessage> {
    const { plain } = this;
    if (plain.length < WORTH_COMPRESSING_BYTES) return this;
    return { plain, gzip: framed(await compress(plain.subarray(5)), true) };
  }
}
