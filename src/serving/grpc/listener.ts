import type { RequestListener } from "node:http";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Clock } from "../../kube/clock.ts";
import { MOST_BYTES } from "../context.ts";
import { createHttpServer } from "../http/listener.ts";

/** What every HTTP/2 connection begins with. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** "PRI": no method of HTTP/1.1 begins like this. */
const ENOUGH_BYTES = 3;
const ANSWERED_WITHIN_MS = 500;
const FIRST_BYTES_MS = 10_000;
/** Peers that are gone without a word are found by this; clients may ask as often as they like. */
const KEEP_ALIVE = { time: 30_000, timeout: 10_000 };
const STREAMS_OF_A_CONNECTION = 1_000;

/** What answers gRPC on a port. */
export interface GrpcSide {
  /** @param socket a connection that begins as HTTP/2 */
  accept(socket: Socket): void;
  /** Resolves once what is under way has been answered. */
  shutdown(): Promise<void>;
  destroy(): void;
}

/** gRPC by grpc-js. */
export function grpcSideOf(server: Server): GrpcSide {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    accept: (socket) => injector.injectConnection(socket),
    shutdown: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    destroy: () => server.forceShutdown(),
  };
}

/** gRPC as every port of ours speaks it. */
export function createGrpcServer(): Server {
  return new Server({
    "grpc.max_receive_message_length": MOST_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": STREAMS_OF_A_CONNECTION,
    "grpc.keepalive_time_ms": KEEP_ALIVE.time,
    "grpc.keepalive_timeout_ms": KEEP_ALIVE.timeout,
  });
}

/** A port that speaks gRPC, and HTTP/1.1 where there is a listener for it: the first bytes of a connection tell which. */
export class GrpcPort {
  readonly #grpc: GrpcSide;
  readonly #http: ReturnType<typeof createHttpServer>;
  readonly #net: NetServer;
  readonly #clock: Clock;
  readonly #sockets = new Set<Socket>();

  constructor(grpc: GrpcSide, http: RequestListener, clock: Clock) {
    this.#grpc = grpc;
    this.#http = createHttpServer(http);
    this.#clock = clock;
    this.#net = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
  }

  get net(): NetServer {
    return this.#net;
  }

  get port(): number {
    return (this.#net.address() as AddressInfo).port;
  }

  /** Takes no new connection, lets questions under way be answered, and ends what is left. Streams were ended before. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#net.close(resolve));
    this.#http.closeIdleConnections();
    await Promise.race([this.#grpc.shutdown(), this.#clock.sleep(ANSWERED_WITHIN_MS)]);
    this.#grpc.destroy();
    this.#http.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const patience = this.#clock.after(FIRST_BYTES_MS, () => socket.destroy());
    socket.once("close", () => patience.cancel());
    let seen = Buffer.alloc(0);
    const look = (): void => {
      const more: Buffer | null = socket.read();
      seen = more === null ? seen : Buffer.concat([seen, more]);
      const isPreface = seen.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, seen.length));
      if (isPreface && seen.length < ENOUGH_BYTES) {
        socket.once("readable", look);
        return;
      }
      patience.cancel();
      socket.unshift(seen);
      if (isPreface) this.#grpc.accept(socket);
      else this.#http.emit("connection", socket);
    };
    socket.once("readable", look);
  }
}
