import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject, Route, Service } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import { fleetMember, templateOf } from "../bench/lab.ts";
import { type AuditEvent, type Cluster, startCluster } from "../cluster/cluster.ts";
import { type Gateway, startGateway } from "../cluster/gateway.ts";
import { applyCrds, type Operator, startOperator } from "../cluster/playground.ts";
import { Access, TYPES } from "../cluster/watch.ts";

/*
 * What must be quiet is quiet, and what is interrupted goes on: counted in the API server's audit log, with kwok's pods and a
 * stand-in gateway that only says that it has taken routes in.
 */

const ROLLOUTS = defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts");
const AGENT = "zenith-operator";

let cluster: Cluster;
let gateway: Gateway;
let access: Access;
let rollouts: Store<Rollout>;
let operator: Operator | undefined;

beforeAll(async () => {
  cluster = await startCluster({ audit: true });
  await Promise.all([cluster.applyGatewayApi(), applyCrds(cluster)]);
  gateway = await startGateway({ kubeconfig: cluster.kubeconfig });
  access = new Access(cluster.kubeconfig, "rest");
  rollouts = await access.watch<Rollout>(ROLLOUTS);
}, 1_200_000);

afterAll(async () => {
  await operator?.running.stop();
  await access?.close();
  await gateway?.stop();
  await cluster?.stop();
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, isThere: () => boolean, patienceMs = 90_000): Promise<void> {
  for (const end = performance.now() + patienceMs; !isThere(); await sleep(50))
    if (performance.now() > end) throw new Error(`Waited ${patienceMs / 1000} s for ${what}; ${told()}`);
}

function told(): string {
  return rollouts
    .list()
    .map(({ metadata, status }) => `${metadata.name} is ${status?.phase}: ${status?.message}`)
    .slice(0, 5)
    .join("; ");
}

const phaseOf = (name: string): string | undefined => rollouts.get("default", name)?.status?.phase;
const isLease = ({ objectRef }: AuditEvent): boolean => objectRef?.resource === "leases";
const isWatch = ({ verb }: AuditEvent): boolean => verb === "watch";

/** What the operator asked for since, as the audit log tells it. */
function askedSince(count: number): string[] {
  const events = cluster.auditEvents().slice(count);
  return events
    .filter((event) => event.userAgent === AGENT && !isLease(event) && !isWatch(event))
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
}

describe("at rest", () => {
  test("100 promoted Rollouts that nobody touches: no request for 20 s but watches and the Lease", async () => {
    operator = await startOperator(cluster);
    const names = Array.from({ length: 100 }, (_, i) => `rest-${i}`);
    for (const name of names) for (const object of fleetMember(name, {}, false)) await access.resources.create(object);
    await until("all to be promoted", () => names.every((name) => phaseOf(name) === "Healthy"));
    expect(askedSince(0).filter((what) => what.startsWith("create")).length).toBeGreaterThanOrEqual(200);
    await sleep(5_000); // Events of pods that became ready, and the last bookmarks of our own writes.
    const before = cluster.auditEvents().length;
    await sleep(20_000);
    expect(askedSince(before)).toEqual([]);
    // That the log is being written, and the operator alive.
    expect(
      cluster
        .auditEvents()
        .slice(before)
        .filter((event) => event.userAgent === AGENT && isLease(event)).length,
    ).toBeGreaterThan(5);
  });
});

/** Each weight that the route gave the canary, in order; undefined where it stands as its author wrote it. */
function weightsGiven(routes: Store<Route>, name: string): (number | undefined)[] {
  const given: (number | undefined)[] = [];
  routes.subscribe((_type, route) => {
    if (route.metadata.name !== name) return;
    const rules = (route as unknown as { spec: { rules: { backendRefs: { name: string; weight?: number }[] }[] } }).spec
      .rules;
    const refs = rules[0]?.backendRefs ?? [];
    const canary = refs.find((ref) => ref.name === `${name}-canary`)?.weight;
    const total = refs.reduce((sum, { weight = 1 }) => sum + weight, 0);
    const percent = canary === undefined ? undefined : (100 * canary) / total;
    if (given.length === 0 || given.at(-1) !== percent) given.push(percent);
  });
  return given;
}

function selectorsGiven(services: Store<Service>, name: string): string[] {
  const given: string[] = [];
  services.subscribe((_type, service) => {
    const revision = service.spec.selector?.["zenith.sh/revision"] ?? "";
    if (service.metadata.name === name && given.at(-1) !== revision) given.push(revision);
  });
  return given;
}

/** Starts an operator again whenever it ends, as the kubelet would. */
function keepRunning(flags: readonly string[]): { stop(): Promise<void>; readonly starts: number } {
  const state = { starts: 0, over: false };
  const loop = (async () => {
    while (!state.over) {
      state.starts++;
      operator = await startOperator(cluster, flags).catch(() => undefined);
      await operator?.running.ended;
    }
  })();
  return {
    get starts() {
      return state.starts;
    },
    stop: async () => {
      state.over = true;
      await operator?.running.stop();
      await loop;
    },
  };
}

describe("the API server is gone for 15 s in the middle of a step", () => {
  const PAUSE_MS = 25_000;
  const steps = [{ weight: 20 }, { pause: { for: "25s" } }, { weight: 50 }, { pause: { for: "2s" } }];
  const canary = { steps, settle: "1s", drain: "1s", scaleDownDelay: "1s" };

  const table: Record<string, { flags: string[]; restarts: boolean }> = {
    "and the operator with it, as its Lease is lost; another goes on": { flags: [], restarts: true },
    "and an operator without a Lease goes on by itself": { flags: ["--leader-elect=false"], restarts: false },
  };
  test.each(Object.entries(table))(
    "%s",
    async (_, { flags, restarts }) => {
      await operator?.running.stop();
      const name = restarts ? "restarted" : "patient";
      const supervised = keepRunning(flags);
      const create = (object: KubeObject) => access.resources.create(object);
      for (const object of fleetMember(name, { replicas: 4, strategy: { canary } })) await create(object);
      await until("the first revision", () => phaseOf(name) === "Healthy");
      const given = weightsGiven(await access.watch<Route>(TYPES.httpRoutes), name);
      const selected = selectorsGiven(await access.watch<Service>(TYPES.services), name);
      const ref = { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", namespace: "default", name };
      await access.resources.mergePatch(ref, { spec: { template: templateOf(name, "2") } });
      await until("the first step", () => rollouts.get("default", name)?.status?.weights?.effective === 20);
      const stepMs = performance.now();
      const startsBefore = supervised.starts;

      await cluster.stopApiServer();
      await sleep(15_000);
      await cluster.startApiServer();

      await until("the second step", () => given.includes(50));
      expect(performance.now() - stepMs).toBeGreaterThan(PAUSE_MS - 2_000);
      await until("the promotion", () => phaseOf(name) === "Healthy");
      await until("the route to be its author's", () => given.at(-1) === undefined);
      expect(given).toEqual([0, 20, 50, 100, 0, undefined]);
      expect(selected).toHaveLength(1);
      expect(supervised.starts > startsBefore).toBe(restarts);
      await supervised.stop();
      operator = undefined;
    },
    240_000,
  );
});
