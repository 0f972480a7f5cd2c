import type { Rollout } from "../../src/api/rollout.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import { type Load, startLoad, type Tallies, untilServed } from "../cluster/load.ts";
import { Access } from "../cluster/watch.ts";
import { type ContextOptions, contextGround, type Ground, ownGround, yamlOf } from "./ground.ts";
import { rollout } from "./shop.ts";
import { bold, dim, green, narrator, red, type Stops, say, seconds, table, task } from "./terminal.ts";

/*
 * The main job, end to end: a good release walks through its steps to 100 %, two bad ones come back by themselves. All of it
 * on a real API server with real pods, real requests and a real Prometheus; only the gateway is a stand-in of ours.
 */

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

/** What is chosen of every chapter. */
export interface Choices {
  readonly rps: number;
  readonly judged: boolean;
  readonly keep: boolean;
}

/** @returns whether all went right
 * @param stops told how each part that was started is stopped */
export async function playReleases(
  { rps, judged, keep, cluster }: Choices & { readonly cluster?: ContextOptions },
  stops: Stops,
): Promise<boolean> {
  say(bold("\nZenith: a good release is promoted, a bad one comes back by itself\n"));
  const startedMs = performance.now();
  const ground = cluster === undefined ? await ownGround(stops) : await contextGround(cluster, keep, stops);
  await task("a shop: Deployment web (4 pods of v1), its Service, its HTTPRoute", async () => {
    await ground.kubectl(["apply", "-f", "-"], yamlOf(ground.objects));
    await ground.kubectl(["rollout", "status", "deployment/web", "--timeout=120s"]);
    await untilServed(ground.url, "web.example");
  });
  await ground.startOperator();
  const load = startLoad(ground.url, rps, { host: "web.example" });
  stops.push(() => load.stop());
  const access = new Access(ground.kubeconfig, "demo");
  stops.push(() => access.close());
  const rollouts = await access.watch<Rollout>(defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts"));
  await task(`kubectl apply -f rollout.yaml: the Deployment is adopted under ${rps} requests/s`, async () => {
    const analysis = judged ? { interval: ground.interval } : { disabled: true };
    await ground.kubectl(["apply", "-f", "-"], yamlOf([rollout({ analysis }, "web", ground.namespace)]));
    await until(ground, rollouts, (status) => status.phase === "Healthy", "the Deployment to be adopted");
  });
  const adopted = hurtOf(load.lap());
  say(`    ${dim(`${adopted.requests} requests meanwhile, ${adopted.failed} failed`)}`);
  const endings: Ending[] = [];
  for (const chapter of CHAPTERS) endings.push(await release(chapter, ground, rollouts, load));
  const good = report(endings, load, performance.now() - startedMs);
  if (keep) await stayOpen(ground);
  return good && adopted.failed === 0;
}

/** One release, from `kubectl set image` to where it ends, told as it goes. */
async function release(chapter: Chapter, ground: Ground, rollouts: Store<Rollout>, load: Load): Promise<Ending> {
  const { tag, about } = chapter;
  const command = ground.release(tag);
  say(`\n  ${bold(`kubectl ${command.join(" ")}`)}   ${dim(`(${about})`)}`);
  load.lap();
  const before = rollouts.get(ground.namespace, "web")?.status?.stable?.revision;
  await ground.kubectl(command);
  const startedMs = performance.now();
  let highest = 0;
  let started = false;
  const narrate = narrator(startedMs);
  const tell = (rollout: Rollout): void => {
    const { weights, message = "", phase = "", display } = rollout.status ?? {};
    started ||= phase === "Progressing";
    if (!started) return; // It speaks of the release before.
    highest = Math.max(highest, weights?.written ?? 0);
    narrate(phase, display?.step, display?.weight, message);
  };
  const unsubscribe = rollouts.subscribe((_type, rollout) => {
    if (rollout.metadata.namespace === ground.namespace) tell(rollout);
  });
  try {
    const end = await until(
      ground,
      rollouts,
      ({ phase }) => {
        started ||= phase === "Progressing";
        return started && (phase === "Healthy" || phase === "Reverted");
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

async function stayOpen({ help }: Ground): Promise<void> {
  say(`\n  Everything is still running. In another terminal:\n\n${help.map((line) => `    ${line}`).join("\n")}\n`);
  say("  Ctrl-C ends it.");
  await new Promise<void>(() => setInterval(() => undefined, 60_000));
}

/** Resolves with the Rollout as soon as its status is as wanted. */
async function until(
  { namespace, patienceMs }: Ground,
  rollouts: Store<Rollout>,
  isThere: (status: NonNullable<Rollout["status"]>) => boolean,
  what: string,
): Promise<Rollout> {
  const check = (): Rollout | undefined => {
    const rollout = rollouts.get(namespace, "web");
    return rollout?.status !== undefined && isThere(rollout.status) ? rollout : undefined;
  };
  const end = performance.now() + patienceMs;
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
        const message = rollouts.get(namespace, "web")?.status?.message ?? "no status";
        finish(() => reject(new Error(`Waited ${patienceMs / 1000} s for ${what}; the Rollout says: ${message}`)));
      }
    };
    const unsubscribe = rollouts.subscribe(look);
    const timer = setInterval(look, 500);
    look();
  });
}
