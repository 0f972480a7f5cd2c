import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensureBinaries } from "../cluster/binaries.ts";
import { playFlags } from "./flags.ts";
import { playReleases } from "./releases.ts";
import { red, type Stops, say, task } from "./terminal.ts";

const IMAGE = "node:24-alpine";
const USAGE = `npm run demo [-- options]          releases: a good one is promoted, bad ones come back by themselves
npm run demo -- flags [options]    feature flags: the same for users, watched by a page in Chromium and by a program

  --keep               leave everything running afterwards, until Ctrl-C
  --without-analysis   nobody judges: the bad ones are promoted, and the demo exits 1
  --context NAME       play the releases in your own cluster, by that context of your kubeconfig (below)
  --rps N              requests per second (default 150)
  --screenshots DIR    where flags saves pictures of the page (default ${join(tmpdir(), "zenith-demo")})

With --context nothing is installed: Zenith, a Prometheus that it was told of, and a Gateway must be there. The demo makes the
namespace zenith-demo, keeps to it, and deletes it. Its pods run a program from a ConfigMap, by an image that has node; they have
the annotations prometheus.io/scrape and prometheus.io/port, and metrics need the labels namespace and pod. The requests come
from this machine. It takes as long as your Prometheus needs: at the default interval some six minutes.

  --gateway NAMESPACE/NAME   the Gateway that serves the route (default: the only one)
  --url URL                  where it is reached (default: an address in its status)
  --image IMAGE              an image with node in its PATH (default ${IMAGE})
  --interval TIME            how often your Prometheus scrapes (default 15s)
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      keep: { type: "boolean", default: false },
      "without-analysis": { type: "boolean", default: false },
      rps: { type: "string", default: "150" },
      screenshots: { type: "string", default: join(tmpdir(), "zenith-demo") },
      context: { type: "string" },
      gateway: { type: "string" },
      url: { type: "string" },
      image: { type: "string", default: IMAGE },
      interval: { type: "string", default: "15s" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [chapter = "releases", ...more] = positionals;
  if (values.help) {
    say(USAGE);
    return 0;
  }
  if (more.length > 0 || !["releases", "flags"].includes(chapter))
    throw new Error(`The chapters are releases and flags (found "${positionals.join(" ")}")`);
  const rps = Number(values.rps);
  if (!(rps >= 20 && rps <= 1000)) throw new Error(`--rps must be a number from 20 to 1000 (found "${values.rps}")`);
  const choices = { rps, judged: !values["without-analysis"], keep: values.keep };
  const { context, gateway, url, image, interval } = values;
  if (context === undefined && (gateway !== undefined || url !== undefined))
    throw new Error("--gateway and --url belong to --context");
  if (context !== undefined && chapter === "flags")
    throw new Error("--context plays the releases; flags bring a cluster");
  const cluster = context === undefined ? {} : { cluster: { context, gateway, url, image, interval } };
  const screenshots = resolve(process.env.INIT_CWD ?? ".", values.screenshots);
  if (context === undefined) await ensureBinaries();
  const good = await cleaningUp((stops) =>
    chapter === "flags"
      ? playFlags({ ...choices, screenshots }, stops)
      : playReleases({ ...choices, ...cluster }, stops),
  );
  return good ? 0 : 1;
}

/** Plays, and stops what was started, however it ends. */
async function cleaningUp(play: (stops: Stops) => Promise<boolean>): Promise<boolean> {
  const stops: Stops = [];
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => reject(new Error("interrupted")));
  });
  try {
    return await Promise.race([interrupted, play(stops)]);
  } finally {
    say();
    await task("cleaned up", async () => {
      for (const stop of stops.reverse()) await stop();
    });
  }
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
