import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { judge, readFromMs, startAnalysis } from "../../src/core/analysis/judge.ts";
import type { AnalysisSettings } from "../../src/core/analysis/model.ts";
import { measure } from "../../src/metrics/measure.ts";
import { PrometheusClient } from "../../src/metrics/prometheus.ts";
import { queriesOf } from "../../src/metrics/queries.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { claimPorts } from "../cluster/ports.ts";
import { subject } from "./subject.ts";

const SCRAPE_MS = 1000;
const PODS = ["web-6d4c-aaaaa", "web-6d4c-ccccc", "web-58bf-bbbbb"] as const;

/** What each pod has counted: requests, errors, and requests slower than 500 ms. */
const counted = new Map<string, { requests: number; errors: number; slow: number }>();

let folder: string;
let exporter: Server;
let prometheus: ChildProcess;
let client: PrometheusClient;

beforeAll(async () => {
  const binaries = await ensureBinaries();
  folder = mkdtempSync(join(tmpdir(), "zenith-metrics-"));
  exporter = createServer((request, response) => response.end(exposition((request.url ?? "").slice(1))));
  const exporterPort = await listen(exporter);
  const [port = 0] = await claimPorts(1);
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(configuration(exporterPort))); // JSON is YAML.
  prometheus = spawn(
    binaries.prometheus,
    [
      "--config.file=prometheus.yml",
      "--storage.tsdb.path=data",
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    { cwd: folder, stdio: "ignore" },
  );
  client = new PrometheusClient({ url: `http://127.0.0.1:${port}`, nowMs: Date.now });
  await vi.waitFor(async () => expect((await client.query("up", Date.now())).kind).toBe("vector"), { timeout: 20_000 });
}, 1_200_000);

afterAll(async () => {
  await client?.close();
  if (prometheus?.exitCode === null) {
    const ended = new Promise((done) => prometheus.once("exit", done));
    prometheus.kill("SIGTERM");
    await ended;
  }
  exporter?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const settings: AnalysisSettings = {
  metrics: [
    { kind: "errorRate", name: "error-rate", max: 0.01 },
    { kind: "latency", name: "latency", quantile: 0.95, maxMs: 500 },
    { kind: "query", name: "pods", promql: 'count(up{pod=~"{{canary.pods}}"})', max: 5, consecutive: 3, both: true },
  ],
  intervalMs: SCRAPE_MS,
  onNoData: { afterMs: 300_000, then: "hold" },
  onUnsure: { afterMs: 300_000, then: "pause" },
  judge: "evidence",
  alpha: 0.01,
  warmupMs: 0,
};

test("every request that pods counted is judged once, whatever is read twice", { timeout: 60_000 }, async () => {
  counted.set("web-58bf-bbbbb", { requests: 90_000, errors: 900, slow: 500 });
  await expect.poll(() => total("web-58bf-bbbbb"), { timeout: 10_000 }).toBe(90_000);
  const startedAtMs = Date.now();
  let state = startAnalysis(settings, startedAtMs);
  let last: ReturnType<typeof judge> | undefined;
  // Nine passes while they serve, then on until Prometheus has it all, and once more.
  for (let pass = 0, isComplete = false; !isComplete; pass++) {
    if (pass < 9) for (const pod of PODS) serve(pod, 100 + pass, pass % 3, 2);
    isComplete = pass >= 9 && (await hasScrapedAll());
    // Out of step with the scrapes; but for the last pass, which must not come too soon to count.
    await sleep(isComplete ? SCRAPE_MS : 700);
    const nowMs = Date.now();
    const readings = await measure(client, {
      subject,
      queries: queriesOf("http", subject),
      metrics: settings.metrics,
      sinceMs: readFromMs(settings, state, nowMs),
      nowMs,
      windowMs: 60_000,
    });
    last = judge(settings, state, {
      nowMs,
      stepStartedAtMs: startedAtMs,
      readings,
      compare: true,
      bornAfterMs: startedAtMs,
    });
    state = last.state;
  }
  const [requests, errors, slow] = [936, 9, 18]; // 9 × 100 + 0…8, three rounds of 0 + 1 + 2, 9 × 2
  expect(state.metrics["error-rate"]?.step.counts).toEqual([2 * requests, 2 * errors, requests, errors]);
  expect(state.metrics.latency?.step.counts).toEqual([2 * requests, 2 * slow, requests, slow]);
  expect(last?.metrics[2]).toMatchObject({ verdict: "Continue", value: 2, stableValue: 1 });
});

test("what Prometheus refuses is an error, and no breach", async () => {
  expect(await client.query("sum(", Date.now())).toMatchObject({
    kind: "refused",
    message: "Prometheus cannot read the query: 1:5: parse error: unclosed left parenthesis",
  });
  expect(await client.query('"text"', Date.now())).toMatchObject({ kind: "refused" });
  expect(await client.query("nothing_of_this_name", Date.now())).toEqual({ kind: "vector", series: [] });
  expect(await client.query("0/0", Date.now())).toMatchObject({
    kind: "scalar",
    sample: [expect.any(Number), Number.NaN],
  });
});

test("a window longer than all that Prometheus keeps is judged on what there is, and one before it is no data", async () => {
  const ask = async (promql: string) => {
    const metrics: AnalysisSettings["metrics"] = [
      { kind: "query", name: "scrapes", promql, max: 5, consecutive: 3, both: false },
    ];
    const nowMs = Date.now();
    const asked = { subject, queries: queriesOf("http", subject), metrics, sinceMs: nowMs - SCRAPE_MS, nowMs };
    return await measure(client, { ...asked, windowMs: 365 * 86_400_000 });
  };
  const scrapes = 'sum(count_over_time(up{pod=~"{{canary.pods}}"}[{{window}}]';
  await vi.waitFor(async () => expect(await ask(`${scrapes}))`)).toMatchObject([{ kind: "value" }]), {
    timeout: 10_000,
  });
  const [all] = await ask(`${scrapes}))`);
  expect(all).toMatchObject({ value: expect.toSatisfy((count: number) => count > 0 && count < 1_000) });
  expect(await ask(`${scrapes} offset 1d))`)).toEqual([
    { kind: "noData", metric: "scrapes", message: "the query answers with nothing" },
  ]);
});

async function hasScrapedAll(): Promise<boolean> {
  const totals = await Promise.all(PODS.map(total));
  return PODS.every((pod, i) => totals[i] === counted.get(pod)?.requests);
}

async function total(pod: string): Promise<number | undefined> {
  const answer = await client.query(`sum(http_requests_total{pod="${pod}"})`, Date.now());
  return answer.kind === "vector" ? answer.series[0]?.sample[1] : undefined;
}

function serve(pod: string, requests: number, errors: number, slow: number): void {
  const before = counted.get(pod) ?? { requests: 0, errors: 0, slow: 0 };
  counted.set(pod, { requests: before.requests + requests, errors: before.errors + errors, slow: before.slow + slow });
}

/** A pod's metrics page; a canary pod has none before its first request, and no error series before its first error. */
function exposition(pod: string): string {
  const count = counted.get(pod);
  if (count === undefined) return "";
  const fast = count.requests - count.slow;
  return [
    `http_requests_total{status="200"} ${count.requests - count.errors}`,
    ...(count.errors === 0 ? [] : [`http_requests_total{status="500"} ${count.errors}`]),
    "# TYPE http_request_duration_seconds histogram",
    `http_request_duration_seconds_bucket{le="0.1"} ${Math.floor(fast / 2)}`,
    `http_request_duration_seconds_bucket{le="0.5"} ${fast}`,
    `http_request_duration_seconds_bucket{le="1"} ${fast}`,
    `http_request_duration_seconds_bucket{le="+Inf"} ${count.requests}`,
    `http_request_duration_seconds_sum ${count.requests}`,
    `http_request_duration_seconds_count ${count.requests}`,
    "",
  ].join("\n");
}

function configuration(port: number) {
  const target = (pod: string) => ({
    targets: [`127.0.0.1:${port}`],
    labels: { namespace: "shop", pod, instance: pod, __metrics_path__: `/${pod}` },
  });
  return {
    global: { scrape_interval: "1s", scrape_timeout: "900ms" },
    scrape_configs: [
      { job_name: "pods", fallback_scrape_protocol: "PrometheusText0.0.4", static_configs: PODS.map(target) },
    ],
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}
