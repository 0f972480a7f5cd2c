import type { TrafficRouter } from "../core/routing.ts";
import { grpcRouteRouter, httpRouteRouter } from "./gateway-api/router.ts";

/** Every router, by the kind of object that it speaks. */
export const routers: ReadonlyMap<string, TrafficRouter> = new Map(
  [httpRouteRouter, grpcRouteRouter].map((router) => [router.kind, router]),
);
