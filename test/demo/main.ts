import { parseArgs } from "node:util";
import type { Rollout } from "../../src/api/rollout.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { type Load, startLoad, type Tallies } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { Access } from "../cluster/watch.ts";
import { rollout, shop } from "./shop.ts";
import { bold, dim, green, red, say, seconds, table, task } from "./terminal.ts";

/*
 * The main job, end to end: a good release walks through its steps to 100 %, two bad ones come back by themselves. All of it
 * on a real API server with real pods, real requests and a real Prometheus; only the gateway is a stand-in of ours.
 */

const USAGE = `npm run demo [-- options]

  --keep               leave everything running afterwards, until Ctrl-C
  --without-analysis   releases nobody judges: the bad ones are promoted, and the demo exits 1
  --rps N              requests per second (default 150)
`;

const RPS = 150;
const PATIENCE_MS = 150_000;

interface Chapter {
  readonly tag: string;
  readonly about: string;
  readonly wanted: "Promoted" | "Reverted";
}

interface Ending {
  readonly chapter: Chapter;
  readonly outcome: string;
  readonly tookMs: number;
  readonly highest: number; // percent
  readonly hurt: number;
  readonly requests: number;
  readonly sentence: string;
}

const CHAPTERS: readonly Chapter[] = [
  { tag: "v2", about: "a good release", wanted: "Promoted" },
  { tag: "v3", about: "5 % of its answers are errors", wanted: "Reverted" },
  { tag: "v4", about: "it answers after 800 ms", wanted: "Reverted" },
];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      keep: { type: "boolean", default: false },
      "without-analysis": { type: "boolean", default: false },
      rps: { type: "string", default: String(RPS) },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const rps = Number(values.rps);
  if (!(rps >= 20 && rps <= 1000)) throw new Error(`--rps must be a number from 20 to 1000 (found "${values.rps}")`);
  say(bold("\nZenith: a good release is promoted, a bad one comes back by itself\n"));
  await ensureBinaries();
  const stops: (() => Promise<void>)[] = [];
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => reject(new Error("interrupted")));
  });
  try {
    return await Promise.race([
      interrupted,
      play({ rps, judged: !values["without-analysis"], keep: values.keep }, stops),
    ]);
  } finally {
    say();
    await task("cleaned up", async () => {
      for (const stop of stops.reverse()) await stop();
    });
  }
}

interface Choices {
  readonly rps: number;
  readonly judged: boolean;
  readonly keep: boolean;
}

async function play({ rps, judged, keep }: Choices, stops: (() => Promise<void>)[]): Promise<number> {
  const startedMs = performance.now();
  const playground = await task("a cluster: API server, controllers, node, gateway, Prometheus", () =>
    Playground.start({ gatewayLagMs: 200 }),
  );
  stops.push(() => playground.stop());
  const { cluster } = playground;
  await task("a shop: Deployment web (4 pods of v1), its Service, its HTTPRoute", async () => {
    await cluster.apply(shop());
    await kubectl(playground, "rollout", "status", "deployment/web", "--timeout=60s");
  });
  await task("the operator", () => playground.startOperator());
  const load = startLoad(playground.gateway.url, rps, { host: "web.example" });
  stops.push(() => load.stop());
  const access = new Access(cluster.kubeconfig, "demo");
  stops.push(() => access.close());
  const rollouts = await access.watch<Rollout>(defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts"));
  await task(`kubectl apply -f rollout.yaml: the Deployment is adopted under ${rps} requests/s`, async () => {
    await cluster.apply(rollout(judged ? {} : { analysis: { disabled: true } }));
    await until(rollouts, (status) => status.phase === "Healthy", "the Deployment to be adopted");
  });
  const adopted = hurtOf(load.lap());
  say(`    ${dim(`${adopted.requests} requests meanwhile, ${adopted.failed} failed`)}`);
  const endings: Ending[] = [];
  for (const chapter of CHAPTERS) endings.push(await release(chapter, playground, rollouts, load));
  const good = report(endings, load, performance.now() - startedMs);
  if (keep) await stayOpen(playground);
  return good && adopted.failed === 0 ? 0 : 1;
}

/** One release, from `kubectl set image` to where it ends, told as it goes. */
async function release(
  chapter: Chapter,
  playground: Playground,
  rollouts: Store<Rollout>,
  load: Load,
): Promise<Ending> {
  const { tag, about } = chapter;
  say(`\n  ${bold(`kubectl set image deployment/web web=shop/web:${tag}`)}   ${dim(`(${about})`)}`);
  load.lap();
  const before = rollouts.get("default", "web")?.status?.stable?.revision;
  await kubectl(playground, "set", "image", "deployment/web", `web=shop/web:${tag}`);
  const startedMs = performance.now();
  let highest = 0;
  let told = "";
  const tell = (rollout: Rollout): void => {
    const { weights, message = "", phase = "", display } = rollout.status ?? {};
    highest = Math.max(highest, weights?.written ?? 0);
    const where = `${phase.padEnd(11)} ${`step ${display?.step ?? "-"}`.padEnd(9)} ${(display?.weight ?? "").padStart(5)}`;
    const line = `${where}  ${message}`;
    if (line.replace(/\d+/g, "") === told) return; // Only a count went on.
    told = line.replace(/\d+/g, "");
    say(`    ${dim(seconds(performance.now() - startedMs).padStart(6))}  ${line}`);
  };
  const unsubscribe = rollouts.subscribe((_type, rollout) => tell(rollout));
  try {
    let started = false;
    const end = await until(
      rollouts,
      (status) => {
        started ||= status.phase === "Progressing";
        return started && (status.phase === "Healthy" || status.phase === "Reverted");
      },
      `${tag} to be promoted or reverted`,
    );
    const reverted = end.status?.phase === "Reverted" || end.status?.stable?.revision === before;
    const seen = load.lap();
    return {
      chapter,
      outcome: reverted ? "Reverted" : "Promoted",
      tookMs: performance.now() - startedMs,
      highest,
      ...hurtOf(seen),
      sentence: reverted ? (end.status?.rejected?.message ?? end.status?.message ?? "") : "",
    };
  } finally {
    unsubscribe();
  }
}

/** Requests that failed, and those hurt: failed, or slow. A machine that is busy makes slow ones by itself. */
function hurtOf(tallies: Tallies): { requests: number; hurt: number; failed: number } {
  let [requests, hurt, failed] = [0, 0, 0];
  for (const tally of Object.values(tallies)) {
    requests += tally.requests;
    failed += tally.failed;
    hurt += Math.max(tally.failed, tally.slow);
  }
  return { requests, hurt, failed };
}

function report(endings: readonly Ending[], load: Load, tookMs: number): boolean {
  const rows = endings.map(({ chapter, outcome, tookMs, highest, hurt, requests }) => [
    chapter.tag,
    outcome === chapter.wanted ? green(outcome) : red(`${outcome}, wanted ${chapter.wanted}`),
    seconds(tookMs),
    `${highest} %`,
    `${hurt} of ${requests}`,
    chapter.about,
  ]);
  say(`\n${table(["release", "outcome", "took", "highest weight", "requests hurt", "what it was"], rows)}`);
  for (const { chapter, sentence } of endings.filter((ending) => ending.sentence !== ""))
    say(`\n  ${chapter.tag} was reverted by itself: ${sentence}`);
  const faults = load.faults.length;
  if (faults > 0) say(red(`\n  ${faults} requests that no version answered, the first: ${load.faults[0]}`));
  if (endings.some(({ outcome, chapter }) => outcome !== chapter.wanted))
    say(red("\n  A release did not end as it must."));
  const good = endings.every(({ chapter, outcome }) => outcome === chapter.wanted) && faults === 0;
  say(`\n  ${good ? green("Everything went right") : red("Something went wrong")}, in ${seconds(tookMs)}.`);
  return good;
}

async function stayOpen({ cluster, prometheusUrl, gateway }: Playground): Promise<void> {
  say(`\n  Everything is still running. In another terminal:

    export KUBECONFIG=${cluster.kubeconfig}
    alias kubectl=${cluster.binaries.kubectl}
    kubectl get rollouts --watch
    curl -H 'Host: web.example' ${gateway.url}
    Prometheus: ${prometheusUrl}

  Ctrl-C ends it.`);
  await new Promise<void>(() => setInterval(() => undefined, 60_000));
}

/** Resolves with the Rollout as soon as its status is as wanted. */
async function until(
  rollouts: Store<Rollout>,
  isThere: (status: NonNullable<Rollout["status"]>) => boolean,
  what: string,
): Promise<Rollout> {
  const check = (): Rollout | undefined => {
    const rollout = rollouts.get("default", "web");
    return rollout?.status !== undefined && isThere(rollout.status) ? rollout : undefined;
  };
  const end = performance.now() + PATIENCE_MS;
  return await new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      unsubscribe();
      clearInterval(timer);
      act();
    };
    const look = (): void => {
      const found = check();
      if (found !== undefined) finish(() => resolve(found));
      else if (performance.now() > end) {
        const message = rollouts.get("default", "web")?.status?.message ?? "no status";
        finish(() => reject(new Error(`Waited ${PATIENCE_MS / 1000} s for ${what}; the Rollout says: ${message}`)));
      }
    };
    const unsubscribe = rollouts.subscribe(look);
    const timer = setInterval(look, 500);
    look();
  });
}

async function kubectl({ cluster }: Playground, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

try {
  process.exitCode = await main();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  if (message === "interrupted") process.exitCode = 130;
  else {
    process.stderr.write(`${red("The demo failed")}: ${message}\n`);
    process.exitCode = 1;
  }
}
setTimeout(() => process.exit(), 1_000).unref();
