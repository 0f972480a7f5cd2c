import type { IncomingMessage, ServerResponse } from "node:http";
import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from "@grpc/grpc-js";
import type { Clock } from "../kube/clock.ts";
import { type HttpAnswer, metricsText } from "../kube/manager.ts";
import type { DeliveryCounts } from "./delivery.ts";
import { createGrpcServer, GrpcPort, grpcSideOf } from "./grpc/listener.ts";
import { healthService } from "./grpc/protos.ts";
import { type OpenStreams, outletOf, type Write } from "./grpc/streams.ts";
import { streamsOpen } from "./metrics.ts";

const SERVING = 1;
const NOT_SERVING = 2;
const LOOK_AGAIN_MS = 1_000;

export interface ManagementParts {
  readonly delivery: DeliveryCounts;
  /** The pod's name, for whoever adds up what several servers say. */
  readonly server: string;
  /** What is still waited for; undefined where everything is there. */
  readonly waitsFor: () => string | undefined;
  readonly streams: OpenStreams;
  readonly clock: Clock;
}

/** What the cluster asks a flag server: health by HTTP and by gRPC, metrics, and what was delivered. */
export function createManagement(parts: ManagementParts): GrpcPort {
  const grpc = createGrpcServer();
  const state = (): object => ({ status: parts.waitsFor() === undefined ? SERVING : NOT_SERVING });
  grpc.addService(healthService, {
    Check: ({ request }: ServerUnaryCall<{ service?: string }, object>, callback: sendUnaryData<object>) => {
      if ((request.service ?? "") === "") callback(null, state());
      else callback({ code: status.NOT_FOUND, details: "Ask for the server as a whole, with an empty name" });
    },
    Watch: (call: ServerWritableStream<object, object>) =>
      parts.streams.open(outletOf(call), (write) => watch(state, write, parts.clock)),
  });
  return new GrpcPort(grpcSideOf(grpc), (request, response) => void answer(request, response, parts), parts.clock);
}

function watch(state: () => object, write: Write<object>, clock: Clock): () => void {
  let told = "";
  const look = (): void => {
    const now = state();
    if (JSON.stringify(now) !== told) write(now, () => undefined);
    told = JSON.stringify(now);
    next = clock.after(LOOK_AGAIN_MS, look);
  };
  let next = clock.after(0, look);
  return () => next.cancel();
}

async function answer(request: IncomingMessage, response: ServerResponse, parts: ManagementParts): Promise<void> {
  const { code, type, body } = await answerOf(request, parts);
  response.writeHead(code, { "content-type": type, "x-content-type-options": "nosniff" }).end(body);
}

async function answerOf({ method, url = "" }: IncomingMessage, parts: ManagementParts): Promise<HttpAnswer> {
  const [path, query] = url.split("?", 2);
  if (method !== "GET") return text(405, "only GET\n");
  switch (path) {
    case "/healthz":
      return text(200, "ok\n");
    case "/readyz": {
      const waitsFor = parts.waitsFor();
      return waitsFor === undefined ? text(200, "ok\n") : text(503, `${waitsFor}\n`);
    }
    case "/metrics":
      for (const [kind, count] of Object.entries(parts.delivery.connected())) streamsOpen.set({ kind }, count);
      return await metricsText();
    case "/delivery": {
      const asked = new URLSearchParams(query);
      const page = parts.delivery.page(parts.server, asked.get("flagSet") ?? undefined, asked.getAll("key"));
      return { code: 200, type: "application/json", body: JSON.stringify(page) };
    }
    default:
      return text(404, "not found\n");
  }
}

function text(code: number, body: string): HttpAnswer {
  return { code, type: "text/plain", body };
}
