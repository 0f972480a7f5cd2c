import { optional } from "../optional.ts";
import { canaryBpOf, type RouteEffect, type RouteReading } from "../routing.ts";
import type { Settings } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Routers } from "./world.ts";

/** What the routes say together: the largest canary share of any, and whether all have taken it in. */
export interface RoutesView {
  readonly readings: readonly {
    readonly name: string;
    readonly reading: RouteReading | { readonly kind: "missing" };
  }[];
  /** "rest" only where every route is at rest; a route that is missing counts as neither. */
  readonly state: "none" | "rest" | "paired" | "mixed";
  readonly canaryBp: number;
  readonly effect: RouteEffect;
  readonly problem?: { readonly reason: string; readonly message: string };
}

export function routesOf(snapshot: Snapshot, settings: Settings, routers: Routers): RoutesView {
  if (settings.routes.length === 0 || settings.service === undefined || settings.canaryService === undefined) {
    return { readings: [], state: "none", canaryBp: 0, effect: { kind: "effective" } };
  }
  const backends = { service: settings.service, canaryService: settings.canaryService };
  const views = snapshot.routes.map(({ ref, object }) => {
    const router = routers.get(ref.kind);
    const name = `${ref.kind} "${ref.name}"`;
    if (object === undefined || router === undefined) return { name, reading: { kind: "missing" as const } };
    return { name, reading: router.read(object, backends), effect: router.effect(object) };
  });
  const missing = views.find((view) => view.reading.kind === "missing");
  const unusable = views.find((view) => view.reading.kind === "unusable");
  const shares = views.map(({ reading }) => canaryBpOf(reading));
  const kinds = new Set(
    views.map((view) => view.reading.kind).filter((kind) => kind !== "missing" && kind !== "unusable"),
  );
  const [only] = kinds;
  const agree = kinds.size === 1 && (only !== "paired" || new Set(shares).size === 1);
  return {
    readings: views.map(({ name, reading }) => ({ name, reading })),
    state: kinds.size === 0 ? "rest" : agree && (only === "rest" || only === "paired") ? only : "mixed",
    canaryBp: Math.max(0, ...shares),
    effect: worstEffect(views.map((view) => ("effect" in view ? view.effect : { kind: "effective" as const }))),
    ...optional("problem", problemOf(missing?.name, unusable?.reading)),
  };
}

function problemOf(missing: string | undefined, unusable: RouteReading | { kind: "missing" } | undefined) {
  if (missing !== undefined) {
    return {
      reason: "RouteMissing",
      message: `${missing} does not exist; create it, or take it out of spec.traffic.routes`,
    };
  }
  return unusable?.kind === "unusable" ? { reason: unusable.reason, message: unusable.message } : undefined;
}

function worstEffect(effects: readonly RouteEffect[]): RouteEffect {
  return (
    effects.find((e) => e.kind === "refused") ?? effects.find((e) => e.kind === "pending") ?? { kind: "effective" }
  );
}
