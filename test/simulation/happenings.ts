import type { HorizontalPodAutoscaler, ReplicaSet } from "../../src/api/kubernetes.ts";
import { LABEL_REVISION } from "../../src/core/rollout/names.ts";
import { WATCHED } from "./cluster/caches.ts";
import { PROMETHEUS_FAULTS } from "./cluster/prometheus.ts";
import { type Happenings, metricsFaults, processFaults, WRITE_FAULTS } from "./faults.ts";
import { image, stepsOf, VERSIONS } from "./scenario.ts";
import type { Simulation } from "./simulation.ts";

/** All that can happen beside failing writes, by name: a row each in the table of what met what. */
export const HAPPENINGS: Happenings<Simulation> = {
  ...processFaults(WATCHED),
  operatorPaused: ({ operator, rng }) => operator.pause(rng.int(1_000, 60_000)) as undefined,
  podsDie: ({ pods, rng }) => {
    const running = [...pods.all.values()].filter(({ ready }) => ready);
    if (running.length === 0) return false;
    const { set } = rng.pick(running);
    const forMs = rng.chance(0.8) ? rng.int(1_000, 30_000) : rng.int(30_000, 150_000);
    for (const pod of pods.of(set)) if (rng.chance(0.7)) pods.fail(pod, forMs);
  },
  routeRefused: ({ network, rng }) => network.refuse(rng.int(2_000, 60_000)) as undefined,
  bothBad: ({ prometheus, agenda, rng }) => {
    prometheus.incident = true;
    agenda.after(rng.int(20_000, 400_000), () => {
      prometheus.incident = false;
    });
  },
  gitReapplies: (sim) => sim.apply() as undefined,
  gitResetsService: (sim) => sim.apply("Service") as undefined,
  gitResetsRoutes: (sim) => sim.apply("HTTPRoute", "GRPCRoute") as undefined,
  autoscalerMoves: (sim) => {
    const { api, rng } = sim;
    if (sim.rollout?.spec.replicas === undefined) return false;
    const scaler = api.list<HorizontalPodAutoscaler>("HorizontalPodAutoscaler")[0];
    if (scaler === undefined) {
      api.create("person", {
        apiVersion: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        metadata: { name: "web", namespace: "shop" },
        spec: { scaleTargetRef: { kind: "Rollout", name: "web" }, maxReplicas: 8 },
      } as HorizontalPodAutoscaler);
    }
    for (let i = 0; i < 3; i++) sim.later(i * 15_000, () => sim.edit("autoscaler", { replicas: rng.int(1, 8) }));
  },
  newVersion: (sim) => sim.wantVersion(sim.rng.int(2, VERSIONS)) as undefined,
  undo: (sim) => {
    const stable = sim.images.get(sim.rollout?.status?.stable?.revision ?? "") ?? image(1);
    sim.wantVersion(Number(stable.split(":")[1]));
  },
  abort: (sim) => sim.request("abort") as undefined,
  pause: (sim) => {
    sim.request("pause");
    sim.later(sim.rng.int(5_000, 120_000), () => sim.request("resume"));
  },
  specPaused: (sim) => {
    sim.edit("person", { paused: true });
    sim.later(sim.rng.int(5_000, 120_000), () => sim.edit("person", { paused: false }));
  },
  promote: (sim) => sim.request("promote") as undefined,
  promoteFull: (sim) => sim.request("promote:full") as undefined,
  retry: (sim) => sim.request("retry") as undefined,
  rollback: (sim) => sim.request("rollback") as undefined,
  scale: (sim) => sim.edit("person", { replicas: sim.rng.int(1, 8) }) as undefined,
  scaleToZero: (sim) => {
    const before = sim.rollout?.spec.replicas ?? 1;
    sim.edit("person", { replicas: 0 });
    sim.later(sim.rng.int(5_000, 90_000), () => sim.edit("person", { replicas: Math.max(1, before) }));
  },
  editSteps: (sim) => {
    const { strategy } = sim.git.rollout.spec;
    const steps = stepsOf(sim.rng);
    const spec = { ...sim.git.rollout.spec, strategy: { canary: { ...strategy?.canary, steps } } };
    sim.git.rollout = { ...sim.git.rollout, spec };
    sim.edit("person", { strategy: spec.strategy });
  },
  deleteReplicaSet: (sim) => {
    const sets = sim.api.list<ReplicaSet>("ReplicaSet").filter(({ metadata }) => metadata.labels?.[LABEL_REVISION]);
    if (sets.length === 0) return false;
    sim.api.delete("person", sim.refOf(sim.rng.pick(sets)));
  },
  turnsBad: (sim) => {
    const { canary, stable } = sim.rollout?.status ?? {};
    const serving = sim.images.get(canary?.revision ?? stable?.revision ?? "") ?? image(2);
    const turned = serving === image(1) ? image(2) : serving;
    sim.health[turned] = { comesUp: sim.health[turned]?.comesUp ?? "soon", errorRate: 0.3 };
  },
  statusLost: (sim) => {
    if (sim.rollout === undefined) return false;
    const { status: _lost, ...rollout } = sim.rollout;
    sim.api.change("person", sim.rollout, rollout, "status");
  },
  deleteService: (sim) => deletedForAWhile(sim, "Service", "web"),
  deleteCanaryService: (sim) => deletedForAWhile(sim, "Service", "web-canary"),
  deleteRoute: (sim) => deletedForAWhile(sim, "HTTPRoute", "web"),
  gitInsists: (sim) => {
    for (let i = 0; i < 12; i++) sim.later(i * 10_000, () => sim.apply("Service", "HTTPRoute", "GRPCRoute"));
  },
  deleteRollout: (sim) => {
    if (sim.rollout === undefined) return false;
    sim.api.delete("person", sim.refOf(sim.rollout));
  },
  ...metricsFaults(PROMETHEUS_FAULTS, ({ prometheus }: Simulation) => prometheus),
};

/** Someone deletes an object; Git brings its own back. */
function deletedForAWhile(sim: Simulation, kind: string, name: string): undefined | false {
  const object = sim.api.find(kind, name);
  if (object === undefined) return false;
  sim.api.delete("person", sim.refOf(object));
  sim.later(sim.rng.int(500, 40_000), () => sim.apply(kind));
}

export const NAMES: readonly string[] = [...WRITE_FAULTS, ...Object.keys(HAPPENINGS)];
export const STAGES = [
  "Starting",
  "Resting",
  "Stepping",
  "HandingOver",
  "Returning",
  "RollingBack",
  "Leaving",
] as const;
