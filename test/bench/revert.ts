import type { Route } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { startLoad } from "../cluster/load.ts";
import { type Operator, Playground } from "../cluster/playground.ts";
import { type ProxyOptions, RequestProxy } from "../cluster/request-proxy.ts";
import { Access, TYPES } from "../cluster/watch.ts";
import { deployment, rollout, shop } from "../demo/shop.ts";
import { Story } from "../e2e/story.ts";
import { BenchLab, BreachSwitch, fleetMember, templateOf } from "./lab.ts";
import { ms, quantile, type Row } from "./row.ts";

const TWENTY = 20;

/** From the answer of Prometheus that decided a revert to the routes at 0: one under real traffic, then twenty at once, then
 * twenty whose leader is killed as it gets the answer. */
export async function benchRevert(): Promise<Row[]> {
  return [await one(), await twenty(), await leaderless()];
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
      budget: "0.1 s",
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

/** Twenty canaries at 20 %, judged each second by one gauge. */
interface Twenty {
  readonly lab: BenchLab;
  readonly names: readonly string[];
  readonly prometheus: RequestProxy;
  /** Flips the gauge; resolves once all are taken back.
   * @returns when the route of each said 0, by `performance.now()` */
  breach(): Promise<Map<string, number>>;
}

async function withTwenty(measure: (twenty: Twenty) => Promise<Row>, proxy: ProxyOptions = {}): Promise<Row> {
  const lab = await BenchLab.open();
  const gauge = new BreachSwitch();
  await gauge.start();
  const names = Array.from({ length: TWENTY }, (_, i) => `web-${i}`);
  const source = await lab.cluster.startPrometheus({ targets: [gauge.address] });
  const prometheus = new RequestProxy(source.url, proxy);
  await prometheus.start();
  const breach = async () => {
    const loweredMs = new Map<string, number>();
    lab.routes.subscribe((_type, route) => {
      const { name } = route.metadata;
      if (canaryWeight(route, `${name}-canary`) === 0 && !loweredMs.has(name)) loweredMs.set(name, performance.now());
    });
    prometheus.forget();
    gauge.on = true;
    await lab.until(TWENTY, ({ status }) => status?.phase === "Reverted", "all are taken back");
    return loweredMs;
  };
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
    return await measure({ lab, names, prometheus, breach });
  } finally {
    await prometheus.stop();
    await gauge.stop();
    await lab.close();
  }
}

async function twenty(): Promise<Row> {
  return await withTwenty(async ({ names, prometheus, breach }) => {
    const loweredMs = await breach();
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
  });
}

/** The leader is gone before it hears of the breach, and gives no Lease back: a second one waits until it has run out. */
async function leaderless(): Promise<Row> {
  let [armed, killedMs] = [false, Number.NaN];
  let leader: Operator | undefined;
  const kill = () => {
    killedMs = performance.now();
    leader?.running.signal("SIGKILL");
  };
  const decide = () => {
    if (!armed) return "pass";
    armed = false;
    return "killAfter";
  };
  return await withTwenty(
    async ({ lab, prometheus, breach }) => {
      leader = lab.operator;
      await lab.startOperator([`--prometheus-url=${prometheus.url}`]);
      armed = true;
      const loweredMs = await breach();
      await leader?.running.stop();
      return {
        what: "the same, with the leader killed at the worst moment",
        budget: "20 s more",
        measured: `${ms(Math.max(...loweredMs.values()) - killedMs)} worst`,
        how: "SIGKILL as Prometheus answers it; until the last of twenty routes says 0, by another that stood by",
      };
    },
    { decide, kill },
  );
}

export async function changeTemplate(lab: BenchLab, name: string, version: string): Promise<void> {
  const ref = { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", namespace: "default", name };
  await lab.access.resources.mergePatch<Rollout>(ref, { spec: { template: templateOf(name, version) } });
}

function canaryWeight(route: Route, canary: string): number {
  return route.spec.rules?.[0]?.backendRefs?.find((ref) => ref.name === canary)?.weight ?? 0;
}
