import { hkdfSync, randomBytes } from "node:crypto";
import { type Clock, type Random, systemRandom } from "../kube/clock.ts";
import { isNowhere, listenAt } from "../kube/manager.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Authorize } from "./access.ts";
import type { DeliveryCounts } from "./delivery.ts";
import { Feed } from "./feed.ts";
import { GrpcByHand } from "./grpc/by-hand.ts";
import { ConnectHandler } from "./grpc/connect.ts";
import { ConnectStreams } from "./grpc/connect-streams.ts";
import { evaluationHandlers } from "./grpc/evaluation.ts";
import { createGrpcServer, GrpcPort, grpcSideOf } from "./grpc/listener.ts";
import { evaluationService } from "./grpc/protos.ts";
import { OpenStreams } from "./grpc/streams.ts";
import { syncMethods } from "./grpc/sync.ts";
import { Cors } from "./http/cors.ts";
import { EventStreams } from "./ofrep/events.ts";
import { Freshness } from "./ofrep/freshness.ts";
import { createOfrepServer } from "./ofrep/server.ts";
import { Tickets } from "./ofrep/ticket.ts";
import { Resolver } from "./resolve.ts";
import type { FlagStore } from "./store.ts";

export interface ServingParts {
  readonly store: FlagStore;
  readonly delivery: DeliveryCounts;
  readonly authorize: Authorize;
  /** Keys that sign the addresses of event streams, the first one now; none: only this server knows its own. */
  readonly clientKeys: () => readonly Buffer[];
  /** Whether everyone is let in: then nothing is signed. */
  readonly isOpen: boolean;
  readonly defaultFlagSet: string;
  readonly origins: readonly string[];
  readonly mostStreams: number;
  readonly addresses: { readonly ofrep: string; readonly evaluation: string; readonly sync: string };
  readonly clock: Clock;
  readonly random?: Random;
  readonly log: Logger;
}

/** What clients speak to, all ports of it. */
export interface Serving {
  /** Sends the clients away, spread over a time; what they ask meanwhile is answered. */
  drain(overMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens the ports. Nobody should find them open before there is something to serve: an empty set is an answer too.
 * @throws Error with a sentence where an address cannot be had; then none is open */
export async function startServing(parts: ServingParts): Promise<Serving> {
  const { store, delivery, clock, log, mostStreams, defaultFlagSet: flagSet } = parts;
  const cors = new Cors(parts.origins);
  const streams = new OpenStreams(clock, mostStreams);
  const connectStreams = new ConnectStreams(clock, mostStreams);
  const events = new EventStreams({ store, delivery, clock, random: parts.random ?? systemRandom, most: mostStreams });
  const evaluation = { resolver: new Resolver(store, delivery), feed: new Feed(store, delivery, clock), flagSet, log };
  const grpc = createGrpcServer();
  for (const version of ["v1", "v2"] as const)
    grpc.addService(evaluationService(version), evaluationHandlers(version, { ...evaluation, streams }));
  const connect = new ConnectHandler({ ...evaluation, streams: connectStreams, cors });
  const sync = new GrpcByHand(syncMethods({ store, delivery, streams, flagSet }), clock);
  const evaluationPort = new GrpcPort(
    grpcSideOf(grpc),
    (request, response) => void connect.answer(request, response),
    clock,
  );
  const syncPort = new GrpcPort(sync, (_, response) => void response.writeHead(426).end("gRPC only\n"), clock);
  const ofrep = createOfrepServer({
    store,
    delivery,
    authorize: parts.authorize,
    cors,
    tickets: new Tickets(ticketKeyOf(parts), () => clock.now()),
    events,
    freshness: new Freshness(store, clock),
    clock,
    log,
  });
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => ofrep.close(resolve));
    await Promise.all([evaluationPort.close(), syncPort.close()]);
    ofrep.closeAllConnections();
    await closed;
  };
  try {
    const { addresses } = parts;
    if (!isNowhere(addresses.ofrep)) await listenAt(ofrep, addresses.ofrep, "--ofrep-bind-address");
    if (!isNowhere(addresses.evaluation))
      await listenAt(evaluationPort.net, addresses.evaluation, "--evaluation-bind-address");
    if (!isNowhere(addresses.sync)) await listenAt(syncPort.net, addresses.sync, "--sync-bind-address");
  } catch (error) {
    await close();
    throw error;
  }
  const drain = async (overMs: number): Promise<void> => {
    await Promise.all([streams.drain(overMs), connectStreams.drain(overMs), events.drain(overMs)]);
  };
  return { drain, close };
}

/** What signs the addresses of event streams: made from the key that all servers have, so that any of them takes the address
 * which another one gave. */
function ticketKeyOf({ isOpen, clientKeys }: ServingParts): () => Buffer | undefined {
  const own = randomBytes(32);
  if (isOpen) return () => undefined;
  return () => Buffer.from(hkdfSync("sha256", clientKeys()[0] ?? own, "", "zenith event streams", 32));
}
