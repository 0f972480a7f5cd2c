import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensureBinaries } from "../cluster/binaries.ts";
import { playFlags } from "./flags.ts";
import { playReleases } from "./releases.ts";
import { red, type Stops, say, task } from "./terminal.ts";

const USAGE = `npm run demo [-- options]          releases: a good one is promoted, bad ones come back by themselves
npm run demo -- flags [options]    feature flags: the same for users, watched by a page in Chromium and by a program

  --keep               leave everything running afterwards, until Ctrl-C
  --without-analysis   nobody judges: the bad ones are promoted, and the demo exits 1
  --rps N              requests per second (default 150)
  --screenshots DIR    where flags saves pictures of the page (default ${join(tmpdir(), "zenith-demo")})
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      keep: { type: "boolean", default: false },
      "without-analysis": { type: "boolean", default: false },
      rps: { type: "string", default: "150" },
      screenshots: { type: "string", default: join(tmpdir(), "zenith-demo") },
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
  const screenshots = resolve(process.env.INIT_CWD ?? ".", values.screenshots);
  await ensureBinaries();
  const good = await cleaningUp((stops) =>
    chapter === "flags" ? playFlags({ ...choices, screenshots }, stops) : playReleases(choices, stops),
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
