import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import type { Clock } from "../../kube/clock.ts";
import type { Fault } from "./faults.ts";
import type { GrpcSide } from "./listener.ts";
import type { Outlet } from "./streams.ts";

/** Before each message: whether it is compressed, and its length. */
const HEAD_BYTES = 5;
/** Questions that are answered here name a client and a flag set. */
const MOST_BYTES = 16 * 1024;
const ASKED_WITHIN_MS = 10_000;
const STREAMS_OF_A_CONNECTION = 1_000;
const KEEP_ALIVE = { time: 30_000, timeout: 10_000 };
/** Connections that many clients share have many streams, and what they wait for are the same bytes. */
const MOST_MEGABYTES_OF_A_CONNECTION = Number.MAX_SAFE_INTEGER;

/** A message as it goes over the wire, head included, plain and compressed. */
export interface WireMessage {
  readonly plain: Buffer;
  /** Where it is worth it. */
  readonly gzip?: Buffer;
}

/** @param message as protobuf has it */
export function framed(message: Buffer, isCompressed = false): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(isCompressed ? 1 : 0, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export type Method = (call: Call) => void;

/**
 * gRPC on Node's own HTTP/2, for answers that a thousand clients get alike: grpc-js copies each message for each stream, and
 * compresses none. Here all streams send the same bytes, and they are compressed once.
 */
export class GrpcByHand implements GrpcSide {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #clock: Clock;

  /** @param methods by path, as `/flagd.sync.v1.FlagSyncService/SyncFlags` */
  constructor(methods: Readonly<Record<string, Method>>, clock: Clock) {
    this.#methods = new Map(Object.entries(methods));
    this.#clock = clock;
    this.#server = createServer({
      settings: { maxConcurrentStreams: STREAMS_OF_A_CONNECTION },
      maxSessionMemory: MOST_MEGABYTES_OF_A_CONNECTION,
    });
    this.#server.on("session", (session) => this.#keep(session));
    this.#server.on("stream", (stream, headers) => this.#take(stream, headers));
  }

  accept(socket: Socket): void {
    this.#server.emit("connection", socket);
  }

  /** Resolves once what is under way has been answered. */
  async shutdown(): Promise<void> {
    await Promise.all(
      [...this.#sessions].map((session) => new Promise<void>((resolve) => session.close(() => resolve()))),
    );
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** A peer that is gone without a word shows in that it does not answer. */
  #keep(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    let patience: { cancel(): void } | undefined;
    const ask = (): void => {
      patience = this.#clock.after(KEEP_ALIVE.timeout, () => session.destroy());
      session.ping(() => patience?.cancel());
      next = this.#clock.after(KEEP_ALIVE.time, ask);
    };
    let next = this.#clock.after(KEEP_ALIVE.time, ask);
    session.on("error", () => session.destroy());
    session.on("close", () => {
      next.cancel();
      patience?.cancel();
      this.#sessions.delete(session);
    });
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on("error", () => undefined); // It closes as well.
    if (!String(headers["content-type"]).startsWith("application/grpc")) {
      stream.respond({ ":status": 415 }, { endStream: true });
      return;
    }
    const call = new Call(stream, headers);
    const path = String(headers[":path"]);
    const method = this.#methods.get(path);
    if (method === undefined) call.end({ code: status.UNIMPLEMENTED, details: `There is no ${path.slice(0, 200)}` });
    else this.#read(stream, call, method);
  }

  #read(stream: ServerHttp2Stream, call: Call, method: Method): void {
    const parts: Buffer[] = [];
    let bytes = 0;
    const patience = this.#clock.after(ASKED_WITHIN_MS, () =>
      call.end({ code: status.DEADLINE_EXCEEDED, details: "The request did not arrive whole within 10 seconds" }),
    );
    stream.on("close", () => patience.cancel());
    stream.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes <= MOST_BYTES) parts.push(part);
      else call.end({ code: status.RESOURCE_EXHAUSTED, details: "The request is larger than 16 KiB" });
    });
    stream.on("end", () => {
      patience.cancel();
      if (call.hasEnded) return;
      const fault = call.asked(Buffer.concat(parts));
      if (fault === undefined) method(call);
      else call.end(fault);
    });
  }
}

/** One call: its question, and where its answers go. */
export class Call implements Outlet<WireMessage> {
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #takesGzip: boolean;
  #request: Buffer = Buffer.alloc(0);
  #end: Fault | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.headers = headers;
    this.#takesGzip = /(^|,)\s*gzip\s*(,|$)/.test(String(headers["grpc-accept-encoding"] ?? ""));
  }

  /** The message, as protobuf has it. */
  get request(): Buffer {
    return this.#request;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined || this.#stream.destroyed;
  }

  /** Whether a compressed message would be sent as such. */
  get takesGzip(): boolean {
    return this.#takesGzip;
  }

  /** Takes the body that was sent; one message is expected.
   * @returns what is wrong with it */
  asked(body: Buffer): Fault | undefined {
    if (body.length < HEAD_BYTES || body.readUInt32BE(1) !== body.length - HEAD_BYTES)
      return { code: status.INVALID_ARGUMENT, details: "This method takes one whole message" };
    if (body.readUInt8(0) !== 0)
      return { code: status.UNIMPLEMENTED, details: "The request is compressed; send it plain" };
    this.#request = body.subarray(HEAD_BYTES);
    return undefined;
  }

  write({ plain, gzip }: WireMessage, onFlushed: () => void): void {
    if (this.hasEnded) return;
    this.#begin();
    this.#stream.write(this.#takesGzip ? (gzip ?? plain) : plain, (error) =>
      error === null || error === undefined ? onFlushed() : undefined,
    );
  }

  end(fault: Fault): void {
    if (this.hasEnded) return;
    this.#end = fault;
    if (this.#stream.headersSent) this.#stream.end();
    else this.#stream.respond({ ...this.#head(), ...trailersOf(fault) }, { endStream: true });
  }

  /** @param message a last one, with which all is said */
  answer(message: Buffer): void {
    this.write({ plain: framed(message) }, () => undefined);
    this.end({ code: status.OK, details: "" });
  }

  onGone(listener: () => void): void {
    this.#stream.on("close", listener);
  }

  #begin(): void {
    if (this.#stream.headersSent) return;
    this.#stream.on("wantTrailers", () => this.#stream.sendTrailers(trailersOf(this.#end)));
    this.#stream.respond(this.#head(), { waitForTrailers: true });
  }

  #head(): OutgoingHttpHeaders {
    return {
      ":status": 200,
      "content-type": "application/grpc+proto",
      "grpc-accept-encoding": "identity",
      ...(this.#takesGzip ? { "grpc-encoding": "gzip" } : {}),
    };
  }
}

function trailersOf(fault: Fault = { code: status.UNAVAILABLE, details: "" }): OutgoingHttpHeaders {
  const message = fault.details.replace(/[^ -~]|%/gu, encodeURIComponent);
  return { "grpc-status": String(fault.code), ...(message === "" ? {} : { "grpc-message": message }) };
}
