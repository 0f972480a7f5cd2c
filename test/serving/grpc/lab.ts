import type { IncomingMessage, ServerResponse } from "node:http";
import { Client, credentials, type Metadata, Metadata as NewMetadata, type ServiceError } from "@grpc/grpc-js";
import { pino } from "pino";
import { systemClock } from "../../../src/kube/clock.ts";
import { DeliveryCounts } from "../../../src/serving/delivery.ts";
import { Feed } from "../../../src/serving/feed.ts";
import { GrpcByHand } from "../../../src/serving/grpc/by-hand.ts";
import { ConnectHandler } from "../../../src/serving/grpc/connect.ts";
import { ConnectStreams } from "../../../src/serving/grpc/connect-streams.ts";
import { evaluationHandlers } from "../../../src/serving/grpc/evaluation.ts";
import { createGrpcServer, GrpcPort, grpcSideOf } from "../../../src/serving/grpc/listener.ts";
import { evaluationService, syncMethod } from "../../../src/serving/grpc/protos.ts";
import { OpenStreams } from "../../../src/serving/grpc/streams.ts";
import { syncMethods } from "../../../src/serving/grpc/sync.ts";
import { Cors } from "../../../src/serving/http/cors.ts";
import { Resolver } from "../../../src/serving/resolve.ts";
import { FlagStore } from "../../../src/serving/store.ts";

export interface GrpcLab {
  /** Of evaluation, by gRPC and Connect. */
  readonly port: number;
  readonly syncPort: number;
  readonly url: string;
  readonly store: FlagStore;
  readonly delivery: DeliveryCounts;
  readonly lines: string[];
  /** Ends all streams as a server that goes does. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

/** Evaluation (gRPC and Connect) and sync on loopback, with a store that the test fills.
 * @param store of an earlier server, to be served again */
export async function startGrpc(options: { port?: number; store?: FlagStore; most?: number } = {}): Promise<GrpcLab> {
  const store = options.store ?? new FlagStore();
  const delivery = new DeliveryCounts(store, systemClock);
  const { most = 100 } = options;
  const lines: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
  const [streams, connectStreams] = [new OpenStreams(systemClock, most), new ConnectStreams(systemClock, most)];
  const parts = {
    resolver: new Resolver(store, delivery),
    feed: new Feed(store, delivery, systemClock),
    flagSet: "shop",
    log,
  };
  const grpc = createGrpcServer();
  for (const version of ["v1", "v2"] as const)
    grpc.addService(evaluationService(version), evaluationHandlers(version, { ...parts, streams }));
  const sync = new GrpcByHand(syncMethods({ store, delivery, streams, flagSet: "shop" }), systemClock);
  const connect = new ConnectHandler({ ...parts, streams: connectStreams, cors: new Cors(["*"]) });
  const answer = (request: IncomingMessage, response: ServerResponse) => void connect.answer(request, response);
  const port = new GrpcPort(grpcSideOf(grpc), answer, systemClock);
  const syncPort = new GrpcPort(sync, (_, response) => void response.end(), systemClock);
  await new Promise<void>((resolve) => port.net.listen(options.port ?? 0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => syncPort.net.listen(0, "127.0.0.1", resolve));
  const drain = async () => void (await Promise.all([streams.drain(0), connectStreams.drain(0)]));
  return {
    port: port.port,
    syncPort: syncPort.port,
    url: `http://127.0.0.1:${port.port}`,
    store,
    delivery,
    lines,
    drain,
    stop: async () => void (await Promise.all([port.close(), syncPort.close()])),
  };
}

/** A gRPC client without a provider around it. */
export class PlainClient {
  readonly #client: Client;

  constructor(port: number, options: object = {}) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  }

  /** @param method as `flagd.evaluation.v2.Service/ResolveBoolean` */
  ask(method: string, request: object, selector?: string): Promise<Record<string, unknown>> {
    const { requestSerialize, responseDeserialize } = methodOf(method);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${method}`,
        requestSerialize,
        responseDeserialize,
        request,
        metadataOf(selector),
        (error: ServiceError | null, answer?: object) =>
          error === null ? resolve(answer as Record<string, unknown>) : reject(error),
      );
    });
  }

  /** What a stream says, until it ends; `ended` is its status. */
  listen(method: string, request: object, selector?: string) {
    const { requestSerialize, responseDeserialize } = methodOf(method);
    const messages: Record<string, unknown>[] = [];
    const call = this.#client.makeServerStreamRequest(
      `/${method}`,
      requestSerialize,
      responseDeserialize,
      request,
      metadataOf(selector),
    );
    call.on("data", (message: Record<string, unknown>) => messages.push(message));
    const ended = new Promise<{ code: number; details: string }>((resolve) => call.on("status", resolve));
    call.on("error", () => undefined);
    return { messages, ended, stop: () => call.cancel() };
  }

  close(): void {
    this.#client.close();
  }
}

function methodOf(method: string) {
  const [service = "", name = ""] = method.split("/");
  const version = /evaluation\.(v1|v2)/.exec(service)?.[1];
  if (version === undefined) return syncMethod(name as "SyncFlags");
  const definition = evaluationService(version as "v1" | "v2")[name];
  if (definition === undefined) throw new Error(`There is no ${method}`);
  return definition;
}

function metadataOf(selector: string | undefined): Metadata {
  const metadata = new NewMetadata();
  if (selector !== undefined) metadata.set("flagd-selector", selector);
  return metadata;
}
