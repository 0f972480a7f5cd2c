import type { Rollout } from "../../src/api/rollout.ts";
import type { Operator } from "../cluster/playground.ts";
import { isWrite } from "../cluster/request-proxy.ts";
import { say } from "../demo/terminal.ts";
import { BenchLab, BreachSwitch, fleetMember } from "./lab.ts";
import { changeTemplate } from "./revert.ts";
import { ms, type Row } from "./row.ts";
import { kindOf, listWrites } from "./written.ts";

const WATCHED_MS = 60_000;
const CHECKPOINT_MS = 300_000;
const STARTS = 11;

/** Writes that one canary of 10 replicas and four weights costs, and those of the 30 s after an abort.
 * @param each says them one by one */
export async function benchWrites(each = false): Promise<Row[]> {
  const lab = await BenchLab.open();
  try {
    const steps = [10, 25, 50, 75].flatMap((weight) => [{ weight }, { pause: { for: "1s" } }]);
    const canary = { steps, settle: "1s", drain: "1s", scaleDownDelay: "1s" };
    const spec = { replicas: 10, strategy: { canary } };
    await lab.create(fleetMember("web", spec));
    await lab.startOperator();
    await lab.until(1, ({ status }) => status?.phase === "Healthy", "the first revision serves");
    const tookMs = await medianStart(lab);
    await quiet(lab);
    lab.proxy.forget();
    await changeTemplate(lab, "web", "2");
    await lab.until(1, ({ status }) => status?.phase === "Healthy" && status.stable?.images[0] === "web:2", "promoted");
    await quiet(lab);
    const writes = lab.proxy.requests.filter(isWrite);
    const kinds = new Map<string, number>();
    for (const { path } of writes) kinds.set(kindOf(path), (kinds.get(kindOf(path)) ?? 0) + 1);
    for (const line of each ? listWrites(writes) : []) say(line);
    const lists = lab.proxy.requests.filter(
      ({ method, path }) => method === "GET" && !path.includes("watch=") && !/leases/.test(path),
    );
    const abort = await afterAbort(lab, each);
    return [
      {
        what: "operator start → ready",
        budget: "0.5 s",
        measured: ms(tookMs),
        how: `the bundle: from its start to /readyz, median of ${STARTS}, once the API server serves all kinds`,
      },
      {
        what: "one canary of 10 replicas and four weights",
        budget: "26 writes, 0 LISTs",
        measured: `${writes.length} writes (${[...kinds].map(([kind, n]) => `${n} ${kind}`).join(", ")}), ${lists.length} reads`,
        how: "without Events and the Lease, as a proxy before the API server saw them",
      },
      abort,
    ];
  } finally {
    await lab.close();
  }
}

/** The first start meets an API server that is about to serve new kinds, and asks it to come back in a second. */
async function medianStart(lab: BenchLab): Promise<number> {
  const tookMs: number[] = [];
  while (tookMs.length < STARTS) {
    await lab.stopOperator();
    tookMs.push((await lab.startOperator()).tookMs);
  }
  return tookMs.sort((a, b) => a - b)[Math.floor(STARTS / 2)] ?? Number.NaN;
}

async function afterAbort(lab: BenchLab, each: boolean): Promise<Row> {
  await changeTemplate(lab, "web", "3");
  await lab.until(1, ({ status }) => (status?.weights?.written ?? 0) >= 10, "a canary under way");
  const hash = lab.rollouts.get("default", "web")?.status?.canary?.revision;
  lab.proxy.forget();
  const ref = { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", namespace: "default", name: "web" };
  await lab.access.resources.mergePatch(ref, { metadata: { annotations: { "zenith.sh/request": `abort@${hash}#1` } } });
  await new Promise((resolve) => setTimeout(resolve, 30_000));
  const writes = lab.proxy.requests.filter(isWrite);
  for (const line of each ? ["", ...listWrites(writes)] : []) say(line);
  return {
    what: "an aborted Rollout, the 30 s after",
    budget: "at most 10 writes",
    measured: `${writes.length} writes`,
    how: "without Events and the Lease",
  };
}

/** Many Rollouts at rest, restarted, and the Lease handed over. */
export async function benchRest(count: number): Promise<Row[]> {
  const lab = await BenchLab.open();
  try {
    const names = Array.from({ length: count }, (_, i) => `web-${i}`);
    await lab.create(names.flatMap((name) => fleetMember(name, {}, false)));
    const first = await lab.startOperator();
    await lab.until(count, ({ status }) => status?.phase === "Healthy", "Rollouts promoted");
    await quiet(lab);
    lab.proxy.forget();
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    const asked = lab.proxy.requests.filter(({ path }) => !/\/leases/.test(path) && !path.includes("watch="));
    const rss = lab.residentMiB(first.operator);
    await lab.stopOperator();
    const stoppedMs = performance.now();
    const second = await lab.startOperator();
    const looked = await lookedAt(second.operator.metricsUrl, count, stoppedMs);
    const standby = await lab.startOperator();
    const toldMs = performance.now();
    second.operator.running.signal("SIGTERM");
    const leadMs = await loggedMs(standby.operator.log, "leading", toldMs);
    return [
      {
        what: `${count} Rollouts at rest`,
        budget: "200 MiB, 0 requests but watches and the Lease",
        measured: `${rss.toFixed(0)} MiB, ${asked.length} requests`,
        how: `resident set after promotion; requests of ${WATCHED_MS / 1000} s as a proxy saw them`,
      },
      {
        what: `restart with ${count} Rollouts → the last one looked at`,
        budget: "5 s",
        measured: ms(looked),
        how: "from the start of the process, by its own metrics",
      },
      {
        what: "new leader after SIGTERM of the old",
        budget: "2 s",
        measured: ms(leadMs),
        how: "from the signal to the line in the log of a second one that stood by",
      },
    ];
  } finally {
    await lab.close();
  }
}

/** A hundred Rollouts in their bake, judged all the time: what status costs. */
export async function benchBaking(count: number): Promise<Row[]> {
  const lab = await BenchLab.open();
  const gauge = new BreachSwitch();
  await gauge.start();
  try {
    const { url } = await lab.cluster.startPrometheus({ targets: [gauge.address] });
    const names = Array.from({ length: count }, (_, i) => `web-${i}`);
    const metrics = [{ query: { name: "breach", promql: "max(breach)", max: 0.5 } }];
    const canary = { preset: "instant", settle: "1s", drain: "1s", scaleDownDelay: "1s" };
    const spec = { strategy: { canary }, analysis: { metrics, interval: "5s" }, bake: "1h" };
    await lab.create(names.flatMap((name) => fleetMember(name, spec, false)));
    await lab.startOperator([`--prometheus-url=${url}`]);
    await lab.until(count, ({ status }) => status?.phase === "Healthy", "Rollouts promoted");
    for (const name of names) await changeTemplate(lab, name, "2");
    await lab.until(count, ({ status }) => status?.phase === "Baking", "canaries promoted, baking");
    await new Promise((resolve) => setTimeout(resolve, 30_000)); // Until the old ones have gone.
    lab.proxy.forget();
    await new Promise((resolve) => setTimeout(resolve, CHECKPOINT_MS));
    const perRollout = lab.proxy.requests.filter(isWrite).length / count;
    return [
      {
        what: `${count} Rollouts in their bake, judged every 5 s, five minutes`,
        budget: "1 status write each",
        measured: `${perRollout.toFixed(2)} writes each`,
        how: "real Prometheus, one query each; writes as a proxy saw them",
      },
    ];
  } finally {
    await gauge.stop();
    await lab.close();
  }
}

/** Five hundred canaries at once. */
export async function benchBurst(count: number): Promise<Row[]> {
  const lab = await BenchLab.open();
  try {
    const steps = [20, 40, 60, 80].flatMap((weight) => [{ weight }, { pause: { for: "1s" } }]);
    const canary = { steps, settle: "1s", drain: "1s", scaleDownDelay: "1s" };
    const names = Array.from({ length: count }, (_, i) => `web-${i}`);
    await lab.create(names.flatMap((name) => fleetMember(name, { strategy: { canary } }, false)));
    const { operator } = await lab.startOperator();
    await lab.until(count, ({ status }) => status?.phase === "Healthy", "Rollouts promoted");
    await quiet(lab);
    await lagOf(operator); // It begins anew once it was asked for.
    const startedMs = performance.now();
    const left = [...names];
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await changeTemplate(lab, next, "2");
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    const promoted = ({ status }: Rollout) => status?.stable?.images[0] === "web:2";
    await lab.until(count, promoted, "canaries promoted");
    const tookMs = performance.now() - startedMs;
    return [
      {
        what: `${count} canaries at once, four weights, 1 s pauses`,
        budget: "20 s for 500",
        measured: ms(tookMs),
        how: "replica-only, one pod each (kwok); from the first new template to the last promotion",
      },
      {
        what: "event-loop lag meanwhile",
        budget: "p99 below 50 ms",
        measured: `${ms(await lagOf(operator))} p99`,
        how: "the operator's nodejs_eventloop_lag_p99_seconds",
      },
    ];
  } finally {
    await lab.close();
  }
}

/** Until nothing but the Lease was asked for five seconds: Events are sent late, and little by little. */
async function quiet(lab: BenchLab): Promise<void> {
  const asked = () =>
    lab.proxy.requests.filter(({ path }) => !/\/leases/.test(path) && !path.includes("watch=")).length;
  for (let before = -1; before !== asked(); ) {
    before = asked();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
  }
}

async function loggedMs(log: () => Record<string, unknown>[], message: string, sinceMs: number): Promise<number> {
  while (!log().some(({ msg }) => msg === message)) await new Promise((resolve) => setTimeout(resolve, 20));
  return performance.now() - sinceMs;
}

/** p99 of how late its timers are, in milliseconds, since it was asked last. */
async function lagOf({ metricsUrl }: Operator): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  return 1_000 * Number(/^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(text)?.[1] ?? Number.NaN);
}

/** Until the operator says that it has taken so many Rollouts in hand. */
async function lookedAt(metricsUrl: string, count: number, sinceMs: number): Promise<number> {
  for (const end = performance.now() + 120_000; performance.now() < end; ) {
    const text = await (await fetch(metricsUrl)).text();
    const passes = [
      ...text.matchAll(/^controller_runtime_reconcile_total\{[^}]*controller="rollout"[^}]*\} (\d+)/gm),
    ].reduce((sum, m) => sum + Number(m[1]), 0);
    if (passes >= count) return performance.now() - sinceMs;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Waited 120 s for ${count} Rollouts to be looked at`);
}
