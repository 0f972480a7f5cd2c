import type { ControllerRevision, KubeObject, Route } from "../../src/api/kubernetes.ts";
import { ANNOTATION_REQUEST } from "../../src/api/request.ts";
import type { Rollout, RolloutSpec, RolloutStatus } from "../../src/api/rollout.ts";
import type { Reading } from "../../src/core/analysis/model.ts";
import type { Write } from "../../src/core/plan.ts";
import { ANNOTATION_MARK, ANNOTATION_REJECTED } from "../../src/core/rollout/names.ts";
import { planRollout, type RolloutPlan } from "../../src/core/rollout/plan.ts";
import type { Snapshot } from "../../src/core/rollout/snapshot.ts";
import type { Routers } from "../../src/core/rollout/world.ts";
import type { TrafficRouter } from "../../src/core/routing.ts";
import type { Mistake } from "./run.ts";

/** A mistake: what the real plan is shown, what it answers, how its routers write, or what is sent. */
export interface Planted extends Mistake {
  readonly name: string;
}

/** What the mistakes are found by: a simulation that finds none of them would say nothing about the plan either. */
export const PLANTED: readonly Planted[] = [
  answers("pods go before the route", (plan, snapshot) => {
    const { canary, stage } = plan.target;
    return stage === "Returning" ? { ...plan, writes: [...scaled(snapshot, canary, 0), ...plan.writes] } : plan;
  }),
  answers("writes without a resourceVersion", (plan) => ({
    ...plan,
    writes: plan.writes.map((write) => (write.verb === "jsonPatch" ? { ...write, resourceVersion: "" } : write)),
  })),
  shows("no data is taken for health", (snapshot) => withReadings(snapshot, "noData")),
  shows("an outage of Prometheus is taken for health", (snapshot) => withReadings(snapshot, "error")),
  shows("steps are counted from the second weight", (snapshot) =>
    withSpec(snapshot, ({ strategy }) => {
      const steps = strategy?.canary?.steps ?? [];
      const first = steps.findIndex(({ weight }) => weight !== undefined);
      return steps.length < 2
        ? {}
        : { strategy: { canary: { ...strategy?.canary, steps: steps.toSpliced(first, 1) } } };
    }),
  ),
  shows("steps end at once", (snapshot) =>
    withSpec(snapshot, ({ strategy }) => {
      const steps = (strategy?.canary?.steps ?? []).filter(({ weight }) => weight !== undefined);
      return { strategy: { canary: { ...strategy?.canary, steps } } };
    }),
  ),
  shows("nothing drains", (snapshot) =>
    withSpec(snapshot, ({ strategy }) => ({ strategy: { canary: { ...strategy?.canary, drain: "0s" } } })),
  ),
  shows("a weight counts once it is written", (snapshot) => ({
    ...snapshot,
    routes: snapshot.routes.map(asEffective),
  })),
  shows("raises without judging", (snapshot) => withSpec(snapshot, () => ({ analysis: { disabled: true } }))),
  answers("goes back by routes alone", (plan) => ({
    ...plan,
    writes: plan.writes.filter(
      (write) => plan.target.stage !== "Returning" || !("ref" in write) || write.ref.kind !== "Service",
    ),
  })),
  answers("status before the writes", (plan, snapshot) => {
    const known = JSON.stringify(plan.status?.weights) === JSON.stringify(snapshot.rollout.status?.weights);
    return plan.status === undefined || known ? plan : { ...plan, writes: [] };
  }),
  shows("forgets what was rejected", (snapshot) => withoutRejections(snapshot)),
  shows("does not hear an abort", (snapshot) => withoutRequest(snapshot, "abort")),
  shows("does not hear a pause", (snapshot) => {
    const { status } = snapshot.rollout;
    const { paused: _paused, ...progress } = status?.progress ?? { stage: "", mark: "" };
    return withStatus(
      withoutRequest(
        withSpec(snapshot, () => ({ paused: false })),
        "pause",
      ),
      {
        ...(status?.progress === undefined ? {} : { progress }),
      },
    );
  }),
  routes("a pair enters with weight", (router) => (route, backends, wish) => {
    const enters = router.read(route, backends).kind === "rest" && wish.kind === "paired" && wish.canaryBp === 0;
    return router.write(route, backends, enters ? { kind: "paired", canaryBp: 1_000 } : wish);
  }),
  routes("a pair is folded while it has weight", (router) => (route, backends, wish) => {
    const reading = router.read(route, backends);
    const lowered = reading.kind === "paired" && reading.canaryBp > 0 && wish.kind === "paired" && wish.canaryBp === 0;
    return router.write(route, backends, lowered ? { kind: "rest" } : wish);
  }),
  routes(
    "siblings lose their ratio",
    (router) => (route, backends, wish) =>
      router.write(route, backends, wish).map((operation) => {
        if (operation.op !== "replace" || !Array.isArray(operation.value)) return operation;
        const value = operation.value.map((ref) => (ref.name === "other" ? { ...ref, weight: 1 } : ref));
        return { ...operation, value };
      }),
  ),
  answers("without routes, pods go before the others are there", (plan, snapshot) => {
    const { stage, stable, canary, because } = plan.target;
    if (snapshot.routes.length > 0 || because !== undefined) return plan;
    return stage === "Stepping" && canary !== undefined
      ? { ...plan, writes: [...plan.writes, ...scaled(snapshot, stable, 0)] }
      : plan;
  }),
  answers("without routes, what was superseded goes before stable is there", (plan, snapshot) => {
    const { stage, canary, because } = plan.target;
    return snapshot.routes.length === 0 && stage === "Returning" && because?.reason === "Superseded"
      ? { ...plan, writes: [...plan.writes, ...scaled(snapshot, canary, 0)] }
      : plan;
  }),
  answers("the old side goes in the hand-over", (plan, snapshot) =>
    plan.target.stage === "HandingOver"
      ? { ...plan, writes: [...plan.writes, ...scaled(snapshot, plan.target.stable, 0)] }
      : plan,
  ),
  answers("stable shrinks as the canary grows", (plan, snapshot) => {
    const { stage, stable, weightBp } = plan.target;
    const size = Math.ceil(((snapshot.rollout.spec.replicas ?? 1) * (10_000 - weightBp)) / 10_000);
    return stage === "Stepping" && snapshot.routes.length > 0
      ? { ...plan, writes: [...plan.writes, ...scaled(snapshot, stable, size)] }
      : plan;
  }),
  answers("deletes pods that serve", (plan, snapshot) => {
    const serving = plan.target.stage === "Leaving" ? snapshot.replicaSets : [];
    const deletes = serving.map(
      (set): Write => ({
        verb: "delete",
        ref: refOf(set),
        uid: set.metadata.uid ?? "",
        why: "delete",
        resourceVersion: set.metadata.resourceVersion ?? "",
      }),
    );
    return { ...plan, writes: [...deletes, ...plan.writes] };
  }),
  answers("repairs a drift upward right after a start", (plan, snapshot, routers) => {
    if (plan.target.stage !== "Stepping" || snapshot.metrics.memory !== undefined) return plan;
    const backends = { service: "web", canaryService: "web-canary" };
    const writes = snapshot.routes.flatMap(({ ref, object }): Write[] => {
      const operations = routers
        .get(ref.kind)
        ?.write(object as KubeObject, backends, { kind: "paired", canaryBp: plan.target.weightBp });
      if (object === undefined || operations === undefined || operations.length === 0) return [];
      return [
        { verb: "jsonPatch", ref, operations, resourceVersion: object.metadata.resourceVersion ?? "", why: "repair" },
      ];
    });
    return { ...plan, writes };
  }),
  answers("status is written in each pass", (plan, snapshot) => ({
    ...plan,
    status: { ...(plan.status ?? snapshot.rollout.status), message: `at ${snapshot.nowMs}` },
  })),
  answers("what is made has no owner", (plan) => ({
    ...plan,
    writes: plan.writes.map((write) =>
      write.verb === "create"
        ? { ...write, object: { ...write.object, metadata: { ...write.object.metadata, ownerReferences: [] } } }
        : write,
    ),
  })),
  answers("a deleted Rollout leaves its Service pinned", (plan) => ({
    ...plan,
    writes: plan.writes.filter(
      (write) => plan.target.stage !== "Leaving" || !("ref" in write) || write.ref.kind !== "Service",
    ),
  })),
  {
    name: "status is written without a resourceVersion",
    send: (operations) => operations.filter(({ path }) => path !== "/metadata/resourceVersion"),
  },
  { name: "what was refused in an outage is sent until it is answered", insists: true },
  { name: "what a watch missed is not read before anything moves", readsLive: false },
  shows("a deadline runs on in an outage", ({ decidingSinceMs: _told, ...snapshot }) => snapshot),
];

/** Where the search of a test begins: the seeds that found the slower ones last. Should they find them no more, others do. */
export const FOUND_AT: Readonly<Record<string, number>> = {
  "an outage of Prometheus is taken for health": 38,
  "does not hear an abort": 20,
  "does not hear a pause": 105,
  "what was refused in an outage is sent until it is answered": 50,
  "what a watch missed is not read before anything moves": 780,
  "a deadline runs on in an outage": 100,
  "status is written without a resourceVersion": 133, // Only where two lead at once.
};

/** Another answer than the plan gave. */
function answers(
  name: string,
  change: (plan: RolloutPlan, snapshot: Snapshot, routers: Routers) => RolloutPlan,
): Planted {
  return { name, plan: (snapshot, routers) => change(planRollout(snapshot, routers), snapshot, routers) };
}

/** Another snapshot than was gathered. */
function shows(name: string, change: (snapshot: Snapshot) => Snapshot): Planted {
  return { name, plan: (snapshot, routers) => planRollout(change(snapshot), routers) };
}

/** Routers that write otherwise. */
function routes(name: string, write: (router: TrafficRouter) => TrafficRouter["write"]): Planted {
  const wrapped = (routers: Routers): Routers =>
    new Map([...routers].map(([kind, router]) => [kind, { ...router, write: write(router) }]));
  return { name, plan: (snapshot, routers) => planRollout(snapshot, wrapped(routers)) };
}

function withRollout(snapshot: Snapshot, change: Partial<Rollout>): Snapshot {
  return { ...snapshot, rollout: { ...snapshot.rollout, ...change } };
}

function withSpec(snapshot: Snapshot, change: (spec: RolloutSpec) => Partial<RolloutSpec>): Snapshot {
  const { spec } = snapshot.rollout;
  return withRollout(snapshot, { spec: { ...spec, ...change(spec) } });
}

function withStatus(snapshot: Snapshot, change: Partial<RolloutStatus>): Snapshot {
  const { status } = snapshot.rollout;
  return status === undefined ? snapshot : withRollout(snapshot, { status: { ...status, ...change } });
}

function withoutRequest(snapshot: Snapshot, verb: string): Snapshot {
  const { metadata } = snapshot.rollout;
  if (metadata.annotations?.[ANNOTATION_REQUEST]?.startsWith(verb) !== true) return snapshot;
  const { [ANNOTATION_REQUEST]: _request, ...annotations } = metadata.annotations;
  return withRollout(snapshot, { metadata: { ...metadata, annotations } });
}

function without<T extends KubeObject | undefined>(object: T, key: string): T {
  if (object?.metadata.annotations?.[key] === undefined) return object;
  const { [key]: _gone, ...annotations } = object.metadata.annotations;
  return { ...object, metadata: { ...object.metadata, annotations } };
}

function withoutRejections(snapshot: Snapshot): Snapshot {
  const { rejected: _rejected, ...status } = snapshot.rollout.status ?? {};
  const { service, canaryService } = snapshot;
  const note = ANNOTATION_REJECTED;
  return {
    ...withRollout(snapshot, snapshot.rollout.status === undefined ? {} : { status }),
    ...(service === undefined ? {} : { service: without(service, note) }),
    ...(canaryService === undefined ? {} : { canaryService: without(canaryService, note) }),
    routes: snapshot.routes.map(({ ref, object }) =>
      object === undefined ? { ref } : { ref, object: without(object, note) },
    ),
    revisions: snapshot.revisions.map(
      (record): ControllerRevision =>
        record.metadata.annotations?.[ANNOTATION_MARK] === "rejected" ? without(record, ANNOTATION_MARK) : record,
    ),
  };
}

/** Answers of one kind become those of a healthy canary. */
function withReadings(snapshot: Snapshot, kind: "noData" | "error"): Snapshot {
  const { metrics, nowMs } = snapshot;
  const readings = metrics.readings.map((reading): Reading => {
    if (reading.kind !== kind) return reading;
    const { metric } = reading;
    if (metric !== "error-rate") return { kind: "value", metric, atMs: nowMs, value: 0 };
    const healthy = {
      total: [
        {
          pod: "p",
          samples: [
            [nowMs - 15_000, 0],
            [nowMs, 1_000],
          ] as const,
        },
      ],
      bad: [],
    };
    return { kind: "counters", metric, canary: healthy, stable: healthy };
  });
  return { ...snapshot, metrics: { ...metrics, readings } };
}

function asEffective({ ref, object }: Snapshot["routes"][number]): Snapshot["routes"][number] {
  if (object === undefined) return { ref };
  const route = object as Route;
  const observedGeneration = route.metadata.generation ?? 1;
  const parents = (route.status?.parents ?? []).map((parent) => ({
    ...parent,
    conditions: (parent.conditions ?? []).map((condition) => ({ ...condition, observedGeneration })),
  }));
  return { ref, object: { ...route, status: { parents } } as Route };
}

function scaled({ replicaSets }: Snapshot, revision: string | undefined, size: number): Write[] {
  return replicaSets
    .filter((set) => set.metadata.name.endsWith(`-${revision}`) && (set.spec.replicas ?? 0) > size)
    .map((set) => ({
      verb: "jsonPatch",
      ref: refOf(set),
      operations: [{ op: "replace", path: "/spec/replicas", value: size }],
      resourceVersion: set.metadata.resourceVersion ?? "",
      why: `scale to ${size}`,
    }));
}

function refOf({ apiVersion, kind, metadata }: KubeObject) {
  return { apiVersion, kind, namespace: metadata.namespace ?? "", name: metadata.name };
}
