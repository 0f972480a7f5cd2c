import type { Route } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { startLoad } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { RequestProxy } from "../cluster/request-proxy.ts";
import { Access, TYPES } from "../cluster/watch.ts";
import { deployment, rollout, shop } from "../demo/shop.ts";
import { Story } from "../e2e/story.ts";
import { BenchLab, BreachSwitch, fleetMember, templateOf } from "./lab.ts";
import { ms, quantile, type Row } from "./row.ts";

const TWENTY = 20;

/** From the answer of Prometheus that decided a revert to the routes at 0: one under real traffic, then twenty at once. */
export async function benchRevert(): Promise<Row[]> {
  return [await one(), await twenty()];
}

/** Real pods, 100 requests/s, 20 % errors in a canary at 20 %; prints the time line. */
async function one(): Promise<Row> {
  const playground = await Playground.start();
  const { cluster } = playground;
  const prometheus = new RequestProxy(playground.prometheusUrl);
  await prometheus.start();
  const access = new Access(cluster.kubeconfig, "bench");
  const story = await Story.begin(playground);
  try {
    await cluster.apply(shop());
    await story.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    await playground.startOperator([`--prometheus-url=${prometheus.url}`]);
    const steps = [{ weight: 20 }, { analysis: { for: "2m" } }];
    await cluster.apply(rollout({ strategy: { canary: { steps, settle: "1s", drain: "1s" } } }));
    await story.phase("Healthy");
    const load = startLoad(playground.gateway.url, 100, { host: "web.example" });
    const routes = await access.watch<Route>(TYPES.httpRoutes);
    let raisedMs = Number.NaN;
    let loweredMs = Number.NaN;
    routes.subscribe((_type, route) => {
      const weight = canaryWeight(route, "web-canary");
      if (weight > 0 && Number.isNaN(raisedMs)) raisedMs = performance.now();
      if (weight === 0 && !Number.isNaN(raisedMs) && Number.isNaN(loweredMs)) loweredMs = performance.now();
    });
    await cluster.apply(deployment({ replicas: 0, image: "shop/web:bad", env: { ERROR_RATE: "0.2" } }));
    const status = await story.phase("Reverted");
    await load.stop();
    const answers = prometheus.requests.flatMap(({ answeredMs }) => (answeredMs === undefined ? [] : [answeredMs]));
    const decisive = Math.max(...answers.filter((at) => at < loweredMs));
    const bad = load.tallies.bad;
    process.stderr.write(`
  0 ms       the canary gets 20 % of 100 requests/s; a fifth of its answers are errors
  ${ms(decisive - raisedMs).padEnd(9)}  Prometheus answers: ${status.rejected?.message}
  + ${ms(loweredMs - decisive).padEnd(7)}  every route gives it 0 (${bad?.requests} requests had reached it, ${bad?.failed} of them failed)\n\n`);
    return {
      what: "answer that shows the breach → route at 0, one under traffic",
      budget: "0.2 s",
      measured: ms(loweredMs - decisive),
      how: "20 % errors at 20 % of 100 requests/s, real Prometheus; last answer before the write, as a proxy and a watch saw them",
    };
  } finally {
    await story.end();
    await access.close();
    await prometheus.stop();
    await playground.stop();
  }
}

/** Twenty canaries that one query turns bad in the same second. */
async function twenty(): Promise<Row> {
  const lab = await BenchLab.open();
  const breach = new BreachSwitch();
  await breach.start();
  const names = Array.from({ length: TWENTY }, (_, i) => `web-${i}`);
  const source = await lab.cluster.startPrometheus({ targets: [breach.address] });
  const prometheus = new RequestProxy(source.url);
  await prometheus.start();
  try {
    const query = {
      name: "breach",
      promql: 'max(breach{rollout=~"|{{rollout}}"})',
      max: 0.5,
      consecutive: 1,
    };
    const spec = {
      strategy: { canary: { steps: [{ weight: 20 }, { pause: {} }], settle: "1s", drain: "1s" } },
      analysis: { interval: "1s", metrics: [{ query }] },
    };
    await lab.create(names.flatMap((name) => fleetMember(name, spec)));
    await lab.startOperator([`--prometheus-url=${prometheus.url}`]);
    await lab.until(TWENTY, ({ status }) => status?.phase === "Healthy", "first revisions serve");
    for (const name of names) await changeTemplate(lab, name, "2");
    await lab.until(TWENTY, ({ status }) => status?.phase === "Paused", "canaries wait at 20 %");
    const loweredMs = new Map<string, number>();
    lab.routes.subscribe((_type, route) => {
      const { name } = route.metadata;
      if (canaryWeight(route, `${name}-canary`) === 0 && !loweredMs.has(name)) loweredMs.set(name, performance.now());
    });
    prometheus.forget();
    breach.on = true;
    await lab.until(TWENTY, ({ status }) => status?.phase === "Reverted", "all are taken back");
    const delays = names.map((name) => {
      const at = loweredMs.get(name) ?? Number.NaN;
      const own = prometheus.requests.filter(({ path, body }) => decodeURIComponent(path + body).includes(`|${name}"`));
      return at - Math.max(...own.map((r) => r.answeredMs ?? Number.NaN).filter((answered) => answered < at));
    });
    return {
      what: "the same, twenty within one interval",
      budget: "0.5 s worst",
      measured: `${ms(Math.max(...delays))} worst, ${ms(quantile(delays, 0.5))} median`,
      how: "one gauge that all twenty query flips; from each one's own last answer",
    };
  } finally {
    await prometheus.stop();
    await breach.stop();
    await lab.close();
  }
}

export async function changeTemplate(lab: BenchLab, name: string, version: string): Promise<void> {
  const ref = { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", namespace: "default", name };
  await lab.access.resources.mergePatch<Rollout>(ref, { spec: { template: templateOf(name, version) } });
}

function canaryWeight(route: Route, canary: string): number {
  return route.spec.rules?.[0]?.backendRefs?.find((ref) => ref.name === canary)?.weight ?? 0;
}
