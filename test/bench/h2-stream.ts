import { connect, type Socket } from "node:net";

/** Windows are given back when half of what HTTP/2 grants by default has been used, as other clients do. */
const GIVE_BACK_BYTES = 32_768;
const FRAME_HEAD = 9;
const MESSAGE_HEAD = 5;
const DATA = 0x0;
const HEADERS = 0x1;
const RST_STREAM = 0x3;
const SETTINGS = 0x4;
const PING = 0x6;
const GOAWAY = 0x7;
const WINDOW_UPDATE = 0x8;
const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;

export interface H2Listener {
  /** A message is there to its last byte. */
  message(body: Buffer, isCompressed: boolean): void;
  failed(why: string): void;
}

/**
 * One gRPC stream on one connection, by hand: it finds where messages end, and looks at nothing else. A client that read them
 * would cost more than the server that is measured.
 */
export class H2Stream {
  readonly #socket: Socket;
  readonly #listener: H2Listener;
  #head = Buffer.alloc(0);
  /** Of the frame under way: what is left of its payload, and what it is. */
  #left = 0;
  #frame = { type: 0, flags: 0 };
  #payload: Buffer[] = [];
  #messageHead = Buffer.alloc(0);
  #message: Buffer[] = [];
  #isCompressed = false;
  #messageLeft = 0;
  #unacknowledged = 0;

  constructor(port: number, path: string, flagSet: string, listener: H2Listener) {
    this.#listener = listener;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("error", (error) => listener.failed(error.message));
    this.#socket.on("close", () => listener.failed("the connection was closed"));
    this.#socket.on("data", (chunk) => this.#read(chunk));
    const headers = hpack({
      ":method": "POST",
      ":scheme": "http",
      ":path": path,
      ":authority": "bench",
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-accept-encoding": "identity,deflate,gzip",
      "flagd-selector": `flagSetId=${flagSet}`,
    });
    this.#socket.write(
      Buffer.concat([
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        frame(SETTINGS, 0, 0, Buffer.alloc(0)),
        frame(HEADERS, END_HEADERS, 1, headers),
        frame(DATA, END_STREAM, 1, Buffer.alloc(MESSAGE_HEAD)),
      ]),
    );
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const head = this.#head.length === 0 ? rest : Buffer.concat([this.#head, rest]);
        if (head.length < FRAME_HEAD) {
          this.#head = Buffer.from(head);
          return;
        }
        this.#head = Buffer.alloc(0);
        this.#left = head.readUIntBE(0, 3);
        this.#frame = { type: head.readUInt8(3), flags: head.readUInt8(4) };
        rest = head.subarray(FRAME_HEAD);
        if (this.#left === 0) this.#ended();
      } else {
        const part = rest.subarray(0, this.#left);
        rest = rest.subarray(part.length);
        this.#left -= part.length;
        if (this.#frame.type === DATA) this.#data(part);
        else this.#payload.push(Buffer.from(part));
        if (this.#left === 0) this.#ended();
      }
    }
  }

  /** A frame is there to its last byte. */
  #ended(): void {
    const { type, flags } = this.#frame;
    const payload = Buffer.concat(this.#payload.splice(0));
    if (type === SETTINGS && (flags & ACK) === 0) this.#socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    if (type === PING && (flags & ACK) === 0) this.#socket.write(frame(PING, ACK, 0, payload));
    if (type === RST_STREAM || type === GOAWAY) this.#listener.failed(`the server ended it (frame ${type})`);
    if ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0)
      this.#listener.failed("the stream was ended");
  }

  #data(part: Buffer): void {
    this.#giveBack(part.length);
    let rest = part;
    while (rest.length > 0) {
      if (this.#messageLeft === 0) {
        const head = rest.subarray(0, MESSAGE_HEAD - this.#messageHead.length);
        rest = rest.subarray(head.length);
        this.#messageHead = Buffer.concat([this.#messageHead, head]);
        if (this.#messageHead.length < MESSAGE_HEAD) return;
        this.#isCompressed = this.#messageHead.readUInt8(0) === 1;
        this.#messageLeft = this.#messageHead.readUInt32BE(1);
        this.#messageHead = Buffer.alloc(0);
        if (this.#messageLeft === 0) this.#listener.message(Buffer.alloc(0), false);
        continue;
      }
      const of = rest.subarray(0, this.#messageLeft);
      rest = rest.subarray(of.length);
      this.#messageLeft -= of.length;
      this.#message.push(of);
      if (this.#messageLeft === 0) this.#listener.message(Buffer.concat(this.#message.splice(0)), this.#isCompressed);
    }
  }

  #giveBack(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < GIVE_BACK_BYTES) return;
    const by = Buffer.alloc(4);
    by.writeUInt32BE(this.#unacknowledged);
    this.#socket.write(Buffer.concat([frame(WINDOW_UPDATE, 0, 0, by), frame(WINDOW_UPDATE, 0, 1, by)]));
    this.#unacknowledged = 0;
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Each header as a literal that is kept in no table. */
function hpack(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat(
    Object.entries(headers).map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])),
  );
}
