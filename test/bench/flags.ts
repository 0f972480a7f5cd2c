import type { FeatureFlag } from "../../src/api/feature-flag.ts";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { compileFlag } from "../../src/core/flags/compile.ts";
import { FlagStore } from "../../src/serving/store.ts";
import type { FlagServer } from "../cluster/flag-server.ts";
import { startOperator } from "../cluster/playground.ts";
import { BareServer } from "./bare-http.ts";
import { Clients, monotonicMs } from "./clients.ts";
import { benchFlag, cpuMs, ENTRY, FLAGS, FlagLab, residentMiB } from "./flag-lab.ts";
import { HttpConnection } from "./http-connection.ts";
import { loadOfrep } from "./ofrep-load.ts";
import { ms, quantile, type Row } from "./row.ts";

const SETS = 10;
const FLAGS_OF_A_SET = 1_000;
const MANY = SETS * FLAGS_OF_A_SET;
const FEW = 100;
const SECONDS = 5;
const CHANGES = 20;
const FLAGS_PATH = "/ofrep/v1/evaluate/flags";
const CONTEXT = JSON.stringify({ context: { targetingKey: "user-4711", email: "ann@example.org", plan: "pro" } });

/** What a flag server answers in a second, what many flags weigh, and how soon one of them has changed. */
export async function benchFlags(): Promise<Row[]> {
  const lab = await FlagLab.open();
  try {
    await lab.create(Array.from({ length: FEW }, (_, i) => benchFlag(`bench-${i}`)));
    const server = await lab.serve();
    const rows = [await single(server), await bare(server), await singleAtRate(server), await bulk(server)];
    await lab.stopServers();
    return [...rows, recompiled(), ...(await many(lab))];
  } finally {
    await lab.close();
  }
}

async function single(server: FlagServer): Promise<Row> {
  const { throughput, perCore, tookMs } = await pressed(asked(server), `${FLAGS_PATH}/bench-7`, 50);
  return {
    what: "OFREP single evaluation, as many as it can",
    budget: "40,000/s a core",
    measured: `${count(perCore)}/s a core; ${count(throughput)}/s here, ${ms(quantile(tookMs, 0.99))} p99`,
    how: `50 connections for ${SECONDS} s from a process on the same cores; a core is a second of the server's CPU`,
  };
}

/** What the same load costs a server that evaluates nothing, so that the one above can be read on any machine. */
async function bare({ ports }: FlagServer): Promise<Row> {
  const asking = new HttpConnection(ports.ofrep, (why) => process.stderr.write(`${why}\n`));
  const answer = (await asking.post(`${FLAGS_PATH}/bench-7`, CONTEXT)).toString("utf8");
  asking.close();
  const server = await BareServer.start(answer.slice(answer.indexOf("\r\n\r\n") + 4));
  try {
    const { throughput, perCore, tookMs } = await pressed({ port: server.port, pid: server.pid }, "/", 50);
    return {
      what: "the same bytes by Node's HTTP server alone",
      budget: "",
      measured: `${count(perCore)}/s a core; ${count(throughput)}/s here, ${ms(quantile(tookMs, 0.99))} p99`,
      how: "a handler that reads the body and answers always the same; load as above",
    };
  } finally {
    await server.stop();
  }
}

async function singleAtRate({ ports }: FlagServer): Promise<Row> {
  const rate = 5_000;
  const request = { port: ports.ofrep, path: `${FLAGS_PATH}/bench-7`, body: CONTEXT };
  const { tookMs } = await loadOfrep({ ...request, connections: 50, seconds: SECONDS, rate });
  return {
    what: "OFREP single evaluation, 5,000/s",
    budget: "p99 ≤ 5 ms",
    measured: `${ms(quantile(tookMs, 0.99))} p99, ${ms(quantile(tookMs, 0.5))} p50`,
    how: `open loop for ${SECONDS} s, from when each request was due`,
  };
}

async function bulk(server: FlagServer): Promise<Row> {
  const { throughput, perCore, tookMs } = await pressed(asked(server), FLAGS_PATH, 20);
  return {
    what: `OFREP all of ${FEW} flags, as many as it can`,
    budget: "",
    measured: `${count(perCore)}/s a core; ${count(throughput)}/s here, ${ms(quantile(tookMs, 0.99))} p99`,
    how: `20 connections for ${SECONDS} s, as above`,
  };
}

interface Asked {
  readonly port: number;
  readonly pid: number;
}

function asked({ ports, running }: FlagServer): Asked {
  return { port: ports.ofrep, pid: running.pid };
}

async function pressed({ port, pid }: Asked, path: string, connections: number) {
  const usedMs = cpuMs({ pid });
  const startMs = monotonicMs();
  const load = await loadOfrep({ port, path, body: CONTEXT, connections, seconds: SECONDS });
  const throughput = (1_000 * load.requests) / Math.min(monotonicMs() - startMs, 1_000 * SECONDS);
  return { throughput, perCore: (1_000 * load.requests) / (cpuMs({ pid }) - usedMs), tookMs: load.tookMs };
}

/** One flag among many, from its object to what is evaluated and sent. */
function recompiled(): Row {
  const store = new FlagStore();
  const none = { get: () => undefined };
  const put = (i: number, share: number): void => {
    const flag = benchFlag(`bench-${i}`, `bench-${i % SETS}`, share) as unknown as FeatureFlag;
    const compiled = compileFlag({ flag, segments: none, others: none, kills: [], nowMs: Date.now() });
    if (compiled.kind === "compiled") store.put(compiled);
  };
  for (let i = 0; i < MANY; i++) put(i, 25);
  const took = Array.from({ length: 1_000 }, (_, i) => {
    const startMs = performance.now();
    put(i, 26);
    return performance.now() - startMs;
  });
  return {
    what: `one changed flag of ${count(MANY)}, compiled and served`,
    budget: "1 ms",
    measured: `${ms(quantile(took, 0.5))} median, ${ms(quantile(took, 0.99))} p99`,
    how: "compileFlag and FlagStore.put, 1,000 times",
  };
}

/** Operator and flag server with ten thousand flags in ten namespaces. */
async function many(lab: FlagLab): Promise<Row[]> {
  const sets = Array.from({ length: SETS }, (_, i) => `bench-${i}`);
  process.stderr.write(`  ${count(MANY)} flags …\n`);
  await lab.cluster.applyGatewayApi();
  await lab.cluster.apply(sets.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })));
  const createMs = monotonicMs();
  await lab.create(
    sets.flatMap((set) => Array.from({ length: FLAGS_OF_A_SET }, (_, i) => benchFlag(`bench-${i}`, set))),
  );
  process.stderr.write(`  created in ${ms(monotonicMs() - createMs)} …\n`);
  const server = await lab.serve();
  const operator = await startOperator(lab.cluster, ["--log-level=warn"], { entry: ENTRY });
  try {
    const flags = await lab.access.watch<FeatureFlag>(FLAGS);
    const startMs = monotonicMs();
    while (!flags.list().every(({ status }) => status?.phase !== undefined))
      await new Promise((resolve) => setTimeout(resolve, 100));
    const toldMs = monotonicMs() - startMs;
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const [own, served] = [residentMiB(operator.running), residentMiB(server.running)];
    const memory = {
      what: `memory with ${count(MANY)} flags, operator + flag server`,
      budget: "300 MiB",
      measured: `${(own + served).toFixed(0)} MiB (${own.toFixed(0)} + ${served.toFixed(0)})`,
      how: `resident, after the operator wrote the status of each (${ms(toldMs)})`,
    };
    return [memory, ...(await changed(lab, server))];
  } finally {
    await operator.running.stop();
  }
}

/** From the write of one flag to the answers of the server, and to clients that evaluate by themselves. */
async function changed(lab: FlagLab, server: FlagServer): Promise<Row[]> {
  const flagSet = "bench-3";
  await lab.create([changing(flagSet)]);
  const clients = await Clients.open({ kind: "sync", count: 10, ports: server.ports, flagSet }, 1);
  const asking = new HttpConnection(server.ports.ofrep, (why) => process.stderr.write(`${why}\n`));
  const [answered, pushed]: [number[], number[]] = [[], []];
  try {
    for (let i = 0; i < CHANGES; i++) {
      const marker = `"variant":"change-${i}"`;
      const { arrived } = await clients.await(`"defaultVariant":"change-${i}"`);
      const startMs = monotonicMs();
      await lab.access.resources.mergePatch<KubeObject>(
        { apiVersion: "zenith.sh/v1alpha1", kind: "FeatureFlag", namespace: flagSet, name: CHANGING },
        { spec: { strategy: { allAtOnce: { variant: `change-${i}` } } } },
      );
      const headers = { "flagd-selector": `flagSetId=${flagSet}` };
      while (!(await asking.post(`${FLAGS_PATH}/${CHANGING}`, CONTEXT, headers)).includes(marker));
      answered.push(monotonicMs() - startMs);
      pushed.push(Math.max(...(await arrived)) - startMs);
    }
  } finally {
    asking.close();
    await clients.close();
  }
  const figures = (took: readonly number[]) => `${ms(quantile(took, 0.5))} p50, ${ms(quantile(took, 0.99))} p99`;
  const how = `from the write's start; ${CHANGES} times, ten sets of ${count(FLAGS_OF_A_SET)} flags`;
  return [
    { what: `one changed flag of ${count(MANY)} → OFREP answers`, budget: "", measured: figures(answered), how },
    {
      what: `one changed flag of ${count(MANY)} → ten in-process clients`,
      budget: "p99 < 1 s",
      measured: figures(pushed),
      how: `${how}; each gets its set of ${count(FLAGS_OF_A_SET)} whole`,
    },
  ];
}

const CHANGING = "changing";

/** A flag that serves another of its variants at each change. */
function changing(namespace: string): KubeObject {
  const names = Array.from({ length: CHANGES }, (_, i) => `change-${i}`);
  const flag = benchFlag(CHANGING, namespace) as unknown as FeatureFlag;
  return {
    ...flag,
    spec: {
      variants: { string: Object.fromEntries([...names, "none"].map((name) => [name, name])) },
      defaultVariant: "none",
      strategy: { allAtOnce: { variant: "none" } },
    },
  } as unknown as KubeObject;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}
