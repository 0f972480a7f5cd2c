import { pino } from "pino";
import type { JsonPatchOperation, KubeObject, ObjectRef, Route } from "../../../src/api/kubernetes.ts";
import type { Rollout } from "../../../src/api/rollout.ts";
import { RolloutController } from "../../../src/controllers/rollout/controller.ts";
import type { Sources } from "../../../src/controllers/rollout/sources.ts";
import { applyPatch } from "../../../src/core/forecast/json-patch.ts";
import { FakeClock } from "../../../src/kube/clock.ts";
import { ApiError } from "../../../src/kube/errors.ts";
import type { EventRecorder } from "../../../src/kube/events.ts";
import type { Resources } from "../../../src/kube/resource.ts";
import type { Store } from "../../../src/kube/store.ts";
import type { Answer } from "../../../src/metrics/answer.ts";
import { routers } from "../../../src/traffic/routers.ts";
import type { Play } from "../../core/rollout/play.ts";
import { startScriptedServer } from "../../kube/scripted-server.ts";
import { atVersion, handFilled } from "./shell.ts";

/** What the API server is asked to do with one object. */
export interface Asked {
  readonly verb: "create" | "patch" | "delete" | "get";
  readonly kind: string;
  readonly name: string;
  readonly dryRun?: boolean;
}

/** What a play came to, under the real controller, on a clock of its own; pods and gateways stand still. */
export interface Staged {
  readonly clock: FakeClock;
  /** Lets the first pass run. */
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly sources: Sources;
  /** All that the API server was asked for, in order. */
  readonly asked: Asked[];
  /** Queries that Prometheus was asked. */
  readonly queries: string[];
  /** What the API server says no to, and with which words. */
  refuses: (asked: Asked) => ApiError | undefined;
  /** What Prometheus says. */
  answers: (promql: string, atMs: number) => Answer | Promise<Answer>;
  rollout(): Rollout;
  /** Someone else changes the Rollout. */
  edit(change: (rollout: Rollout) => Partial<Rollout>): void;
  route(): Route;
}

export const webhookDown = new ApiError("Cannot patch it: failed calling webhook", { status: 500, kind: "server" });

export async function staged(play: Play): Promise<Staged> {
  const server = await startScriptedServer(); // Never asked.
  const sources = handFilled(server.client());
  await server.stop();
  const stores = storesOf(sources);
  const clock = new FakeClock(play.nowMs);
  let version = 100_000;
  const renewed = <T extends KubeObject>(object: T): T => atVersion(object, ++version);
  for (const [kind, store] of Object.entries(stores))
    for (const object of play.objects.list<KubeObject>(kind)) store.set(renewed(labelled(object)));
  const asked: Asked[] = [];
  const queries: string[] = [];
  const stage: Partial<Staged> & Pick<Staged, "refuses" | "answers"> = {
    refuses: () => undefined,
    answers: () => ({ kind: "vector", series: [] }),
  };
  const ask = (one: Asked): void => {
    asked.push(one);
    const refusal = stage.refuses(one);
    if (refusal !== undefined) throw refusal;
  };
  const shown = <T extends KubeObject>(object: T): T => {
    clock.after(5, () => stores[object.kind]?.set(object));
    return object;
  };
  const resources = {
    get: async ({ kind, namespace, name }: ObjectRef) => {
      ask({ verb: "get", kind, name });
      return stores[kind]?.get(namespace, name);
    },
    create: async (object: KubeObject, { dryRun = false }: { dryRun?: boolean } = {}) => {
      ask({ verb: "create", kind: object.kind, name: object.metadata.name, ...(dryRun ? { dryRun } : {}) });
      const created = renewed({ ...object, metadata: { ...object.metadata, uid: `uid-${version}` } });
      return dryRun ? created : shown(created);
    },
    jsonPatch: async ({ kind, namespace, name }: ObjectRef, operations: readonly JsonPatchOperation[]) => {
      ask({ verb: "patch", kind, name });
      const before = stores[kind]?.get(namespace, name) as KubeObject;
      const changes = operations.filter(({ path }) => path !== "/metadata/resourceVersion");
      return shown(renewed(applyPatch(before, changes) as KubeObject));
    },
    delete: async ({ kind, namespace, name }: ObjectRef) => {
      ask({ verb: "delete", kind, name });
      const gone = stores[kind]?.get(namespace, name);
      if (gone !== undefined) clock.after(5, () => stores[kind]?.remove(renewed(gone)));
    },
  };
  const controller = new RolloutController({
    sources,
    resources: resources as unknown as Resources,
    routers,
    metrics: {
      query: async (promql, atMs) => {
        queries.push(promql);
        return await stage.answers(promql, atMs);
      },
    },
    events: { record: () => {} } as unknown as EventRecorder,
    clock,
    now: () => clock.now(),
    log: pino({ level: "silent" }),
    concurrency: 1,
    term: () => undefined,
    watchOfRollouts: () => 1,
    toldSinceMs: () => Number.NEGATIVE_INFINITY,
    onRestoredServer: () => undefined,
  });
  const rollout = () => sources.rollouts.get("shop", "web") as Rollout;
  return Object.assign(stage, {
    clock,
    start: async () => {
      controller.start();
      await clock.advance(0);
    },
    stop: () => controller.stop(),
    sources,
    asked,
    queries,
    rollout,
    edit: (change: (rollout: Rollout) => Partial<Rollout>) => {
      sources.rollouts.set(renewed({ ...rollout(), ...change(rollout()) }));
    },
    route: () => sources.routes.get("HTTPRoute")?.get("shop", "web") as Route,
  });
}

function storesOf(sources: Sources): Record<string, Store<KubeObject>> {
  const { rollouts, replicaSets, revisions, services, slices, deployments, routes } = sources;
  return {
    Rollout: rollouts,
    ReplicaSet: replicaSets,
    ControllerRevision: revisions,
    Service: services,
    EndpointSlice: slices,
    Deployment: deployments,
    HTTPRoute: routes.get("HTTPRoute"),
  } as unknown as Record<string, Store<KubeObject>>;
}

/** Slices carry the name of their Service, as the API server's own controller labels them. */
function labelled(object: KubeObject): KubeObject {
  if (object.kind !== "EndpointSlice") return object;
  const labels = { ...object.metadata.labels, "kubernetes.io/service-name": object.metadata.name };
  return { ...object, metadata: { ...object.metadata, labels } };
}
