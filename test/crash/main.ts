import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { ensureBinaries } from "../cluster/binaries.ts";
import { bold, green, red, say, seconds, table } from "../demo/terminal.ts";
import { byChance, inTurn } from "./killers.ts";
import { CrashLab, type Killer, type Outcome } from "./run.ts";
import { type Scenario, scenarios } from "./scenarios.ts";

/*
 * Kills the operator before and after the writes of whole releases, on the real control plane, and compares how each ends with
 * how it ends undisturbed. The first
 * rounds go through the writes in turn, further ones choose by chance.
 */

const USAGE = `npm run crash [-- options]

  --points N   kill at least so often (default 200)
  --only NAME  this scenario alone
  --verbose    tell each write and what became of it
  --seed N     of the rounds after the first (default: by chance)
`;

/** A killer that says what it does. */
function told(killer: Killer): Killer {
  return (write) => {
    const fate = killer(write);
    say(`    ${String(write.number).padStart(3)} ${fate.padEnd(10)} ${write.method} ${write.path.replace(/\?.*/, "")}`);
    return fate;
  };
}

const SIDE_BY_SIDE = 3;
const HOW = ["before, in turn", "after, in turn", "before, shifted", "after, shifted"];

function killerOf(round: number, seed: number): Killer {
  const fate = round % 2 === 0 ? "killBefore" : "killAfter";
  return round < HOW.length ? inTurn(fate, round < 2 ? 0 : 1) : byChance(seed + round);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      points: { type: "string", default: "200" },
      only: { type: "string" },
      verbose: { type: "boolean", default: false },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    say(USAGE);
    return 0;
  }
  const wanted = scenarios().filter(({ name }) => values.only === undefined || name === values.only);
  if (wanted.length === 0)
    throw new Error(
      `--only must be one of ${scenarios()
        .map((s) => s.name)
        .join(", ")}`,
    );
  const points = Number(values.points);
  await ensureBinaries();
  say(bold(`\nCrashes: at least ${points} kills, seed ${values.seed}\n`));
  const lab = await CrashLab.open();
  try {
    const teller = values.verbose ? told : (killer: Killer) => killer;
    return await rounds(lab, wanted, { points, seed: Number(values.seed), teller });
  } finally {
    await lab.close();
  }
}

interface Rounds {
  readonly points: number;
  readonly seed: number;
  readonly teller: (killer: Killer) => Killer;
}

async function rounds(lab: CrashLab, wanted: readonly Scenario[], { points, seed, teller }: Rounds): Promise<number> {
  const undisturbed = new Map<string, Outcome>();
  await eachOf(wanted, async (scenario) => {
    const play = () =>
      lab.play(
        scenario,
        teller(() => "pass"),
      );
    undisturbed.set(scenario.name, await timed(`${scenario.name}, undisturbed`, play));
  });
  const rows: string[][] = [];
  let kills = 0;
  let good = true;
  for (let round = 0; kills < points || round === 0; round++) {
    await eachOf(wanted, async (scenario) => {
      const expected = undisturbed.get(scenario.name);
      const how = HOW[round] ?? `by chance, seed ${seed + round}`;
      const play = () => lab.play(scenario, teller(killerOf(round, seed)), expected?.state);
      const outcome = await timed(`${scenario.name}, ${how}`, play);
      kills += outcome.kills;
      const same = JSON.stringify(outcome.state) === JSON.stringify(expected?.state);
      good &&= same && outcome.violations.length === 0;
      rows.push([
        scenario.name,
        how,
        String(expected?.writes),
        String(outcome.writes),
        String(outcome.kills),
        same ? green(`as undisturbed (${fingerprint(expected?.state)})`) : red("another end"),
        outcome.violations.length === 0 ? "0" : red([...new Set(outcome.violations)].join("; ")),
      ]);
      if (!same) say(red(`\n${scenario.name} ended otherwise:\n${difference(expected?.state, outcome.state)}`));
    });
  }
  say(
    `\n${table(["scenario", "killed at", "writes undisturbed", "writes", "kills", "end state", "violations"], rows)}`,
  );
  say(`\n  ${kills} kills, ${good ? green("every end as undisturbed, 0 violations") : red("not as it must be")}\n`);
  return good ? 0 : 1;
}

/** Scenarios side by side, each in its own namespace: most of their time is waiting. */
async function eachOf(wanted: readonly Scenario[], play: (scenario: Scenario) => Promise<void>): Promise<void> {
  const left = [...wanted];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await play(next);
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
}

/** A short name for a state, so that two of them can be compared at a glance. */
function fingerprint(state: unknown): string {
  return createHash("sha256").update(JSON.stringify(state)).digest("hex").slice(0, 8);
}

/** The objects that are not as wanted, each as it should be and as it is. */
function difference(wanted: unknown, found: unknown): string {
  const [a, b] = [wanted, found].map((state) => new Map(state as [string, unknown][]));
  const names = new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])]);
  return [...names]
    .filter((name) => JSON.stringify(a?.get(name)) !== JSON.stringify(b?.get(name)))
    .map((name) => `  ${name}\n    wanted ${JSON.stringify(a?.get(name))}\n    found  ${JSON.stringify(b?.get(name))}`)
    .join("\n");
}

async function timed(what: string, play: () => Promise<Outcome>): Promise<Outcome> {
  const startedMs = performance.now();
  const outcome = await play();
  say(`  ${what}: ${outcome.writes} writes, ${outcome.kills} kills, ${seconds(performance.now() - startedMs)}`);
  return outcome;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
setTimeout(() => process.exit(), 1_000).unref();
