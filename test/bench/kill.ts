import type { FlagServer } from "../cluster/flag-server.ts";
import { type ClientKind, Clients, monotonicMs } from "./clients.ts";
import { benchFlag, cpuMs, FlagLab, residentMiB } from "./flag-lab.ts";
import { ms, quantile, type Row } from "./row.ts";

const STREAMS = 1_000;
const SIZES = [100, 1_000];
const FLAG_SET = "default";
const KILL = {
  apiVersion: "zenith.sh/v1alpha1",
  kind: "KillSwitch",
  metadata: { name: "stop", namespace: FLAG_SET },
  spec: { selector: { matchLabels: { bench: "kill" } }, flags: "safe", reason: "a benchmark" },
};
/** How the clients of a kind know that they have the kill, and that it is over. */
const MARKERS: Readonly<Record<ClientKind, { readonly kill: string; readonly over: string; readonly what: string }>> = {
  sync: { kill: '"override":"killed"', over: '"flags"', what: "sync streams, whole sets" },
  events: { kill: "bench-0", over: "bench-0", what: "event streams" },
  ofrep: { kill: '"override":"killed"', over: '"flags"', what: "OFREP clients, until they have fetched" },
};

/** From the start of `kubectl apply` of a KillSwitch that matches every flag until the last of 1,000 clients has it. */
export async function benchKill(runs: number): Promise<Row[]> {
  const lab = await FlagLab.open();
  try {
    const rows: Row[] = [];
    let created = 0;
    for (const size of SIZES) {
      await lab.create(Array.from({ length: size - created }, (_, i) => benchFlag(`bench-${created + i}`)));
      created = size;
      for (const kind of ["sync", "events", "ofrep"] as const) {
        const server = await lab.serve(); // Each its own: what it weighs at most is of this row.
        rows.push(await killAll(lab, server, { size, kind, runs: runsOf(size, kind, runs) }));
        await lab.stopServers();
      }
    }
    return rows;
  } finally {
    await lab.close();
  }
}

/** A million answers for a run take seconds, and there is no goal for them: a quarter of the runs tells enough. */
function runsOf(size: number, kind: ClientKind, runs: number): number {
  return size === SIZES[0] || kind !== "ofrep" ? runs : Math.ceil(runs / 4);
}

async function killAll(
  lab: FlagLab,
  server: FlagServer,
  { size, kind, runs }: { size: number; kind: ClientKind; runs: number },
): Promise<Row> {
  const { kill, over, what } = MARKERS[kind];
  process.stderr.write(`  ${size} flags, ${STREAMS} ${what} …\n`);
  const clients = await Clients.open({ kind, count: STREAMS, ports: server.ports, flagSet: FLAG_SET });
  const [last, first, cpu]: [number[], number[], number[]] = [[], [], []];
  try {
    for (let i = 0; i < runs; i++) {
      const { arrived } = await clients.await(kill);
      const [startMs, usedMs] = [monotonicMs(), cpuMs(server.running)];
      await lab.cluster.apply(KILL);
      const took = (await arrived).map((atMs) => atMs - startMs);
      cpu.push(cpuMs(server.running) - usedMs);
      last.push(Math.max(...took));
      first.push(Math.min(...took));
      const released = await clients.await(over);
      await lab.kubectl("delete", "killswitch", KILL.metadata.name, "-n", FLAG_SET);
      await released.arrived;
    }
  } finally {
    await clients.close();
  }
  process.stderr.write(`    ${last.map(ms).join(", ")}\n`);
  const memory = residentMiB(server.running, "VmHWM");
  return {
    what: `kubectl apply of a KillSwitch → the last of ${STREAMS} ${what}, ${size} flags`,
    budget: size === SIZES[0] ? "p99 < 1 s" : "",
    measured: `${ms(quantile(last, 0.5))} p50, ${ms(quantile(last, 0.99))} p99`,
    how: `${runs} runs, kubectl's own start included; the first client after ${ms(quantile(first, 0.5))}; ${ms(quantile(cpu, 0.5))} of the server's CPU, ${memory.toFixed(0)} MiB at most`,
  };
}
